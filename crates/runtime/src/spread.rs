//! Tells the filesystem which directories have nothing to do with each other.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::IFlags;

/// Asks that the directories in `dir`, one to a container or a layer, be spread over the disk from now on.
///
/// ext4 then puts each of them, with what is in it, into a region of its own, which it chooses by name. Left to itself it
/// puts all into one, and without a journal it looks at every inode that this region has lost within the last minutes
/// before it makes one there: where containers come and go, that takes longer than all else together. Other filesystems
/// do not know the wish, and do not need it.
pub fn spread(dir: &Path) {
    let wish = || -> io::Result<()> {
        let dir = File::open(dir)?;
        let flags = rustix::fs::ioctl_getflags(&dir)?;
        Ok(rustix::fs::ioctl_setflags(&dir, flags | IFlags::TOPDIR)?)
    };
    if let Err(error) = wish() {
        tracing::debug!(path = %dir.display(), %error, "a directory is not spread over the disk");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filesystem_that_does_not_know_the_wish_is_left_alone() {
        spread(Path::new("/proc/self"));
        spread(Path::new("/nonexistent"));
    }

    #[test]
    fn the_wish_is_written_down_and_others_stay() {
        let dir = tempfile::tempdir().expect("a directory");
        let open = || File::open(dir.path()).expect("to open it");
        let Ok(found) = rustix::fs::ioctl_getflags(open()) else {
            eprintln!("skipped: this filesystem has no flags");
            return;
        };
        let set = |flags| rustix::fs::ioctl_setflags(open(), flags);
        // A flag of somebody else, which any owner of a directory may set; where there is none, there is none to lose.
        let bare = found - IFlags::TOPDIR;
        let others = if set(bare | IFlags::NOATIME).is_ok() { bare | IFlags::NOATIME } else { bare };
        // Tried without the code under test, so that its silence is not taken for the filesystem's.
        let takes_the_wish = set(others | IFlags::TOPDIR).is_ok();
        set(others).expect("what was there before");
        spread(dir.path());
        let wished = if takes_the_wish { others | IFlags::TOPDIR } else { others };
        assert_eq!(rustix::fs::ioctl_getflags(open()).expect("they were read before"), wished);
    }
}
