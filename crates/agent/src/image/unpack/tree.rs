//! File operations that cannot leave one directory tree.
//!
//! Decides how a path of an image becomes a place on disk: every parent is resolved by the kernel with the tree as
//! its root (`openat2`, `RESOLVE_IN_ROOT`), so absolute symlinks and `..` stay inside, and the last component is
//! never followed. Knows nothing about archives.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::{DEPTH_MAX, PATH_LEN_MAX};

/// `openat2` gives up when anything on the system is renamed or mounted while it crosses `..`; it is tried again.
const RESOLVE_TRIES_MAX: usize = 128;
/// Symlinks that lead to directories which must be made first; the kernel's own bound for following.
const DANGLING_MAX: usize = 40;

/// A directory tree that paths are resolved in.
pub(super) struct Tree<'fd> {
    root: BorrowedFd<'fd>,
}

/// A name in an open directory.
pub(super) struct Place {
    pub dir: OwnedFd,
    pub name: OsString,
}

impl<'fd> Tree<'fd> {
    pub fn new(root: BorrowedFd<'fd>) -> Self {
        Self { root }
    }

    pub fn root(&self) -> BorrowedFd<'fd> {
        self.root
    }

    /// Finds the place of the clean relative `path`, making missing parents; its last component may not exist.
    pub fn place(&self, path: &Path) -> io::Result<Place> {
        let name = path.file_name().ok_or(Errno::INVAL)?.to_owned();
        let parent = path.parent().unwrap_or(Path::new(""));
        let dir = match self.directory(parent) {
            Err(Errno::NOENT) => self.make(parent, 0)?,
            found => found?,
        };
        Ok(Place { dir, name })
    }

    /// Finds the place of `path` if its parents exist.
    pub fn existing(&self, path: &Path) -> io::Result<Option<Place>> {
        let Some(name) = path.file_name() else { return Ok(None) };
        match self.directory(path.parent().unwrap_or(Path::new(""))) {
            Ok(dir) => Ok(Some(Place { dir, name: name.to_owned() })),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn directory(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for _ in 1..RESOLVE_TRIES_MAX {
            match rustix::fs::openat2(self.root, path, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                done => return done,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Makes `path` and what leads to it, also where a symlink leads to a directory that does not exist yet.
    fn make(&self, path: &Path, dangling: usize) -> io::Result<OwnedFd> {
        if dangling > DANGLING_MAX || path.as_os_str().len() > PATH_LEN_MAX {
            return Err(Errno::LOOP.into());
        }
        let mut reached = PathBuf::new();
        let mut dir = self.directory(&reached)?;
        for component in path.components() {
            let Component::Normal(name) = component else {
                // The root and `..` exist already and are resolved with the path so far.
                reached.push(component);
                dir = self.directory(&reached)?;
                continue;
            };
            let above = reached.clone();
            reached.push(name);
            dir = match self.directory(&reached) {
                Err(Errno::NOENT) => self.make_one(&dir, &above, name, &reached, dangling)?,
                found => found?,
            };
        }
        Ok(dir)
    }

    fn make_one(
        &self,
        dir: &OwnedFd,
        above: &Path,
        name: &OsStr,
        path: &Path,
        dangling: usize,
    ) -> io::Result<OwnedFd> {
        match rustix::fs::mkdirat(dir, name, Mode::from_raw_mode(0o755)) {
            Ok(()) => Ok(self.directory(path)?),
            Err(Errno::EXIST) => {
                let target = rustix::fs::readlinkat(dir, name, Vec::new())?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                // An absolute target starts over at the tree's root, which `join` does as well.
                let target = above.join(target);
                self.make(target.strip_prefix("/").unwrap_or(&target), dangling + 1)
            }
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Place {
    /// Returns what is there, without following it.
    pub fn stat(&self) -> io::Result<Option<Stat>> {
        stat(&self.dir, &self.name)
    }

    /// Opens the directory that is there.
    pub fn open_dir(&self) -> io::Result<OwnedFd> {
        open_dir(&self.dir, &self.name)
    }

    /// Removes what is there, with everything inside, and never what a symlink points to.
    pub fn remove(&self) -> io::Result<()> {
        match self.stat()? {
            None => Ok(()),
            Some(found) if is_dir(&found) => remove_dir(self.dir.as_fd(), &self.name, 0),
            Some(_) => Ok(rustix::fs::unlinkat(&self.dir, &self.name, AtFlags::empty())?),
        }
    }

    /// Returns a path for the few calls that take no file descriptor; its last component is not followed by them.
    pub fn proc_path(&self) -> PathBuf {
        use std::os::fd::AsRawFd;
        let mut path = PathBuf::from(format!("/proc/self/fd/{}", self.dir.as_raw_fd()));
        path.push(&self.name);
        path
    }
}

pub(super) fn is_dir(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

pub(super) fn stat(dir: impl AsFd, name: &OsStr) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

pub(super) fn open_dir(dir: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, name, flags, Mode::empty())?)
}

/// Returns the names in an open directory, read before anything in it is changed.
pub(super) fn names(dir: impl AsFd) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}

/// Removes a directory of an image's view. Deeper ones than any honest image has are refused: unlike in
/// [`remove_tree`], nothing can be moved around where layers are merged.
fn remove_dir(parent: BorrowedFd<'_>, name: &OsStr, depth: usize) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(Errno::NAMETOOLONG.into());
    }
    let dir = open_dir(parent, name)?;
    for name in names(&dir)? {
        match stat(&dir, &name)? {
            Some(found) if is_dir(&found) => remove_dir(dir.as_fd(), &name, depth + 1)?,
            Some(_) => rustix::fs::unlinkat(&dir, &name, AtFlags::empty())?,
            None => {}
        }
    }
    Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

/// Removes a plain directory however deep it is. Symlinks let an image nest directories deeper than a stack or the
/// limit on open files bears, so whatever is too deep is first moved up to the top.
pub(in crate::image) fn remove_tree(path: &Path) -> io::Result<()> {
    {
        let top = open_dir(rustix::fs::CWD, path.as_os_str())?;
        let mut moved = 0;
        // Each pass leaves less depth, and one more than was moved finds nothing left.
        while clear(top.as_fd(), top.as_fd(), 0, &mut moved)? {}
    }
    std::fs::remove_dir(path)
}

/// Removes what is in `dir` and returns whether something was moved to `top` instead.
fn clear(top: BorrowedFd<'_>, dir: BorrowedFd<'_>, depth: usize, moved: &mut u64) -> io::Result<bool> {
    let mut left = false;
    for name in names(dir)? {
        match stat(dir, &name)? {
            Some(found) if is_dir(&found) && depth >= DEPTH_MAX => {
                move_up(top, dir, &name, moved)?;
                left = true;
            }
            Some(found) if is_dir(&found) => {
                left |= clear(top, open_dir(dir, &name)?.as_fd(), depth + 1, moved)?;
                rustix::fs::unlinkat(dir, &name, AtFlags::REMOVEDIR)?;
            }
            Some(_) => rustix::fs::unlinkat(dir, &name, AtFlags::empty())?,
            None => {}
        }
    }
    Ok(left)
}

fn move_up(top: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &OsStr, moved: &mut u64) -> io::Result<()> {
    loop {
        *moved += 1;
        let to = format!(".deep-{moved}");
        // The image may have a file of that name; there are more numbers than files.
        match rustix::fs::renameat_with(dir, name, top, &to, RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            done => return Ok(done?),
        }
    }
}
