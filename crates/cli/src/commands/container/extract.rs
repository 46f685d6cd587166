//! The entries of an archive, made here: what each becomes, with its owner, mode and time.
//!
//! Where an entry may go is decided in `cp_out`; a path that comes here is free, or that of a directory.

use std::fs::{File, FileTimes, Permissions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use skep_archive::{Content, Head, Kind, Time};

#[cfg(target_os = "linux")]
use super::special;

/// What is still to be done for a directory when nothing more is put into it: a mode may forbid that, and it changes the time.
pub(super) struct Directory {
    path: PathBuf,
    mode: u32,
    modified_at: Time,
}

impl Directory {
    pub fn finish(self) -> io::Result<()> {
        set_mode(&self.path, self.mode)?;
        // Where directories cannot be opened, they have the time of the copy.
        let Ok(directory) = File::open(&self.path) else { return Ok(()) };
        set_time(&directory, self.modified_at)
    }
}

/// Makes an entry that is no hard link. Returns a directory, which is to be finished when all is in it.
pub(super) fn make<R: Read>(
    head: &Head,
    content: &mut Content<'_, R>,
    path: &Path,
    keep_owners: bool,
) -> io::Result<Option<Directory>> {
    match head.kind {
        Kind::Directory => {
            if !path.is_dir() {
                std::fs::create_dir(path)?;
            }
            own(head, path, keep_owners)?;
            Ok(Some(Directory { path: path.to_owned(), mode: head.mode, modified_at: head.modified_at }))
        }
        Kind::File => {
            let mut file = File::create_new(path)?;
            io::copy(content, &mut file)?;
            own(head, path, keep_owners)?;
            set_mode(path, head.mode)?;
            set_time(&file, head.modified_at)?;
            Ok(None)
        }
        Kind::Symlink => {
            symlink(head, path)?;
            own(head, path, keep_owners)?;
            Ok(None)
        }
        #[cfg(target_os = "linux")]
        Kind::Fifo | Kind::CharDevice | Kind::BlockDevice => {
            special::make(head, path)?;
            own(head, path, keep_owners)?;
            set_mode(path, head.mode)?;
            special::set_time(path, head.modified_at)?;
            Ok(None)
        }
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "nothing of its kind can be made here")),
    }
}

/// Returns a name of an archive as a path.
#[cfg(unix)]
pub(super) fn path(name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    std::ffi::OsStr::from_bytes(name).into()
}

/// Returns a name of an archive as a path.
#[cfg(not(unix))]
pub(super) fn path(name: &[u8]) -> PathBuf {
    String::from_utf8_lossy(name).into_owned().into()
}

#[cfg(unix)]
fn symlink(head: &Head, at: &Path) -> io::Result<()> {
    let target = head.target.as_deref().ok_or_else(|| io::Error::other("a link without a target"))?;
    std::os::unix::fs::symlink(path(target), at)
}

#[cfg(not(unix))]
fn symlink(_head: &Head, _at: &Path) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "links cannot be made here"))
}

/// Comes before the mode: a change of owner takes setuid bits away.
#[cfg(unix)]
fn own(head: &Head, path: &Path, keep_owners: bool) -> io::Result<()> {
    if !keep_owners {
        return Ok(());
    }
    let id = |id: u64| u32::try_from(id).map_err(|_| io::Error::other("its owner is out of range"));
    std::os::unix::fs::lchown(path, Some(id(head.uid)?), Some(id(head.gid)?))
}

#[cfg(not(unix))]
fn own(_head: &Head, _path: &Path, _keep_owners: bool) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let mut permissions: Permissions = std::fs::metadata(path)?.permissions();
    permissions.set_readonly(mode & 0o200 == 0);
    std::fs::set_permissions(path, permissions)
}

fn set_time(file: &File, time: Time) -> io::Result<()> {
    let seconds = Duration::from_secs(time.seconds.unsigned_abs());
    let whole = match time.seconds {
        0.. => SystemTime::UNIX_EPOCH.checked_add(seconds),
        _ => SystemTime::UNIX_EPOCH.checked_sub(seconds),
    };
    let moment = whole.and_then(|whole| whole.checked_add(Duration::from_nanos(time.nanos.into())));
    let moment = moment.ok_or_else(|| io::Error::other("its time is out of range"))?;
    file.set_times(FileTimes::new().set_accessed(moment).set_modified(moment))
}
