//! Out of a container: one path with everything below as a tar archive, named after its last component.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, OFlags, Stat, fgetxattr, fstat, major, minor, readlinkat};
use tar::{Builder, EntryType, Header};

use super::walk::{Entry, WalkError, walk};
use super::{PathStat, Target, Tree, TreeError, open_below};

/// The only extended attribute that travels, as with Docker's: file capabilities.
const CAPABILITY: &str = "security.capability";
/// It is 24 bytes long; more is no capability.
const CAPABILITY_BYTES_MAX: usize = 64;

/// What a header has room for; a longer name is written before it, as it is.
const NAME_BYTES_MAX: usize = 100;

/// An archive being written.
struct Packer<W: Write> {
    archive: Builder<W>,
    /// First names of files that have several, by device and inode.
    linked: HashMap<(u64, u64), PathBuf>,
}

impl Tree {
    /// Writes a path as a tar archive. Sockets are left out, the kernel's own file systems stay empty. Blocks.
    pub fn pack(&self, path: &str, output: impl Write) -> Result<PathStat, TreeError> {
        let target = Target::parse(path);
        let stat = self.stat(path)?;
        let failed = |source| TreeError::File { path: path.to_owned(), id: self.id.clone(), source };
        let mut packer = Packer { archive: Builder::new(output), linked: HashMap::new() };
        match target.name() {
            Some(name) if !target.is_directory => {
                let parent = self.directory(target.parent())?;
                let stat = self.look(&target)?;
                let entry = Entry { directory: &parent, name, path: Path::new(name), stat };
                packer.add(&entry).map_err(failed)?;
                if entry.kind() == FileType::Directory {
                    let inner =
                        open_below(&parent, name, OFlags::RDONLY | OFlags::DIRECTORY).map_err(failed)?;
                    self.pack_below(&mut packer, &inner.into(), Path::new(name))?;
                }
            }
            name => {
                // "dir/." means what is in the directory.
                let is_content = name.is_none() || path.ends_with("/.") || path == ".";
                // Compat: clients put the name that the copy gets in the place of the dot (Docker).
                let prefix = name.filter(|_| !is_content).map_or(Path::new("."), Path::new);
                let directory = self.directory(&target.clean)?;
                let stat = fstat(&directory).map_err(|error| failed(error.into()))?;
                packer.directory(prefix, &stat).map_err(failed)?;
                self.pack_below(&mut packer, &directory, prefix)?;
            }
        }
        packer.archive.into_inner().and_then(|mut output| output.flush()).map_err(failed)?;
        Ok(stat)
    }

    fn pack_below<W: Write>(
        &self,
        packer: &mut Packer<W>,
        directory: &OwnedFd,
        prefix: &Path,
    ) -> Result<(), TreeError> {
        let file = |path: &Path, source| TreeError::File {
            path: path.display().to_string(),
            id: self.id.clone(),
            source,
        };
        let mut visit =
            |entry: &Entry<'_>| packer.add(entry).map(|()| true).map_err(|error| file(entry.path, error));
        walk(directory, prefix, &mut visit).map_err(|error| match error {
            WalkError::Visit(error) => error,
            WalkError::Io(path, source) => file(&path, source),
            WalkError::Depth(path) => TreeError::Depth(path.display().to_string()),
        })
    }
}

impl<W: Write> Packer<W> {
    /// Adds one entry, without what is below.
    fn add(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        match entry.kind() {
            FileType::RegularFile => self.file(entry),
            FileType::Directory => self.directory(entry.path, &entry.stat),
            FileType::Symlink => {
                let target = readlinkat(entry.directory, entry.name, Vec::new())?;
                let header = header(&entry.stat, EntryType::Symlink);
                self.link(header, entry.path, Path::new(std::ffi::OsStr::from_bytes(target.to_bytes())))
            }
            FileType::Fifo => self.node(entry, EntryType::Fifo),
            FileType::CharacterDevice => self.node(entry, EntryType::Char),
            FileType::BlockDevice => self.node(entry, EntryType::Block),
            // Means nothing without the process behind it.
            _ => Ok(()),
        }
    }

    fn directory(&mut self, path: &Path, stat: &Stat) -> io::Result<()> {
        let mut name = path.as_os_str().to_owned();
        if !name.as_bytes().ends_with(b"/") {
            name.push("/");
        }
        self.append(header(stat, EntryType::Directory), Path::new(&name), io::empty())
    }

    /// Appends an entry under its name, a leading dot included, which the library would leave out of a short one.
    fn append(&mut self, mut header: Header, path: &Path, content: impl Read) -> io::Result<()> {
        match path.starts_with(".") && set_name(&mut header, path) {
            true => self.archive.append(&header, content),
            false => self.archive.append_data(&mut header, path, content),
        }
    }

    /// The same for a link. The library would write another target where it takes one for the same: `/` for `//`, `a` for `./a`.
    fn link(&mut self, mut header: Header, path: &Path, target: &Path) -> io::Result<()> {
        let target = target.as_os_str().as_bytes();
        match target.len() <= NAME_BYTES_MAX {
            true => header.set_link_name_literal(target)?,
            false => self.archive.append_pax_extensions([("linkpath", target)])?,
        }
        self.append(header, path, io::empty())
    }

    fn node(&mut self, entry: &Entry<'_>, kind: EntryType) -> io::Result<()> {
        let mut header = header(&entry.stat, kind);
        header.set_device_major(major(entry.stat.st_rdev))?;
        header.set_device_minor(minor(entry.stat.st_rdev))?;
        self.append(header, entry.path, io::empty())
    }

    fn file(&mut self, entry: &Entry<'_>) -> io::Result<()> {
        let file = match open_below(entry.directory, entry.name, OFlags::RDONLY) {
            Ok(file) => file,
            // Removed, or a link by now.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ELOOP)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let stat = fstat(&file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(());
        }
        if stat.st_nlink > 1 {
            if let Some(first) = self.linked.get(&(stat.st_dev, stat.st_ino)) {
                let (header, first) = (header(&stat, EntryType::Link), first.clone());
                return self.link(header, entry.path, &first);
            }
            self.linked.insert((stat.st_dev, stat.st_ino), entry.path.to_owned());
        }
        if let Some(capability) = capability(&file)? {
            let name = format!("SCHILY.xattr.{CAPABILITY}");
            self.archive.append_pax_extensions([(name.as_str(), capability.as_slice())])?;
        }
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        let mut header = header(&stat, EntryType::Regular);
        header.set_size(size);
        // The archive has promised this many bytes, whatever happens to the file meanwhile.
        let content = file.take(size).chain(io::repeat(0)).take(size);
        self.append(header, entry.path, content)
    }
}

/// Writes a name that the header has room for as it is.
fn set_name(header: &mut Header, path: &Path) -> bool {
    let bytes = path.as_os_str().as_bytes();
    let Some(place) = header.as_old_mut().name.get_mut(..bytes.len()) else { return false };
    place.copy_from_slice(bytes);
    header.set_cksum();
    true
}

fn header(stat: &Stat, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(stat.st_uid.into());
    header.set_gid(stat.st_gid.into());
    // The format knows no time before 1970.
    header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or_default());
    header.set_size(0);
    header
}

fn capability(file: impl AsFd) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0; CAPABILITY_BYTES_MAX];
    match fgetxattr(file, CAPABILITY, value.as_mut_slice()) {
        Ok(count) => {
            value.truncate(count);
            Ok(Some(value))
        }
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
