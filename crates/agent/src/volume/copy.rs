//! Fills an empty volume with what the image has at the path where the volume will be mounted.
//!
//! The image is seen through a read-only overlay that only a file descriptor holds; the path is resolved by the
//! kernel with that as its root, so no symlink of the image leads to the node's files. Everything below is walked by
//! descriptors that follow nothing.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
};

use super::mount::same_device;

/// Nested directories; each costs stack and two open files.
const DEPTH_MAX: usize = 256;
/// Names and values of the extended attributes of one file; the kernel's own bound is 64 KiB each.
const ATTRIBUTE_LEN_MAX: usize = 64 << 10;
const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Copies what the stacked `layers` (topmost first) have at `target` to `data`, if that is empty.
///
/// With `temp`, a path on the same file system, the copy appears as a whole or not at all.
pub(super) fn fill(layers: &[PathBuf], target: &Path, data: &Path, temp: Option<&Path>) -> io::Result<()> {
    if fs::read_dir(data)?.next().is_some() {
        return Ok(());
    }
    let root = view(layers)?;
    let Some(source) = directory(&root, target)? else { return Ok(()) };
    let Some(temp) = temp.filter(|temp| same_device(data, temp.parent().unwrap_or(temp)).unwrap_or(false))
    else {
        return copy_into(&source, data);
    };
    fs::create_dir(temp)?;
    let copied = copy_into(&source, temp)
        .and_then(|()| Ok(rustix::fs::syncfs(File::open(temp)?)?))
        // An empty directory is replaced in one step.
        .and_then(|()| fs::rename(temp, data));
    if copied.is_err() {
        // What is left of it goes at the next start, too.
        drop(fs::remove_dir_all(temp));
    }
    copied
}

/// Mounts the layers where nobody sees them.
fn view(layers: &[PathBuf]) -> io::Result<OwnedFd> {
    if let [only] = layers {
        return Ok(rustix::fs::open(
            only,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?);
    }
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for layer in layers {
        fsconfig_set_string(&context, "lowerdir+", layer)?;
    }
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NODEV;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// Opens a directory of the image, or returns `None` if there is none.
fn directory(root: &OwnedFd, target: &Path) -> io::Result<Option<OwnedFd>> {
    let relative = target.strip_prefix("/").unwrap_or(target);
    let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(root, relative, flags, Mode::empty(), resolve) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

fn copy_into(source: &OwnedFd, target: &Path) -> io::Result<()> {
    let target = rustix::fs::open(target, DIRECTORY, Mode::empty())?;
    let mut copy = Copy { root: &target, links: HashMap::new() };
    copy.tree(source, &target, Path::new(""), 0)
}

struct Copy<'t> {
    root: &'t OwnedFd,
    /// The first copy of each file that has several names, by its inode.
    links: HashMap<(u64, u64), PathBuf>,
}

impl Copy<'_> {
    /// Copies the content and the attributes of one directory.
    fn tree(&mut self, from: &OwnedFd, to: &OwnedFd, path: &Path, depth: usize) -> io::Result<()> {
        if depth > DEPTH_MAX {
            return Err(io::Error::other("the image's directories are nested too deeply"));
        }
        for entry in Dir::read_from(from)? {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                self.entry(from, to, name, path, depth)?;
            }
        }
        let stat = rustix::fs::fstat(from)?;
        attributes(from.as_fd(), to.as_fd())?;
        rustix::fs::fchown(to, Some(owner(&stat)), Some(group(&stat)))?;
        rustix::fs::fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
        Ok(rustix::fs::futimens(to, &times(&stat))?)
    }

    fn entry(
        &mut self,
        from: &OwnedFd,
        to: &OwnedFd,
        name: &CStr,
        path: &Path,
        depth: usize,
    ) -> io::Result<()> {
        use std::os::unix::ffi::OsStrExt;
        let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let own_path = path.join(std::ffi::OsStr::from_bytes(name.to_bytes()));
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory {
            rustix::fs::mkdirat(to, name, Mode::RWXU)?;
            let source = rustix::fs::openat(from, name, DIRECTORY, Mode::empty())?;
            let target = rustix::fs::openat(to, name, DIRECTORY, Mode::empty())?;
            return self.tree(&source, &target, &own_path, depth + 1);
        }
        if stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&(stat.st_dev, stat.st_ino)) {
                return Ok(rustix::fs::linkat(self.root, first, to, name, AtFlags::empty())?);
            }
            self.links.insert((stat.st_dev, stat.st_ino), own_path);
        }
        match kind {
            FileType::RegularFile => file(from, to, name, &stat)?,
            FileType::Symlink => {
                let link = rustix::fs::readlinkat(from, name, Vec::new())?;
                rustix::fs::symlinkat(link, to, name)?;
            }
            // A device node, a pipe or a socket.
            _ => {
                rustix::fs::mknodat(to, name, kind, Mode::from_raw_mode(stat.st_mode & 0o7777), stat.st_rdev)?
            }
        }
        rustix::fs::chownat(to, name, Some(owner(&stat)), Some(group(&stat)), AtFlags::SYMLINK_NOFOLLOW)?;
        if kind == FileType::RegularFile {
            // Changing the owner takes setuid bits and capabilities away, so they come after it.
            let source = rustix::fs::openat(
                from,
                name,
                OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            let target = rustix::fs::openat(
                to,
                name,
                OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            rustix::fs::fchmod(&target, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
            attributes(source.as_fd(), target.as_fd())?;
        }
        Ok(rustix::fs::utimensat(to, name, &times(&stat), AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

fn file(from: &OwnedFd, to: &OwnedFd, name: &CStr, stat: &Stat) -> io::Result<()> {
    let read = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let write = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut source = File::from(rustix::fs::openat(from, name, read, Mode::empty())?);
    let mut target = File::from(rustix::fs::openat(to, name, write, Mode::RUSR | Mode::WUSR)?);
    let copied = io::copy(&mut source, &mut target)?;
    if copied == stat.st_size as u64 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Copies extended attributes; a file system without them loses them, as with Docker.
fn attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> io::Result<()> {
    let mut names = vec![0u8; ATTRIBUTE_LEN_MAX];
    let len = match rustix::fs::flistxattr(from, &mut names[..]) {
        Ok(len) => len,
        Err(Errno::NOTSUP) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    };
    for name in names[..len].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = CString::new(name)?;
        // What overlayfs notes for itself is no content.
        if name.to_bytes().starts_with(b"trusted.overlay.") {
            continue;
        }
        let mut value = vec![0u8; ATTRIBUTE_LEN_MAX];
        let len = rustix::fs::fgetxattr(from, &name, &mut value[..])?;
        match rustix::fs::fsetxattr(to, &name, &value[..len], XattrFlags::empty()) {
            Ok(()) | Err(Errno::NOTSUP) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn owner(stat: &Stat) -> Uid {
    Uid::from_raw(stat.st_uid)
}

fn group(stat: &Stat) -> Gid {
    Gid::from_raw(stat.st_gid)
}

fn times(stat: &Stat) -> Timestamps {
    let at = |seconds, nanos| Timespec { tv_sec: seconds, tv_nsec: nanos as _ };
    Timestamps {
        last_access: at(stat.st_atime, stat.st_atime_nsec),
        last_modification: at(stat.st_mtime, stat.st_mtime_nsec),
    }
}

/// Returns the bytes of all files below `path`, counting those it cannot read as nothing.
pub(super) fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let of_entry = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => size(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.flatten().map(of_entry).sum()
}
