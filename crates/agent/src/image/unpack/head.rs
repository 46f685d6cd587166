//! What the headers of an archive's entry say, checked.
//!
//! Decides which names, owners, times and extended attributes are acceptable, and in which order they are given to a
//! file. What an entry does to the tree is decided in `apply.rs`.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, Timespec, Timestamps};
use rustix::io::Errno;
use tar::{Entry, EntryType};

use super::tree::Place;
use super::{DEPTH_MAX, PATH_LEN_MAX, UnpackError};

const XATTR: &[u8] = b"SCHILY.xattr.";

/// An entry's headers, checked.
pub(super) struct Head {
    /// The name as written, for messages.
    pub label: String,
    /// Relative, without `.` and `..`; empty for the root.
    pub path: PathBuf,
    pub kind: EntryType,
    mode: Mode,
    uid: u32,
    gid: u32,
    pub modified_at: Timespec,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Head {
    pub fn read(entry: &mut Entry<'_, impl Read>) -> Result<Self, UnpackError> {
        let name = entry.path_bytes().into_owned();
        let label = String::from_utf8_lossy(&name).into_owned();
        let wrong = |reason| UnpackError::Entry { entry: label.clone(), reason };
        if name.len() > PATH_LEN_MAX {
            return Err(UnpackError::TooLarge { what: "bytes in a name", max: PATH_LEN_MAX as u64 });
        }
        let path = clean(Path::new(OsStr::from_bytes(&name)))
            .ok_or_else(|| UnpackError::Escape { entry: label.clone(), target: label.clone() })?;
        if path.components().count() > DEPTH_MAX {
            return Err(UnpackError::TooLarge { what: "nested directories", max: DEPTH_MAX as u64 });
        }
        let mut kind = entry.header().entry_type();
        // Archives older than the directory type mark directories by a slash.
        if kind == EntryType::Regular && name.ends_with(b"/") {
            kind = EntryType::Directory;
        }
        let (modified_at, xattrs) = extensions(entry, &label)?;
        let header = entry.header();
        let owner = |id: io::Result<u64>| {
            let id = u32::try_from(id.map_err(UnpackError::Archive)?).ok();
            // The largest id means "unchanged" to the kernel.
            id.filter(|id| *id != u32::MAX).ok_or_else(|| wrong("an owner that Linux does not have"))
        };
        let modified_at = match modified_at {
            Some(modified_at) => modified_at,
            None => {
                let seconds = header.mtime().map_err(UnpackError::Archive)?;
                Timespec { tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX), tv_nsec: 0 }
            }
        };
        Ok(Self {
            uid: owner(header.uid())?,
            gid: owner(header.gid())?,
            mode: Mode::from_raw_mode(header.mode().map_err(UnpackError::Archive)? & 0o7777),
            modified_at,
            xattrs,
            kind,
            path,
            label,
        })
    }

    pub fn link(&self, entry: &mut Entry<'_, impl Read>) -> Result<PathBuf, UnpackError> {
        let target = entry.link_name_bytes().ok_or_else(|| self.wrong("a link without a target"))?;
        if target.is_empty() || target.len() > PATH_LEN_MAX {
            return Err(self.wrong("a link with an empty or too long target"));
        }
        Ok(PathBuf::from(OsStr::from_bytes(&target)))
    }

    /// Gives an open file or directory its owner, mode and attributes, in the order in which none undoes another:
    /// a change of owner clears the setuid bit and file capabilities.
    pub fn dress(&self, file: impl AsFd) -> Result<(), UnpackError> {
        rustix::fs::fchown(&file, Some(self.owner()), Some(self.group()))
            .map_err(self.refused("change the owner of"))?;
        rustix::fs::fchmod(&file, self.mode).map_err(self.refused("change the mode of"))?;
        for (name, value) in &self.xattrs {
            let set = rustix::fs::fsetxattr(&file, name.as_slice(), value, rustix::fs::XattrFlags::empty());
            self.judge_xattr(name, set)?;
        }
        Ok(())
    }

    /// The same for what cannot be opened: links, devices and pipes.
    pub fn dress_node(&self, place: &Place, has_mode: bool) -> Result<(), UnpackError> {
        let nofollow = AtFlags::SYMLINK_NOFOLLOW;
        let (dir, name) = (&place.dir, &place.name);
        rustix::fs::chownat(dir, name, Some(self.owner()), Some(self.group()), nofollow)
            .map_err(self.refused("change the owner of"))?;
        if has_mode {
            rustix::fs::chmodat(dir, name, self.mode, AtFlags::empty())
                .map_err(self.refused("change the mode of"))?;
        }
        for (key, value) in &self.xattrs {
            let flags = rustix::fs::XattrFlags::empty();
            let set = rustix::fs::lsetxattr(place.proc_path(), key.as_slice(), value, flags);
            self.judge_xattr(key, set)?;
        }
        rustix::fs::utimensat(dir, name, &self.times(), nofollow).map_err(self.refused("set the times of"))
    }

    /// An attribute that this filesystem or kernel does not know is left out, as Docker does; an image that needs it
    /// would not run on this node anyway. Only a label of another security system may be refused outright.
    fn judge_xattr(&self, name: &[u8], set: rustix::io::Result<()>) -> Result<(), UnpackError> {
        match set {
            Err(Errno::NOTSUP) => Ok(()),
            Err(Errno::PERM | Errno::INVAL) if name.starts_with(b"user.") || name == b"security.selinux" => {
                Ok(())
            }
            done => done.map_err(self.refused("set an extended attribute of")),
        }
    }

    fn owner(&self) -> rustix::fs::Uid {
        rustix::fs::Uid::from_raw(self.uid)
    }

    fn group(&self) -> rustix::fs::Gid {
        rustix::fs::Gid::from_raw(self.gid)
    }

    pub fn times(&self) -> Timestamps {
        Timestamps { last_access: self.modified_at, last_modification: self.modified_at }
    }

    pub fn wrong(&self, reason: &'static str) -> UnpackError {
        UnpackError::Entry { entry: self.label.clone(), reason }
    }

    pub fn failed(&self, operation: &'static str) -> impl FnOnce(io::Error) -> UnpackError {
        let entry = self.label.clone();
        move |source| UnpackError::File { operation, entry, source }
    }

    pub fn refused(&self, operation: &'static str) -> impl FnOnce(Errno) -> UnpackError {
        let failed = self.failed(operation);
        move |errno| failed(errno.into())
    }
}

type Extensions = (Option<Timespec>, Vec<(Vec<u8>, Vec<u8>)>);

/// Reads the exact time and the extended attributes out of an entry's PAX records.
fn extensions(entry: &mut Entry<'_, impl Read>, label: &str) -> Result<Extensions, UnpackError> {
    let (mut modified_at, mut xattrs) = (None, Vec::new());
    let Some(records) = entry.pax_extensions().map_err(UnpackError::Archive)? else {
        return Ok((modified_at, xattrs));
    };
    for record in records {
        let record = record.map_err(UnpackError::Archive)?;
        let key = record.key_bytes();
        if key == b"mtime" {
            modified_at = record.value().ok().and_then(parse_time);
        } else if key.starts_with(b"GNU.sparse.") {
            let reason = "sparse files in PAX form are not supported";
            return Err(UnpackError::Entry { entry: label.to_owned(), reason });
        } else if let Some(name) = key.strip_prefix(XATTR)
            && !is_overlay_xattr(name)
        {
            xattrs.push((name.to_owned(), record.value_bytes().to_owned()));
        }
    }
    Ok((modified_at, xattrs))
}

/// Overlayfs's own attributes would let a layer redirect directories; images have no use for them.
fn is_overlay_xattr(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}

/// Parses PAX's decimal seconds, `1700000000.123456789` or `-1.5`.
fn parse_time(text: &str) -> Option<Timespec> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanos: i64 = digits.parse().ok()?;
    Some(match (nanos, whole.starts_with('-')) {
        (1.., true) => Timespec { tv_sec: seconds.checked_sub(1)?, tv_nsec: 1_000_000_000 - nanos },
        _ => Timespec { tv_sec: seconds, tv_nsec: nanos },
    })
}

/// Returns the path relative to the image's root, without `.` and `..`; nothing if it leads above the root.
pub(super) fn clean(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir if !clean.pop() => return None,
            Component::ParentDir | Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        let cleaned = |path: &str| clean(Path::new(path)).map(|path| path.display().to_string());
        assert_eq!(cleaned("./a/b/").as_deref(), Some("a/b"));
        assert_eq!(cleaned("/a/./b").as_deref(), Some("a/b"));
        assert_eq!(cleaned("a/../b").as_deref(), Some("b"));
        assert_eq!(cleaned("./").as_deref(), Some(""));
        assert_eq!(cleaned("../a"), None);
        assert_eq!(cleaned("a/../../b"), None);
    }

    #[test]
    fn times_have_nanoseconds_and_may_be_before_1970() {
        let time = |text| parse_time(text).map(|time| (time.tv_sec, time.tv_nsec));
        assert_eq!(time("1700000000.5"), Some((1_700_000_000, 500_000_000)));
        assert_eq!(time("12"), Some((12, 0)));
        assert_eq!(time("-1.25"), Some((-2, 750_000_000)));
        assert_eq!(time("1.1234567891"), Some((1, 123_456_789)));
        assert_eq!(time("x"), None);
        assert_eq!(time("1.x"), None);
    }
}
