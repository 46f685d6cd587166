//! Takes an archive apart into numbered files of the store.
//!
//! The documents that say what the files are may come last, and an archive can be larger than memory, so all of it
//! goes to disk first. Names of entries are only ever keys of a map; links are followed in that map, never on disk.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use flate2::bufread::MultiGzDecoder;
use skep_archive::{Archive, Header, Kind};

use super::{ArchiveError, invalid};
use crate::image::blobs::{Temp, Temps};
use crate::image::digest::{Digest, Hasher};
use crate::image::error::PullError;

/// Entries of an archive: a thousand images of a hundred layers with their folders.
const ENTRIES_MAX: usize = 300_000;
/// Longest name or link target, in bytes.
const NAME_LEN_MAX: usize = 1024;
/// Longest document that is read into memory, in bytes; a registry's manifest may have as many.
const DOCUMENT_LEN_MAX: u64 = 8 << 20;
/// Links in a row.
const LINKS_MAX: usize = 8;
const BUFFER_LEN: usize = 128 << 10;
/// The memory a zstd frame may ask for, as a power of two.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// A file of the archive, on disk.
pub(super) struct Spooled {
    pub temp: Temp,
    pub digest: Digest,
    pub len: u64,
}

enum Entry {
    File(Spooled),
    Link(String),
}

/// All files of an archive by their names.
pub(super) struct Spool {
    entries: HashMap<String, Entry>,
}

impl Spool {
    /// Reads a whole archive; its compression is told by its first bytes.
    pub fn read(source: impl Read, temps: &Temps) -> Result<Self, ArchiveError> {
        let mut source = source;
        let mut magic = Vec::with_capacity(6);
        (&mut source).take(6).read_to_end(&mut magic).map_err(ArchiveError::Read)?;
        let kind = magic.clone();
        let raw = BufReader::with_capacity(BUFFER_LEN, Cursor::new(magic).chain(source));
        match kind.as_slice() {
            [0x1f, 0x8b, ..] => Self::entries(MultiGzDecoder::new(raw), temps),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                let mut decoder = zstd::Decoder::with_buffer(raw).map_err(ArchiveError::Read)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(ArchiveError::Read)?;
                Self::entries(decoder, temps)
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0x00] => Err(invalid("compressed with xz; decompress it first")),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Err(invalid("compressed with bzip2; decompress it first")),
            _ => Self::entries(raw, temps),
        }
    }

    fn entries(source: impl Read, temps: &Temps) -> Result<Self, ArchiveError> {
        let mut archive = Archive::new(source);
        let mut entries = HashMap::new();
        while let Some(mut entry) = archive.next_entry().map_err(unreadable)? {
            if entries.len() >= ENTRIES_MAX {
                return Err(invalid(format!("more than {ENTRIES_MAX} entries")));
            }
            let header = entry.header;
            if header.kind == Kind::Directory {
                continue;
            }
            let path = Path::new(OsStr::from_bytes(&header.name));
            let Some(name) = clean(path) else {
                return Err(invalid(format!(
                    "the name {:?} leads out of the archive",
                    path.display().to_string()
                )));
            };
            let found = match header.kind {
                Kind::File => Entry::File(spool(&mut entry.content, temps)?),
                Kind::Symlink | Kind::HardLink => Entry::Link(
                    target(&header)
                        .ok_or_else(|| invalid(format!("the link {name:?} leads out of the archive")))?,
                ),
                _ => {
                    return Err(invalid(format!("{name:?} is neither a file nor a directory nor a link")));
                }
            };
            entries.insert(name, found);
        }
        Ok(Self { entries })
    }

    /// Returns the file called `name`, through links.
    pub fn file(&self, name: &str) -> Option<&Spooled> {
        let mut name = clean(Path::new(name))?;
        for _ in 0..LINKS_MAX {
            match self.entries.get(&name)? {
                Entry::File(file) => return Some(file),
                Entry::Link(target) => name = target.clone(),
            }
        }
        None
    }

    /// Reads a small file.
    pub fn document(&self, name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
        let Some(file) = self.file(name) else { return Ok(None) };
        if file.len > DOCUMENT_LEN_MAX {
            return Err(invalid(format!("{name} has {} bytes, the most is {DOCUMENT_LEN_MAX}", file.len)));
        }
        let bytes = std::fs::read(file.temp.path()).map_err(PullError::storage("read", file.temp.path()))?;
        Ok(Some(bytes))
    }
}

/// Returns the name in the archive that a link leads to. A symbolic one begins where it is, another at the top.
fn target(link: &Header) -> Option<String> {
    let target = Path::new(OsStr::from_bytes(link.link_name.as_deref()?));
    let above = match link.kind {
        Kind::Symlink => Path::new(OsStr::from_bytes(&link.name)).parent()?,
        _ => Path::new(""),
    };
    clean(&above.join(target))
}

/// Returns the path without `.` and `..`, or `None` if it is absolute, leads out, or is too long.
fn clean(path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()?),
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    let name = parts.join("/");
    (!name.is_empty() && name.len() <= NAME_LEN_MAX).then_some(name)
}

fn spool(source: &mut impl Read, temps: &Temps) -> Result<Spooled, ArchiveError> {
    let temp = temps.file();
    let failed = || PullError::storage("write", temp.path());
    let mut file = File::create_new(temp.path()).map_err(failed())?;
    let (mut hasher, mut len) = (Hasher::default(), 0);
    let mut buffer = vec![0; BUFFER_LEN];
    loop {
        let count = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error)),
        };
        hasher.update(&buffer[..count]);
        len += count as u64;
        file.write_all(&buffer[..count]).map_err(failed())?;
    }
    file.sync_all().map_err(failed())?;
    Ok(Spooled { temp, digest: hasher.finish(), len })
}

/// Tells what is no archive from one that cannot be read. What the library says of the former repeats what it found there,
/// which may be anything.
// Invariant: whoever hands an archive over marks other failures with a kind of their own, as a lost connection has.
fn unreadable(error: io::Error) -> ArchiveError {
    match error.kind() {
        io::ErrorKind::Other | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            invalid("it is no tar archive, or a damaged one")
        }
        io::ErrorKind::UnexpectedEof => invalid("it ends too early"),
        _ => ArchiveError::Read(error),
    }
}
