//! The daemon's two directories: each held by one daemon at a time, and holding nobody else's files.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

/// The file that is locked, and that marks a directory as Skep's.
const LOCK: &str = "skep.lock";
/// Version of everything below the data directory.
const VERSION: &str = "1";

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    #[error("cannot {action} {path}")]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("{path} is in use by another skep daemon; stop that one or give this one another {flag}")]
    InUse { flag: &'static str, path: PathBuf },
    #[error("{path} holds files that are not Skep's; give the daemon an empty or new directory as {flag}")]
    Foreign { flag: &'static str, path: PathBuf },
    #[error(
        "the data directory {path} was written in version {found}, this release reads version {VERSION}; use the release that wrote it, or give this one another --data-root"
    )]
    Version { path: PathBuf, found: String },
}

/// Which of the daemon's two directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Data,
    Exec,
}

impl Kind {
    fn flag(self) -> &'static str {
        match self {
            Kind::Data => "--data-root",
            Kind::Exec => "--exec-root",
        }
    }
}

/// A locked directory. The lock ends with the process, however it ends.
#[derive(Debug)]
pub struct Root {
    _lock: File,
}

impl Root {
    /// Makes the directory if it is missing, locks it, and checks that it is Skep's and of its version.
    pub fn open(kind: Kind, path: &Path) -> Result<Root, RootError> {
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| RootError::Io { action, path, source }
        };
        std::fs::DirBuilder::new().recursive(true).mode(0o711).create(path).map_err(io("create", path))?;
        let lock_path = path.join(LOCK);
        if !lock_path.exists() && is_foreign(path).map_err(io("read", path))? {
            return Err(RootError::Foreign { flag: kind.flag(), path: path.to_owned() });
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .map_err(io("open", &lock_path))?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(RootError::InUse { flag: kind.flag(), path: path.to_owned() });
            }
            Err(error) => return Err(io("lock", &lock_path)(error.into())),
        }
        if kind == Kind::Data {
            check_version(path)?;
        }
        Ok(Root { _lock: lock })
    }
}

/// Returns whether the directory holds what Skep did not put there. Sockets and files with process ids
/// are often put where a daemon keeps its own.
fn is_foreign(path: &Path) -> std::io::Result<bool> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let is_pid = entry.path().extension().is_some_and(|extension| extension == "pid");
        if !is_pid && !entry.file_type()?.is_socket() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn check_version(path: &Path) -> Result<(), RootError> {
    let version_path = path.join("version");
    match std::fs::read_to_string(&version_path) {
        Ok(found) if found.trim() == VERSION => Ok(()),
        Ok(found) => {
            let found = format!("{:?}", found.trim());
            Err(RootError::Version { path: path.to_owned(), found })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            write_atomically(&version_path, VERSION.as_bytes())
        }
        Err(source) => Err(RootError::Io { action: "read", path: version_path, source }),
    }
}

/// Writes a file so that after a crash it is either not there, or whole, or as it was.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), RootError> {
    let temp = path.with_extension("tmp");
    let attempt = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temp)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temp, path)?;
        sync_dir(path.parent().unwrap_or(Path::new("/")))
    };
    attempt().map_err(|source| RootError::Io { action: "write", path: path.to_owned(), source })
}

/// Brings the names in a directory to the disk.
pub fn sync_dir(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_daemon_at_a_time_and_one_version() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let root = Root::open(Kind::Data, &path).unwrap();
        assert!(matches!(Root::open(Kind::Data, &path), Err(RootError::InUse { .. })));
        drop(root);
        drop(Root::open(Kind::Data, &path).unwrap());
        std::fs::write(path.join("version"), "9\n").unwrap();
        let error = Root::open(Kind::Data, &path).unwrap_err().to_string();
        assert!(error.contains("written in version \"9\""), "{error}");
    }

    #[test]
    fn somebody_elses_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("skep.pid"), "1").unwrap();
        drop(Root::open(Kind::Exec, dir.path()).unwrap());
        let other = tempfile::tempdir().unwrap();
        std::fs::create_dir(other.path().join("etc")).unwrap();
        let error = Root::open(Kind::Exec, other.path()).unwrap_err().to_string();
        assert!(error.contains("not Skep's") && error.contains("--exec-root"), "{error}");
        assert!(!other.path().join("skep.lock").exists());
    }
}
