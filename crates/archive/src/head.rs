//! What the headers of an entry say.

use std::io;

use tar_core::parse::ParsedEntry;
use tar_core::{EntryType, PaxExtensions};

use crate::damaged;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file with content; a sparse one too.
    File,
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
/// Names are as written: they may be absolute, lead upwards, or hold any byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The path, often with a slash at its end for a directory.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Where a link leads to.
    pub target: Option<Vec<u8>>,
    /// Permissions with the setuid, setgid and sticky bits, and none of the file's type.
    pub mode: u32,
    /// The owner's number; no more than `u32::MAX` make sense.
    pub uid: u64,
    /// The group's number.
    pub gid: u64,
    /// When it was modified.
    pub modified_at: Time,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    /// Extended attributes by name.
    pub attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Head {
    pub(crate) fn of(entry: &ParsedEntry<'_>) -> io::Result<Self> {
        let records = Records::read(entry.pax.unwrap_or_default())?;
        let written = || Time { seconds: i64::try_from(entry.mtime).unwrap_or(i64::MAX), nanos: 0 };
        Ok(Self {
            name: entry.path.to_vec(),
            kind: kind(entry),
            target: entry.link_target.as_deref().map(<[u8]>::to_vec),
            mode: entry.mode & 0o7777,
            uid: entry.uid,
            gid: entry.gid,
            modified_at: records.modified_at.unwrap_or_else(written),
            device: (entry.dev_major.unwrap_or_default(), entry.dev_minor.unwrap_or_default()),
            attributes: entry.xattrs.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect(),
        })
    }
}

fn kind(entry: &ParsedEntry<'_>) -> Kind {
    match entry.entry_type {
        // Archives older than the directory type mark directories by a slash.
        EntryType::Regular if entry.path.ends_with(b"/") => Kind::Directory,
        EntryType::Regular | EntryType::Continuous | EntryType::GnuSparse => Kind::File,
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::Symlink,
        EntryType::Link => Kind::HardLink,
        EntryType::Char => Kind::CharDevice,
        EntryType::Block => Kind::BlockDevice,
        EntryType::Fifo => Kind::Fifo,
        other => Kind::Other(other.to_byte()),
    }
}

/// What the parser leaves of an entry's PAX records: it knows no time before 1970, and takes the headers' numbers where a
/// record's is none.
struct Records {
    modified_at: Option<Time>,
}

impl Records {
    fn read(bytes: &[u8]) -> io::Result<Self> {
        let mut modified_at = None;
        for record in PaxExtensions::new(bytes) {
            let record = record.map_err(damaged)?;
            let number = || record.value().ok().and_then(|value| value.parse::<u64>().ok());
            let wrong = |key: &str| damaged(format!("the PAX record {key} is no number"));
            match record.key_bytes() {
                b"mtime" => modified_at = record.value().ok().and_then(parse_time),
                b"size" => drop(number().ok_or_else(|| wrong("size"))?),
                b"uid" => drop(number().ok_or_else(|| wrong("uid"))?),
                b"gid" => drop(number().ok_or_else(|| wrong("gid"))?),
                _ => {}
            }
        }
        Ok(Self { modified_at })
    }
}

/// Parses PAX's decimal seconds, `1700000000.123456789` or `-1.5`.
fn parse_time(text: &str) -> Option<Time> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanos: u32 = digits.parse().ok()?;
    Some(match (nanos, whole.starts_with('-')) {
        (1.., true) => Time { seconds: seconds.checked_sub(1)?, nanos: 1_000_000_000 - nanos },
        _ => Time { seconds, nanos },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_nanoseconds_and_may_be_before_1970() {
        let time = |text| parse_time(text).map(|time| (time.seconds, time.nanos));
        assert_eq!(time("1700000000.5"), Some((1_700_000_000, 500_000_000)));
        assert_eq!(time("12"), Some((12, 0)));
        assert_eq!(time("-1.25"), Some((-2, 750_000_000)));
        assert_eq!(time("1.1234567891"), Some((1, 123_456_789)));
        assert_eq!(time("x"), None);
        assert_eq!(time("1.x"), None);
    }
}
