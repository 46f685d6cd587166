//! Going through a directory that others may change: by descriptors, in the order of names, without following anything.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, OFlags, Stat, fstatfs, statat};
use rustix::io::Errno;

use super::open_below;

/// Directories in directories. Each costs a descriptor while it is open.
const DEPTH_MAX: usize = 512;
/// Magic numbers of what is no file system of the container: proc, sysfs, both cgroups, devpts, mqueue.
const KERNEL_FILES: [i64; 6] = [0x9fa0, 0x6265_6572, 0x0027_e0eb, 0x6367_7270, 0x1cd1, 0x1980_0202];

/// Why a walk ended early.
pub(super) enum WalkError<E> {
    /// The visitor's error.
    Visit(E),
    Io(PathBuf, io::Error),
    Depth(PathBuf),
}

/// One entry, by its directory and its name.
pub(super) struct Entry<'a> {
    pub directory: &'a OwnedFd,
    pub name: &'a OsStr,
    /// Below where the walk began.
    pub path: &'a Path,
    pub stat: Stat,
}

impl Entry<'_> {
    pub(super) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }
}

/// Visits everything below `directory`, which stands for `path`. The visitor says whether to go into a directory.
pub(super) fn walk<E>(
    directory: &OwnedFd,
    path: &Path,
    visit: &mut dyn FnMut(&Entry<'_>) -> Result<bool, E>,
) -> Result<(), WalkError<E>> {
    descend(directory, path, visit, 0)
}

fn descend<E>(
    directory: &OwnedFd,
    path: &Path,
    visit: &mut dyn FnMut(&Entry<'_>) -> Result<bool, E>,
    depth: usize,
) -> Result<(), WalkError<E>> {
    if depth > DEPTH_MAX {
        return Err(WalkError::Depth(path.to_owned()));
    }
    let failed = |error: Errno| WalkError::Io(path.to_owned(), error.into());
    if KERNEL_FILES.contains(&(fstatfs(directory).map_err(failed)?.f_type as i64)) {
        return Ok(());
    }
    for name in names(directory).map_err(failed)? {
        let path = path.join(&name);
        let stat = match statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            // Removed since it was listed.
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(WalkError::Io(path, error.into())),
        };
        let entry = Entry { directory, name: &name, path: &path, stat };
        let is_directory = entry.kind() == FileType::Directory;
        if visit(&entry).map_err(WalkError::Visit)? && is_directory {
            match open_below(directory, &name, OFlags::RDONLY | OFlags::DIRECTORY) {
                Ok(inner) => descend(&inner.into(), &path, visit, depth + 1)?,
                // Removed, or replaced by something else.
                Err(error)
                    if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)) => {}
                Err(error) => return Err(WalkError::Io(path, error)),
            }
        }
    }
    Ok(())
}

/// Lists the names in a directory, sorted.
pub(super) fn names(directory: &OwnedFd) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    names.sort();
    Ok(names)
}
