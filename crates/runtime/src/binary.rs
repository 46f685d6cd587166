//! The binary that shims run from: a copy of ours on a small file system that nobody can write to (S1).
//!
//! While a process of ours enters a container, that container can name our binary as `/proc/<pid>/exe` and, being root,
//! open it for writing (CVE-2019-5736). On a read-only mount the kernel refuses. Every build gets a mount of its own, so
//! shims of an older build keep running from theirs after an upgrade, and all shims of a build share its pages.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use thiserror::Error;

const NAME: &str = "skep";
/// Room beside the file for its directory entry and page rounding.
const SLACK_BYTES: u64 = 1 << 20;
/// Attempts at making the copy read-only, and the pause between them.
const SEAL_COUNT_MAX: usize = 500;
const SEAL_PAUSE: Duration = Duration::from_millis(2);

/// A copy that cannot be made or removed.
#[derive(Debug, Error)]
pub enum BinaryError {
    /// The running binary cannot be read.
    #[error("cannot read the running binary {path}")]
    Source {
        /// Its path.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The copy cannot be made.
    #[error("cannot put a read-only copy of the binary into {path}")]
    Install {
        /// The mount point.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The copy cannot be removed.
    #[error("cannot remove the copy of the binary in {path}")]
    Remove {
        /// The mount point.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
}

/// Copies the running binary (or `source`) below `directory` unless that is done already, removes copies that no process
/// uses, and returns the path to execute.
pub(crate) fn install(directory: &Path, source: Option<&Path>) -> Result<PathBuf, BinaryError> {
    // The magic link opens the right file even after an upgrade has unlinked it.
    let path = source.unwrap_or(Path::new("/proc/self/exe"));
    let failed = |source| BinaryError::Source { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    let build = format!(
        "{:x}-{:x}-{:x}-{:x}",
        meta.dev(),
        meta.ino(),
        meta.len(),
        meta.mtime_nsec() ^ meta.mtime() << 30
    );
    let target = directory.join(&build);
    let program = target.join(NAME);
    if !is_complete(&target, meta.len()) {
        copy(file, meta.len(), &target)
            .map_err(|source| BinaryError::Install { path: target.clone(), source })?;
    }
    for other in builds(directory).into_iter().filter(|other| *other != target) {
        // In use by an older shim: its turn comes later.
        if let Err(error) = remove(&other, UnmountFlags::NOFOLLOW) {
            tracing::debug!(path = %other.display(), %error, "older binary kept");
        }
    }
    Ok(program)
}

/// Removes all copies. With `force`, also those that a process still runs from.
pub(crate) fn remove_all(directory: &Path, force: bool) -> Result<(), BinaryError> {
    let flags = if force { UnmountFlags::DETACH } else { UnmountFlags::empty() } | UnmountFlags::NOFOLLOW;
    for build in builds(directory) {
        remove(&build, flags).map_err(|source| BinaryError::Remove { path: build.clone(), source })?;
    }
    match fs::remove_dir(directory) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(BinaryError::Remove { path: directory.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn builds(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

fn remove(build: &Path, flags: UnmountFlags) -> io::Result<()> {
    // One mount, or two if a daemon was killed between its steps.
    for _ in 0..2 {
        match unmount(build, flags) {
            Ok(()) => {}
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => break,
            Err(error) => return Err(error.into()),
        }
    }
    match fs::remove_dir(build) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A copy becomes read-only only when it is complete.
fn is_complete(target: &Path, size: u64) -> bool {
    let is_read_only = rustix::fs::statvfs(target)
        .is_ok_and(|stat| stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY));
    is_read_only && fs::metadata(target.join(NAME)).is_ok_and(|meta| meta.len() == size)
}

fn copy(mut source: File, size: u64, target: &Path) -> io::Result<()> {
    if target.exists() {
        remove(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)?;
    }
    fs::create_dir_all(target)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    let options = std::ffi::CString::new(format!("mode=0755,size={}", size + SLACK_BYTES))?;
    mount("skep", target, "tmpfs", flags, options.as_c_str())?;
    let path = target.join(NAME);
    let mut file = File::create(&path)?;
    io::copy(&mut source, &mut file)?;
    file.set_permissions(fs::Permissions::from_mode(0o755))?;
    drop(file);
    for _ in 0..SEAL_COUNT_MAX {
        match mount_remount(target, flags | MountFlags::RDONLY, c"") {
            // A child just forked by another thread has a copy of our descriptor until it executes its program.
            Err(rustix::io::Errno::BUSY) => std::thread::sleep(SEAL_PAUSE),
            result => return Ok(result?),
        }
    }
    Err(io::ErrorKind::ResourceBusy.into())
}
