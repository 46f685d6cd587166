//! What the headers of an archive's entry say, checked.
//!
//! Decides which names, owners and extended attributes are acceptable, and in which order they are given to a file.
//! What an entry does to the tree is decided in `apply.rs`.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode, Timespec, Timestamps};
use rustix::io::Errno;
use skep_archive::Kind;

use super::tree::Place;
use super::{DEPTH_MAX, PATH_LEN_MAX, UnpackError};

/// An entry's headers, checked.
pub(super) struct Head {
    /// The name as written, for messages.
    pub label: String,
    /// Relative, without `.` and `..`; empty for the root.
    pub path: PathBuf,
    pub kind: Kind,
    /// Where a link leads to, as written.
    target: Option<Vec<u8>>,
    /// Major and minor number of a device.
    pub device: (u32, u32),
    mode: Mode,
    uid: u32,
    gid: u32,
    pub modified_at: Timespec,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Head {
    pub fn check(header: skep_archive::Header) -> Result<Self, UnpackError> {
        let label = String::from_utf8_lossy(&header.name).into_owned();
        let wrong = |reason| UnpackError::Entry { entry: label.clone(), reason };
        if header.name.len() > PATH_LEN_MAX {
            return Err(UnpackError::TooLarge { what: "bytes in a name", max: PATH_LEN_MAX as u64 });
        }
        let path = clean(Path::new(OsStr::from_bytes(&header.name)))
            .ok_or_else(|| UnpackError::Escape { entry: label.clone(), target: label.clone() })?;
        if path.components().count() > DEPTH_MAX {
            return Err(UnpackError::TooLarge { what: "nested directories", max: DEPTH_MAX as u64 });
        }
        let owner = header.owner();
        let (uid, gid) = owner.ok_or_else(|| wrong("an owner that Linux does not have"))?;
        let mut xattrs = header.xattrs;
        xattrs.retain(|(name, _)| !is_overlay_xattr(name));
        Ok(Self {
            uid,
            gid,
            mode: Mode::from_raw_mode(header.mode),
            modified_at: Timespec {
                tv_sec: header.modified_at.seconds,
                tv_nsec: header.modified_at.nanos.into(),
            },
            target: header.link_name,
            device: header.device,
            kind: header.kind,
            xattrs,
            path,
            label,
        })
    }

    pub fn link(&self) -> Result<&Path, UnpackError> {
        match &self.target {
            None => Err(self.wrong("a link without a target")),
            Some(target) if target.len() > PATH_LEN_MAX => Err(self.wrong("a link with a too long target")),
            Some(target) => Ok(Path::new(OsStr::from_bytes(target))),
        }
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

/// Overlayfs's own attributes would let a layer redirect directories; images have no use for them.
fn is_overlay_xattr(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
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
}
