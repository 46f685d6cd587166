//! The entries of an archive, made here: what each becomes, with its owner, mode and time.
//!
//! Where an entry may go is decided in `cp_out`, with every directory on the way. Here no link is followed: what stands at the
//! path of an entry is replaced, unless a directory meets a directory.

use std::fs::{File, FileTimes, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use skep_archive::{Content, Header, Kind, Time};

#[cfg(target_os = "linux")]
use super::special;

/// What is still to be done for a directory when nothing more is put into it: its mode may forbid that, and it changes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Finish {
    mode: u32,
    modified_at: Time,
}

/// Makes an entry that is no hard link. Returns what is to be done for a directory in the end; until then it is its owner's only.
pub(super) fn make<R: Read>(
    header: &Header,
    content: &mut Content<'_, R>,
    path: &Path,
    keep_owners: bool,
) -> io::Result<Option<Finish>> {
    let stays = header.kind == Kind::Directory && look(path)?.is_some_and(|found| found.is_dir());
    if !stays {
        replace(path)?;
    }
    match header.kind {
        Kind::Directory => {
            if !stays {
                system::create_directory(path)?;
            }
            system::own(header, path, keep_owners)?;
            return Ok(Some(Finish { mode: header.mode, modified_at: header.modified_at }));
        }
        Kind::File | Kind::SparseFile => {
            let mut file = system::create_file(path)?;
            content.write_to(&mut file)?;
            system::own(header, path, keep_owners)?;
            system::set_mode(&file, header.mode)?;
            set_time(&file, header.modified_at)?;
        }
        Kind::Symlink => {
            system::symlink(header, path)?;
            system::own(header, path, keep_owners)?;
            #[cfg(target_os = "linux")]
            special::set_time(path, header.modified_at)?;
        }
        #[cfg(target_os = "linux")]
        Kind::Fifo | Kind::CharDevice | Kind::BlockDevice => {
            special::make(header, path)?;
            system::own(header, path, keep_owners)?;
            special::set_mode(path, header.mode)?;
            special::set_time(path, header.modified_at)?;
        }
        _ => return Err(io::Error::new(io::ErrorKind::Unsupported, "nothing of its kind can be made here")),
    }
    Ok(None)
}

/// Gives a directory, in which everything is, its mode and time.
pub(super) fn finish(path: &Path, finish: Finish) -> io::Result<()> {
    let Some(directory) = system::open_directory(path)? else { return Ok(()) };
    set_time(&directory, finish.modified_at)?;
    system::set_mode(&directory, finish.mode)
}

/// Makes room for an entry: what is written never goes through a link that is there.
pub(super) fn replace(path: &Path) -> io::Result<()> {
    match look(path)? {
        None => Ok(()),
        Some(found) if found.is_dir() => Err(io::Error::other("it is a directory")),
        Some(_) => std::fs::remove_file(path),
    }
}

/// Returns what is at a path, which is not followed.
pub(super) fn look(path: &Path) -> io::Result<Option<Metadata>> {
    match std::fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
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
mod system {
    use std::fs::{DirBuilder, File, OpenOptions, Permissions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
    use std::path::Path;

    use rustix::fs::{Mode, OFlags};
    use skep_archive::Header;

    pub fn create_directory(path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    pub fn create_file(path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }

    pub fn open_directory(path: &Path) -> io::Result<Option<File>> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Some(rustix::fs::open(path, flags, Mode::empty())?.into()))
    }

    pub fn symlink(header: &Header, at: &Path) -> io::Result<()> {
        let target = header.link_name.as_deref();
        let target = target.ok_or_else(|| io::Error::other("a link without a target"))?;
        std::os::unix::fs::symlink(super::path(target), at)
    }

    /// Comes before the mode: a change of owner takes setuid bits away.
    pub fn own(header: &Header, path: &Path, keep_owners: bool) -> io::Result<()> {
        if !keep_owners {
            return Ok(());
        }
        let owner = header.owner();
        let (uid, gid) = owner.ok_or_else(|| io::Error::other("its owner is out of range"))?;
        std::os::unix::fs::lchown(path, Some(uid), Some(gid))
    }

    pub fn set_mode(file: &File, mode: u32) -> io::Result<()> {
        file.set_permissions(Permissions::from_mode(mode))
    }
}

#[cfg(not(unix))]
mod system {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    use skep_archive::Header;

    pub fn create_directory(path: &Path) -> io::Result<()> {
        std::fs::create_dir(path)
    }

    pub fn create_file(path: &Path) -> io::Result<File> {
        File::create_new(path)
    }

    /// Directories cannot be opened here, and have the time of the copy.
    pub fn open_directory(_path: &Path) -> io::Result<Option<File>> {
        Ok(None)
    }

    pub fn symlink(_header: &Header, _at: &Path) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "links cannot be made here"))
    }

    pub fn own(_header: &Header, _path: &Path, _keep_owners: bool) -> io::Result<()> {
        Ok(())
    }

    pub fn set_mode(file: &File, mode: u32) -> io::Result<()> {
        let mut permissions = file.metadata()?.permissions();
        permissions.set_readonly(mode & 0o200 == 0);
        file.set_permissions(permissions)
    }
}
