//! Into a container: a tar archive below one of its directories.
//!
//! Every parent is resolved anew inside the container's root, because the archive's own links, or the container, may have
//! changed what it means; the entry itself is made below the open parent, never through a link.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, Uid, XattrFlags, chownat, fchmod,
    fchown, fsetxattr, futimens, linkat, makedev, mkdirat, mknodat, openat, statat, symlinkat, unlinkat,
    utimensat,
};
use rustix::io::Errno;
use skep_archive::{Archive, Content, Entry, Header, Kind, Time};

use super::{Target, Tree, TreeError, open_below};
use crate::spec::user::Accounts;

/// The attribute of a file that has capabilities.
const CAPABILITY: &str = "security.capability";

/// Who owns what comes out of an archive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Owner {
    /// The numbers in the archive.
    #[default]
    Archive,
    /// The container's user.
    Container,
}

/// How an archive is put into a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// Refuses to replace a directory by something else, or the other way round.
    pub keep_kinds: bool,
    /// Owner of everything.
    pub owner: Owner,
}

/// What an unpacking works with.
struct Unpacker<'a> {
    tree: &'a Tree,
    /// In the container.
    base: PathBuf,
    keep_kinds: bool,
    owner: Option<(u32, u32)>,
    /// Times of directories, set when nothing more is put into them.
    directories: Vec<(PathBuf, Time)>,
}

impl Tree {
    /// Unpacks an archive into a directory, which must exist. Blocks.
    pub fn unpack(&self, path: &str, archive: impl Read, options: PutOptions) -> Result<(), TreeError> {
        let base = Target::parse(path).clean;
        match self.root.resolve(&base) {
            Ok(found) => {
                let stat = rustix::fs::fstat(&found).map_err(|error| self.error(&base, error.into()))?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                    return Err(TreeError::NotDirectory);
                }
            }
            Err(error) => return Err(self.resolution(&base, error)),
        }
        let owner = match options.owner {
            Owner::Archive => None,
            Owner::Container => self.container_user()?,
        };
        let mut unpacker =
            Unpacker { tree: self, base, keep_kinds: options.keep_kinds, owner, directories: Vec::new() };
        let mut archive = Archive::new(archive);
        while let Some(entry) = archive.next_entry().map_err(damaged)? {
            unpacker.put(entry)?;
        }
        unpacker.finish()
    }

    /// Returns the user that the container's process has; `None` for root by default.
    fn container_user(&self) -> Result<Option<(u32, u32)>, TreeError> {
        let user = &self.bundle.container.process.user;
        if user.is_empty() {
            return Ok(None);
        }
        let failed = |reason: String| TreeError::User { id: self.id.clone(), reason };
        let accounts = Accounts::below(&self.root).map_err(|error| failed(crate::files::chain(&error)))?;
        let user = accounts.resolve(user, &[]).map_err(|error| failed(crate::files::chain(&error)))?;
        Ok(Some((user.uid, user.gid)))
    }
}

impl Unpacker<'_> {
    fn put(&mut self, entry: Entry<'_, impl Read>) -> Result<(), TreeError> {
        let Entry { header, mut content } = entry;
        if matches!(header.kind, Kind::Other(_)) {
            // Volume labels and the like mean nothing here, and replace nothing.
            return Ok(());
        }
        let Some(relative) = inside(&header.name)? else { return Ok(()) };
        let path = self.base.join(&relative);
        let parent_path = path.parent().unwrap_or(Path::new("/")).to_owned();
        let parent = self.parent(&parent_path)?;
        let Some(last) = path.file_name() else { return Ok(()) };
        let failed = |error: io::Error| self.tree.error(&path, error);
        let metadata = Metadata::of(&header, self.owner).map_err(TreeError::Archive)?;
        let is_there = self.make_room(&parent, last.as_ref(), &path, header.kind == Kind::Directory)?;
        match header.kind {
            Kind::Directory => {
                if !is_there {
                    mkdirat(&parent, last, Mode::RWXU).map_err(|error| failed(error.into()))?;
                }
                let directory =
                    open_below(&parent, last, OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed)?;
                metadata.apply(&directory).map_err(failed)?;
                self.directories.push((path.clone(), metadata.modified_at));
            }
            Kind::File | Kind::SparseFile => {
                file(&metadata, &mut content, &parent, last.as_ref()).map_err(failed)?
            }
            Kind::Symlink => {
                symlinkat(target(&header)?, &parent, last).map_err(|error| failed(error.into()))?;
                metadata.apply_to_link(&parent, last.as_ref()).map_err(failed)?;
            }
            Kind::HardLink => self.link(&header, &parent, last.as_ref(), &path)?,
            Kind::Fifo | Kind::CharDevice | Kind::BlockDevice => {
                node(&header, &parent, last.as_ref()).map_err(failed)?;
                metadata.apply_to_link(&parent, last.as_ref()).map_err(failed)?;
            }
            // Passed over above.
            Kind::Other(_) => {}
        }
        Ok(())
    }

    /// Opens the directory that an entry goes into, making what the archive left out.
    fn parent(&self, path: &Path) -> Result<OwnedFd, TreeError> {
        match self.tree.directory(path) {
            Err(TreeError::NotFound { .. }) => {
                let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
                let made = self.tree.root.mkdir_all(path, &mode);
                made.map_err(|error| self.tree.resolution(path, error))?;
                self.tree.directory(path)
            }
            result => result,
        }
    }

    /// Takes away what an entry replaces; returns whether a directory stays for another.
    fn make_room(&self, parent: &OwnedFd, name: &Path, path: &Path, is_dir: bool) -> Result<bool, TreeError> {
        let failed = |error: Errno| self.tree.error(path, error.into());
        let found = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => FileType::from_raw_mode(stat.st_mode),
            Err(Errno::NOENT) => return Ok(false),
            Err(error) => return Err(failed(error)),
        };
        let was_dir = found == FileType::Directory;
        if self.keep_kinds && was_dir != is_dir {
            let word = |is_dir| if is_dir { "directory" } else { "non-directory" };
            let path = path.display().to_string();
            return Err(TreeError::Kind { path, kind: word(was_dir), other: word(is_dir) });
        }
        if was_dir && is_dir {
            return Ok(true);
        }
        if was_dir {
            let removed = self.tree.root.remove_all(path);
            removed.map_err(|error| self.tree.resolution(path, error))?;
        } else {
            unlinkat(parent, name, AtFlags::empty()).map_err(failed)?;
        }
        Ok(false)
    }

    /// Makes another name of a file that the archive has put down before.
    fn link(&self, header: &Header, parent: &OwnedFd, name: &Path, path: &Path) -> Result<(), TreeError> {
        let target = target(header)?.as_os_str();
        let Some(target) = inside(target.as_bytes())? else {
            return Err(TreeError::Escape(target.display().to_string()));
        };
        let target = self.base.join(target);
        let directory = self.tree.directory(target.parent().unwrap_or(Path::new("/")))?;
        let file = target.file_name().unwrap_or_default();
        linkat(&directory, file, parent, name, AtFlags::empty())
            .map_err(|error| self.tree.error(path, error.into()))
    }

    fn finish(self) -> Result<(), TreeError> {
        // Of a directory that came twice the last word counts.
        for (path, modified_at) in &self.directories {
            let directory = self.tree.directory(path)?;
            futimens(&directory, &times(*modified_at))
                .map_err(|error| self.tree.error(path, error.into()))?;
        }
        Ok(())
    }
}

/// Tells what is no archive from one that cannot be read: what the library says of the former repeats what it found there,
/// which may be anything.
// Invariant: whoever hands an archive over marks other failures with a kind of their own, as a lost connection has.
fn damaged(error: io::Error) -> TreeError {
    TreeError::Archive(match error.kind() {
        io::ErrorKind::Other | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            io::Error::new(io::ErrorKind::InvalidData, "it is no tar archive, or a damaged one")
        }
        _ => error,
    })
}

/// What an entry says of itself beside its content.
struct Metadata {
    uid: u32,
    gid: u32,
    mode: u32,
    modified_at: Time,
    /// Its file capabilities.
    capability: Option<Vec<u8>>,
}

impl Metadata {
    fn of(header: &Header, owner: Option<(u32, u32)>) -> io::Result<Metadata> {
        let reason = "it has an owner that Linux does not have";
        let unknown = || io::Error::new(io::ErrorKind::InvalidData, reason);
        let (uid, gid) = owner.or(header.owner()).ok_or_else(unknown)?;
        // Other attributes could mean something to the file system below.
        let capability = header.xattrs.iter().rfind(|(name, _)| name == CAPABILITY.as_bytes());
        let capability = capability.map(|(_, value)| value.clone());
        Ok(Metadata { uid, gid, mode: header.mode, modified_at: header.modified_at, capability })
    }

    fn ids(&self) -> (Option<Uid>, Option<Gid>) {
        (Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))
    }

    fn apply(&self, file: impl AsFd) -> io::Result<()> {
        let (uid, gid) = self.ids();
        fchown(&file, uid, gid)?;
        // A change of owner takes setuid bits and capabilities away, so they come after it.
        fchmod(&file, Mode::from_raw_mode(self.mode))?;
        if let Some(value) = &self.capability {
            fsetxattr(&file, CAPABILITY, value, XattrFlags::empty())?;
        }
        Ok(())
    }

    /// For what cannot be opened.
    fn apply_to_link(&self, parent: &OwnedFd, name: &Path) -> io::Result<()> {
        let (uid, gid) = self.ids();
        chownat(parent, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(utimensat(parent, name, &times(self.modified_at), AtFlags::SYMLINK_NOFOLLOW)?)
    }
}

fn times(modified_at: Time) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW },
        last_modification: Timespec { tv_sec: modified_at.seconds, tv_nsec: modified_at.nanos.into() },
    }
}

fn file(
    metadata: &Metadata,
    content: &mut Content<'_, impl Read>,
    parent: &OwnedFd,
    name: &Path,
) -> io::Result<()> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
    let mut file = std::fs::File::from(openat(parent, name, flags, Mode::RUSR | Mode::WUSR)?);
    // The reader's errors are the archive's, the writer's are the container's; both come here.
    content.write_to(&mut file)?;
    metadata.apply(&file)?;
    Ok(futimens(&file, &times(metadata.modified_at))?)
}

fn node(header: &Header, parent: &OwnedFd, name: &Path) -> io::Result<()> {
    let (major, minor) = header.device;
    let (file_type, device) = match header.kind {
        Kind::CharDevice => (FileType::CharacterDevice, makedev(major, minor)),
        Kind::BlockDevice => (FileType::BlockDevice, makedev(major, minor)),
        _ => (FileType::Fifo, 0),
    };
    Ok(mknodat(parent, name, file_type, Mode::from_raw_mode(header.mode), device)?)
}

fn target(header: &Header) -> Result<&Path, TreeError> {
    let missing =
        || TreeError::Archive(io::Error::new(io::ErrorKind::InvalidData, "a link without a target"));
    Ok(Path::new(OsStr::from_bytes(header.link_name.as_ref().ok_or_else(missing)?)))
}

/// Returns an entry's path below the directory; `None` for the directory itself.
fn inside(name: &[u8]) -> Result<Option<PathBuf>, TreeError> {
    let name = Path::new(OsStr::from_bytes(name));
    let mut path = PathBuf::new();
    for component in name.components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::ParentDir if !path.pop() => return Err(TreeError::Escape(name.display().to_string())),
            Component::ParentDir | Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Ok((!path.as_os_str().is_empty()).then_some(path))
}
