//! Applies the entries of a layer's archive to a tree, one after the other.
//!
//! Decides what each kind of entry does to what is there already, by the rules of the OCI image specification: a
//! directory joins a directory, anything else replaces; a whiteout removes what lower layers put there and never
//! what this layer does; the times of directories are set last, since filling them changes them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::ops::Bound;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;
use skep_archive::{Archive, Content, Kind, Piece, pass_hole};

use super::head::{Head, clean};
use super::stream::Layer;
use super::tree::{self, Place, Tree};
use super::{DEPTH_MAX, ENTRIES_MAX, NAMES_LEN_MAX, UNPACKED_LEN_MAX, UnpackError};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Bookkeeping of AUFS that old images carry; it means nothing to overlayfs.
const AUFS: &[u8] = b".wh..wh.";
const COPY_LEN: usize = 128 << 10;

/// Applies all entries of `layer` inside `root` and returns the bytes that its files take.
pub(super) fn apply(root: impl AsFd, layer: &mut Layer) -> Result<u64, UnpackError> {
    let mut applier = Applier::new(root.as_fd());
    let mut archive = Archive::new(layer);
    let mut entry_count = 0;
    while let Some(mut entry) = archive.next_entry().map_err(UnpackError::Archive)? {
        entry_count += 1;
        if entry_count > ENTRIES_MAX {
            return Err(UnpackError::TooLarge { what: "entries", max: ENTRIES_MAX });
        }
        applier.apply(&Head::check(entry.header)?, &mut entry.content)?;
    }
    applier.finish()
}

struct Applier<'fd> {
    tree: Tree<'fd>,
    /// What this layer made, by clean path: the modification time to set at the end for a directory, else nothing.
    made: BTreeMap<PathBuf, Option<Timespec>>,
    made_len: usize,
    file_len: u64,
    buffer: Vec<u8>,
}

impl<'fd> Applier<'fd> {
    fn new(root: BorrowedFd<'fd>) -> Self {
        Self {
            tree: Tree::new(root),
            made: BTreeMap::new(),
            made_len: 0,
            file_len: 0,
            buffer: vec![0; COPY_LEN],
        }
    }

    fn apply(&mut self, head: &Head, content: &mut Content<'_, impl Read>) -> Result<(), UnpackError> {
        if head.path.as_os_str().is_empty() {
            return self.root(head);
        }
        let name = head.path.file_name().unwrap_or_default().as_bytes();
        match name {
            OPAQUE => self.opaque(head),
            _ if head.path.iter().any(|part| part.as_bytes().starts_with(AUFS)) => Ok(()),
            _ => match name.strip_prefix(WHITEOUT) {
                Some(hidden) => self.whiteout(head, OsStr::from_bytes(hidden)),
                None => self.create(head, content),
            },
        }
    }

    /// `./`: only its attributes can be meant.
    fn root(&mut self, head: &Head) -> Result<(), UnpackError> {
        if head.kind != Kind::Directory {
            return Err(head.wrong("the root must be a directory"));
        }
        let root = tree::open_dir(self.tree.root(), OsStr::new(".")).map_err(head.failed("open"))?;
        head.dress(&root)?;
        self.remember(head, Some(head.modified_at))
    }

    fn create(&mut self, head: &Head, content: &mut Content<'_, impl Read>) -> Result<(), UnpackError> {
        let place = self.tree.place(&head.path).map_err(head.failed("find the directory of"))?;
        match head.kind {
            Kind::Directory => self.directory(head, &place)?,
            Kind::HardLink => self.link(head, &place)?,
            Kind::Symlink => {
                let target = head.link()?;
                place.remove().map_err(head.failed("replace"))?;
                rustix::fs::symlinkat(target, &place.dir, &place.name)
                    .map_err(head.refused("create the symbolic link"))?;
                head.dress_node(&place, false)?;
            }
            Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => node(head, &place)?,
            Kind::File | Kind::SparseFile => self.file(head, &place, content)?,
            Kind::Other(_) => return Err(head.wrong("unknown kind of entry")),
        }
        let is_dir = head.kind == Kind::Directory;
        self.remember(head, is_dir.then_some(head.modified_at))
    }

    fn directory(&mut self, head: &Head, place: &Place) -> Result<(), UnpackError> {
        let found = place.stat().map_err(head.failed("read"))?;
        if !found.as_ref().is_some_and(tree::is_dir) {
            if found.is_some() {
                place.remove().map_err(head.failed("replace"))?;
            }
            rustix::fs::mkdirat(&place.dir, &place.name, Mode::RWXU)
                .map_err(head.refused("create the directory"))?;
        }
        head.dress(place.open_dir().map_err(head.failed("open"))?)
    }

    fn file(
        &mut self,
        head: &Head,
        place: &Place,
        content: &mut Content<'_, impl Read>,
    ) -> Result<(), UnpackError> {
        place.remove().map_err(head.failed("replace"))?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&place.dir, &place.name, flags, Mode::RUSR | Mode::WUSR);
        let mut file = std::fs::File::from(file.map_err(head.refused("create"))?);
        loop {
            let written = match content.next_piece(&mut self.buffer).map_err(UnpackError::Archive)? {
                Piece::Data(len) => {
                    self.count(len as u64)?;
                    file.write_all(&self.buffer[..len])
                }
                Piece::Hole(len) => {
                    self.count(len)?;
                    pass_hole(&mut file, len)
                }
                Piece::End => break,
            };
            written.map_err(head.failed("write"))?;
        }
        head.dress(&file)?;
        rustix::fs::futimens(&file, &head.times()).map_err(head.refused("set the times of"))
    }

    /// Counts what is in files. Holes cost the archive nothing, so they are counted here and not in the stream.
    fn count(&mut self, len: u64) -> Result<(), UnpackError> {
        self.file_len = self.file_len.saturating_add(len);
        match self.file_len <= UNPACKED_LEN_MAX {
            true => Ok(()),
            false => Err(UnpackError::TooLarge { what: "bytes", max: UNPACKED_LEN_MAX }),
        }
    }

    /// A hard link resolves its target inside the image, also in lower layers, and never follows it.
    fn link(&mut self, head: &Head, place: &Place) -> Result<(), UnpackError> {
        let target = head.link()?;
        let missing =
            || UnpackError::MissingTarget { entry: head.label.clone(), target: target.display().to_string() };
        let clean = clean(target).ok_or_else(|| UnpackError::Escape {
            entry: head.label.clone(),
            target: target.display().to_string(),
        })?;
        let from =
            self.tree.existing(&clean).map_err(head.failed("find the target of"))?.ok_or_else(missing)?;
        let linked = from.stat().map_err(head.failed("read the target of"))?.ok_or_else(missing)?;
        if tree::is_dir(&linked) {
            return Err(head.wrong("a hard link to a directory"));
        }
        if let Some(found) = place.stat().map_err(head.failed("read"))? {
            if (found.st_dev, found.st_ino) == (linked.st_dev, linked.st_ino) {
                return Ok(());
            }
            place.remove().map_err(head.failed("replace"))?;
        }
        match rustix::fs::linkat(&from.dir, &from.name, &place.dir, &place.name, AtFlags::empty()) {
            // Replacing the place removed the target with it.
            Err(Errno::NOENT) => Err(missing()),
            done => done.map_err(head.refused("create the hard link")),
        }
    }

    /// `.wh.<hidden>`: what lower layers put there is gone.
    fn whiteout(&mut self, head: &Head, hidden: &OsStr) -> Result<(), UnpackError> {
        if hidden.is_empty() || hidden == "." || hidden == ".." {
            return Err(head.wrong("a whiteout of nothing"));
        }
        let path = head.path.with_file_name(hidden);
        match self.tree.existing(&path).map_err(head.failed("find"))? {
            Some(place) => self.hide(head, &place, &path, 0),
            None => Ok(()),
        }
    }

    /// `.wh..wh..opq`: everything that lower layers put into this directory is gone.
    fn opaque(&mut self, head: &Head) -> Result<(), UnpackError> {
        let path = head.path.parent().unwrap_or(Path::new(""));
        let dir = match self.tree.existing(path).map_err(head.failed("find"))? {
            Some(place) => match place.stat().map_err(head.failed("read"))? {
                Some(found) if tree::is_dir(&found) => place.open_dir(),
                _ => return Ok(()),
            },
            None if path.as_os_str().is_empty() => tree::open_dir(self.tree.root(), OsStr::new(".")),
            None => return Ok(()),
        };
        self.hide_children(head, &dir.map_err(head.failed("open"))?, path, 0)
    }

    fn hide_children(
        &self,
        head: &Head,
        dir: impl AsFd,
        path: &Path,
        depth: usize,
    ) -> Result<(), UnpackError> {
        for name in tree::names(&dir).map_err(head.failed("read the directory of"))? {
            let dir = dir.as_fd().try_clone_to_owned().map_err(head.failed("open the directory of"))?;
            let path = path.join(&name);
            self.hide(head, &Place { dir, name }, &path, depth)?;
        }
        Ok(())
    }

    /// Removes what is at `path` except what this layer made there.
    fn hide(&self, head: &Head, place: &Place, path: &Path, depth: usize) -> Result<(), UnpackError> {
        if depth > DEPTH_MAX {
            return Err(head.wrong("nested too deeply"));
        }
        let made_here = self.made.contains_key(path);
        if !made_here && !self.made_below(path) {
            return place.remove().map_err(head.failed("remove what is hidden by"));
        }
        match place.stat().map_err(head.failed("read"))? {
            Some(found) if tree::is_dir(&found) => {
                let dir = place.open_dir().map_err(head.failed("open"))?;
                self.hide_children(head, &dir, path, depth + 1)
            }
            _ => Ok(()),
        }
    }

    fn made_below(&self, path: &Path) -> bool {
        // Paths are ordered by components, so whatever is below a directory follows it immediately.
        let mut after = self.made.range::<Path, _>((Bound::Excluded(path), Bound::Unbounded));
        after.next().is_some_and(|(next, _)| next.starts_with(path))
    }

    fn remember(&mut self, head: &Head, modified_at: Option<Timespec>) -> Result<(), UnpackError> {
        self.made_len += head.path.as_os_str().len();
        if self.made_len > NAMES_LEN_MAX {
            return Err(UnpackError::TooLarge { what: "bytes of names", max: NAMES_LEN_MAX as u64 });
        }
        self.made.insert(head.path.clone(), modified_at);
        Ok(())
    }

    /// Sets the times of the directories, which are final only when nothing is put into them any more.
    fn finish(self) -> Result<u64, UnpackError> {
        for (path, modified_at) in &self.made {
            let Some(modified_at) = modified_at else { continue };
            let times = Timestamps { last_access: *modified_at, last_modification: *modified_at };
            let failed = |source: io::Error| UnpackError::File {
                operation: "set the times of",
                entry: path.display().to_string(),
                source,
            };
            let done = match self.tree.existing(path).map_err(failed)? {
                Some(place) => {
                    rustix::fs::utimensat(&place.dir, &place.name, &times, AtFlags::SYMLINK_NOFOLLOW)
                }
                None if path.as_os_str().is_empty() => {
                    rustix::fs::utimensat(self.tree.root(), ".", &times, AtFlags::empty())
                }
                None => Ok(()),
            };
            match done {
                // A later entry of the layer replaced a directory on the way.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => return Err(failed(errno.into())),
            }
        }
        Ok(self.file_len)
    }
}

/// Devices and pipes. Character device 0:0 is overlayfs's own whiteout and cannot be content.
fn node(head: &Head, place: &Place) -> Result<(), UnpackError> {
    let kind = match head.kind {
        Kind::CharDevice => FileType::CharacterDevice,
        Kind::BlockDevice => FileType::BlockDevice,
        _ => FileType::Fifo,
    };
    let (major, minor) = head.device;
    if kind == FileType::CharacterDevice && (major, minor) == (0, 0) {
        return Err(head.wrong("character device 0:0 is reserved for whiteouts"));
    }
    let device = if kind == FileType::Fifo { 0 } else { rustix::fs::makedev(major, minor) };
    place.remove().map_err(head.failed("replace"))?;
    rustix::fs::mknodat(&place.dir, &place.name, kind, Mode::empty(), device)
        .map_err(head.refused("create the device"))?;
    head.dress_node(place, true)
}
