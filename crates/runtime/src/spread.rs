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
        let flags = || rustix::fs::ioctl_getflags(File::open(dir.path()).expect("to open it"));
        let Ok(before) = flags() else { return };
        spread(dir.path());
        let after = flags().expect("they were read before");
        assert_eq!(after - IFlags::TOPDIR, before - IFlags::TOPDIR);
    }
}
