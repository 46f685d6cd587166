//! What differs between a container and its image: the writable layer, read against the layers below.
//!
//! Reads the writable layer itself, not the container's view of it, so neither mounts nor processes are in the way. The
//! layers below are put together by the kernel, in a mount that no path leads to.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use pathrs::Root;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fgetxattr, open, statat};
use rustix::io::Errno;

use super::walk::{Entry, WalkError, names, walk};
use super::{TreeError, open_below};
use crate::container::Mount;
use crate::files::read_json;
use crate::handle::Handle;
use crate::paths::Bundle;
use crate::shim::{MARK, MOUNT_TABLE, detached_layers};

/// Marks a directory that hides everything below it in the image.
const OPAQUE: &str = "trusted.overlay.opaque";
/// What every container gets without having asked.
const STANDARD: [&str; 8] =
    ["/proc", "/dev", "/sys", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf", MARK, MOUNT_TABLE];

/// One path that is not as in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Absolute, in the container.
    pub path: PathBuf,
    /// What became of it.
    pub kind: ChangeKind,
}

/// What became of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words say it")]
pub enum ChangeKind {
    Modified,
    Added,
    Deleted,
}

/// Sizes in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// Of the writable layer.
    pub writable: u64,
    /// Of the whole root.
    pub root: u64,
}

/// A container's layers: the writable one, and all others as one.
struct Layers {
    id: String,
    upper: OwnedFd,
    lower: Root,
    /// Mount points of the container, which the runtime made.
    targets: Vec<PathBuf>,
}

impl Layers {
    fn open(handle: &Handle) -> Result<Layers, TreeError> {
        let id = handle.id().to_owned();
        let failed = |source| TreeError::File { path: "/".into(), id: id.clone(), source };
        let paths = handle.bundle_paths();
        let bundle: Option<Bundle> = read_json(&paths.bundle()).map_err(failed)?;
        let container = bundle.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?.container;
        let lower = detached_layers(&container.rootfs)
            .map_err(|error| failed(io::Error::other(crate::files::chain(&error))))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let upper = open(paths.upper(), flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        let asked = container.mounts.iter().map(Mount::target);
        let mut targets: Vec<PathBuf> =
            asked.chain(STANDARD.iter().map(Path::new)).map(Path::to_owned).collect();
        // The directories that had to be made for them came with them.
        let parents: Vec<PathBuf> =
            targets.iter().flat_map(|target| target.ancestors().skip(1).map(Path::to_owned)).collect();
        targets.extend(parents);
        Ok(Layers { id, upper, lower: Root::from_fd(lower), targets })
    }

    fn error(&self, error: WalkError<TreeError>) -> TreeError {
        match error {
            WalkError::Visit(error) => error,
            WalkError::Io(path, source) => self.file(&path, source),
            WalkError::Depth(path) => TreeError::Depth(path.display().to_string()),
        }
    }

    fn file(&self, path: &Path, source: io::Error) -> TreeError {
        TreeError::File { path: path.display().to_string(), id: self.id.clone(), source }
    }

    /// Looks at a path of the image, following nothing.
    fn below(&self, path: &Path) -> Result<Option<Stat>, TreeError> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(None) };
        // A parent that is a link in the image is a directory of the container's own.
        let Ok(parent) = self.lower.resolve_nofollow(parent) else { return Ok(None) };
        match statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(self.file(path, error.into())),
        }
    }

    /// Judges one entry of the writable layer.
    fn judge(&self, entry: &Entry<'_>, changes: &mut Vec<Change>) -> Result<(), TreeError> {
        let mut note = |path: &Path, kind| changes.push(Change { path: path.to_owned(), kind });
        let below = self.below(entry.path)?;
        let is_directory = entry.kind() == FileType::Directory;
        if is_whiteout(&entry.stat) {
            if below.is_some() {
                note(entry.path, ChangeKind::Deleted);
            }
            return Ok(());
        }
        match &below {
            None if self.targets.iter().any(|target| target == entry.path) => {}
            None => note(entry.path, ChangeKind::Added),
            Some(stat) if is_directory && is_same(stat, &entry.stat) => {}
            Some(_) if self.is_bookkeeping(entry) => {}
            Some(_) => note(entry.path, ChangeKind::Modified),
        }
        let was_directory =
            below.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
        if is_directory && was_directory && is_opaque(entry).map_err(|error| self.file(entry.path, error))? {
            self.note_hidden(entry, changes)?;
        }
        Ok(())
    }

    /// Returns whether only the runtime has touched a directory: to make mount points in it.
    fn is_bookkeeping(&self, entry: &Entry<'_>) -> bool {
        entry.kind() == FileType::Directory
            && self.targets.iter().any(|target| target == entry.path)
            && open_below(entry.directory, entry.name, OFlags::RDONLY | OFlags::DIRECTORY)
                .and_then(|directory| Ok(names(&directory.into())?))
                .is_ok_and(|names| names.iter().all(|name| self.targets.contains(&entry.path.join(name))))
    }

    /// Notes what a replaced directory had in the image and has no more.
    fn note_hidden(&self, entry: &Entry<'_>, changes: &mut Vec<Change>) -> Result<(), TreeError> {
        let failed = |error: io::Error| self.file(entry.path, error);
        let mine =
            open_below(entry.directory, entry.name, OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed)?;
        let mine = names(&mine.into()).map_err(|error| failed(error.into()))?;
        let Ok(theirs) = self.lower.resolve_nofollow(entry.path) else { return Ok(()) };
        let Ok(theirs) = theirs.reopen(pathrs::flags::OpenFlags::O_DIRECTORY) else { return Ok(()) };
        let theirs = names(&theirs.into()).map_err(|error| failed(error.into()))?;
        let gone = theirs.into_iter().filter(|name| !mine.contains(name));
        changes.extend(gone.map(|name| Change { path: entry.path.join(name), kind: ChangeKind::Deleted }));
        Ok(())
    }
}

/// Lists what differs from the image, in the order of the paths. Blocks.
pub(crate) fn changes(handle: &Handle) -> Result<Vec<Change>, TreeError> {
    let layers = Layers::open(handle)?;
    let mut changes = Vec::new();
    let mut visit = |entry: &Entry<'_>| layers.judge(entry, &mut changes).map(|()| true);
    walk(&layers.upper, Path::new("/"), &mut visit).map_err(|error| layers.error(error))?;
    note_parents(&mut changes);
    Ok(changes)
}

/// Compat: a directory in which something changed has changed too, whatever its own times say.
fn note_parents(changes: &mut Vec<Change>) {
    let mut known: std::collections::BTreeMap<PathBuf, ChangeKind> =
        changes.drain(..).map(|change| (change.path, change.kind)).collect();
    let parents: Vec<PathBuf> =
        known.keys().flat_map(|path| path.ancestors().skip(1).map(Path::to_owned)).collect();
    for parent in parents.into_iter().filter(|parent| parent != Path::new("/")) {
        known.entry(parent).or_insert(ChangeKind::Modified);
    }
    *changes = known.into_iter().map(|(path, kind)| Change { path, kind }).collect();
}

/// Measures a container's files. Blocks.
pub(crate) fn size(handle: &Handle) -> Result<Size, TreeError> {
    let layers = Layers::open(handle)?;
    let measure = |directory: &OwnedFd| -> Result<u64, TreeError> {
        let mut counted = std::collections::HashSet::new();
        let mut bytes = 0;
        let mut visit = |entry: &Entry<'_>| {
            let is_counted =
                entry.stat.st_nlink < 2 || counted.insert((entry.stat.st_dev, entry.stat.st_ino));
            if entry.kind() == FileType::RegularFile && is_counted {
                bytes += u64::try_from(entry.stat.st_size).unwrap_or_default();
            }
            Ok(true)
        };
        walk(directory, Path::new("/"), &mut visit).map_err(|error| layers.error(error))?;
        Ok(bytes)
    };
    let writable = measure(&layers.upper)?;
    let lower = layers.lower.resolve("/").and_then(|root| root.reopen(pathrs::flags::OpenFlags::O_DIRECTORY));
    let lower = lower.map_err(|error| layers.file(Path::new("/"), io::Error::other(error)))?;
    Ok(Size { writable, root: writable + measure(&lower.into())? })
}

fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Returns whether a directory is as it was; the kernel copies it up whenever something below it changes.
fn is_same(one: &Stat, other: &Stat) -> bool {
    let facts =
        |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_mtime, stat.st_mtime_nsec as i64);
    facts(one) == facts(other)
}

fn is_opaque(entry: &Entry<'_>) -> io::Result<bool> {
    let directory = open_below(entry.directory, entry.name, OFlags::RDONLY | OFlags::DIRECTORY)?;
    let mut value = [0u8; 1];
    match fgetxattr(&directory, OPAQUE, &mut value) {
        Ok(count) => Ok(count == 1 && value[0] == b'y'),
        Err(Errno::NODATA | Errno::RANGE | Errno::NOTSUP) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
