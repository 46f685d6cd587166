//! What the headers of an entry say.

use std::io;

use tar::{EntryType, Header as Block};

use crate::number::{count, field};
use crate::records::Records;
use crate::{damaged, sparse};

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file whose content is all in the archive.
    File,
    /// A file with holes: what is read of it may be very much longer than the archive.
    SparseFile,
    /// A directory.
    Directory,
    /// A link by name.
    Symlink,
    /// Another name of an entry that came before.
    HardLink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A pipe.
    Fifo,
    /// Something that only other programs know, by its letter.
    Other(u8),
}

/// A moment, counted from the beginning of 1970 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// And so many nanoseconds, fewer than a second has.
    pub nanos: u32,
}

/// All that an entry says of itself.
///
/// Names are as written: they may be empty or absolute, lead upwards, or hold any byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The path, often with a slash at its end for a directory.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Where a link leads to.
    pub link_name: Option<Vec<u8>>,
    /// Permissions with the setuid, setgid and sticky bits, and none of the file's type.
    pub mode: u32,
    /// The owner as written; see [`Header::owner`].
    pub uid: i64,
    /// The group as written.
    pub gid: i64,
    /// When it was modified.
    pub modified_at: Time,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes by name, in the order of the archive.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What extension headers said before the header of an entry.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    pub records: Records,
    pub long_name: Option<Vec<u8>>,
    pub long_link: Option<Vec<u8>>,
}

impl Header {
    pub(crate) fn of(block: &Block, extensions: Extensions) -> io::Result<Self> {
        let Extensions { records, long_name, long_link } = extensions;
        let old = block.as_old();
        // GNU's long names win over records, as they do in Go.
        let name = long_name.or(records.path).unwrap_or_else(|| full_name(block));
        let link = long_link.or(records.link_path).unwrap_or_else(|| text(&old.linkname).to_vec());
        let written = Time { seconds: field(&old.mtime)?, nanos: 0 };
        Ok(Self {
            kind: Kind::of(block, &name),
            name,
            link_name: Some(link).filter(|link| !link.is_empty()),
            mode: u32::try_from(field(&old.mode)? & 0o7777).expect("twelve bits"),
            uid: records.uid.map_or_else(|| field(&old.uid), Ok)?,
            gid: records.gid.map_or_else(|| field(&old.gid), Ok)?,
            modified_at: records.modified_at.unwrap_or(written),
            device: device(block)?,
            xattrs: records.xattrs,
        })
    }

    /// Returns the owner and the group, if Linux has such. The largest number means "unchanged" to it.
    pub fn owner(&self) -> Option<(u32, u32)> {
        let id = |id: i64| u32::try_from(id).ok().filter(|id| *id != u32::MAX);
        Some((id(self.uid)?, id(self.gid)?))
    }
}

impl Kind {
    /// Returns whether there may be content. What can have none has none, whatever its size says: a hard link may state the size
    /// of its file.
    pub(crate) fn has_content(self) -> bool {
        matches!(self, Self::File | Self::SparseFile | Self::Other(_))
    }

    fn of(block: &Block, name: &[u8]) -> Self {
        /// What archives had before there was a letter for files; they mark directories by a slash.
        const OLD_FILE: [u8; 1] = [0];
        match block.entry_type() {
            EntryType::Regular if block.as_old().linkflag == OLD_FILE && name.ends_with(b"/") => {
                Self::Directory
            }
            EntryType::Regular | EntryType::Continuous => Self::File,
            EntryType::GNUSparse => Self::SparseFile,
            EntryType::Directory => Self::Directory,
            EntryType::Symlink => Self::Symlink,
            EntryType::Link => Self::HardLink,
            EntryType::Char => Self::CharDevice,
            EntryType::Block => Self::BlockDevice,
            EntryType::Fifo => Self::Fifo,
            other => Self::Other(other.as_byte()),
        }
    }
}

/// Returns the name of the header alone, with what POSIX puts before it.
fn full_name(block: &Block) -> Vec<u8> {
    let name = text(&block.as_old().name);
    let prefix = if is_posix(block) { text(&block.as_bytes()[PREFIX]) } else { &[] };
    match prefix {
        [] => name.to_vec(),
        prefix => [prefix, b"/", name].concat(),
    }
}

const PREFIX: std::ops::Range<usize> = 345..500;
const MAGIC: std::ops::Range<usize> = 257..263;
const DEVICE_MAJOR: std::ops::Range<usize> = 329..337;
const DEVICE_MINOR: std::ops::Range<usize> = 337..345;

/// Returns whether the block is one of POSIX, of whatever version.
fn is_posix(block: &Block) -> bool {
    &block.as_bytes()[MAGIC] == b"ustar\0"
}

fn device(block: &Block) -> io::Result<(u32, u32)> {
    if !is_posix(block) && !sparse::is_gnu(block) {
        return Ok((0, 0));
    }
    let number = |range| {
        let number = count(&block.as_bytes()[range])?;
        u32::try_from(number).map_err(|_| damaged("a device has a number that Linux does not have"))
    };
    Ok((number(DEVICE_MAJOR)?, number(DEVICE_MINOR)?))
}

/// Returns what stands before the first zero byte.
pub(crate) fn text(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}
