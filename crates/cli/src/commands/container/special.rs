//! Files of an archive that are no files: pipes and devices. The library would make empty files of them.

use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, makedev, mknodat, utimensat};

/// Returns what an entry is, if it is such a one.
pub(super) fn kind(header: &tar::Header) -> Option<FileType> {
    match header.entry_type() {
        tar::EntryType::Fifo => Some(FileType::Fifo),
        tar::EntryType::Char => Some(FileType::CharacterDevice),
        tar::EntryType::Block => Some(FileType::BlockDevice),
        _ => None,
    }
}

/// Makes it at a path that is free. Devices are root's to make.
pub(super) fn make(header: &tar::Header, kind: FileType, path: &Path, keep_owners: bool) -> io::Result<()> {
    let device = match kind {
        FileType::Fifo => 0,
        _ => makedev(header.device_major()?.unwrap_or(0), header.device_minor()?.unwrap_or(0)),
    };
    mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), device)?;
    if keep_owners {
        let id = |id: u64| u32::try_from(id).map_err(|_| io::Error::other("its owner is out of range"));
        std::os::unix::fs::lchown(path, Some(id(header.uid()?)?), Some(id(header.gid()?)?))?;
    }
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(header.mode()? & 0o7777))?;
    let time = Timespec { tv_sec: i64::try_from(header.mtime()?).unwrap_or(0), tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

    use super::*;

    #[test]
    fn a_pipe_comes_out_as_a_pipe() {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Fifo);
        header.set_mode(0o640);
        header.set_mtime(1_000_000);
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("pipe");
        make(&header, kind(&header).expect("it is no file"), &path, false).expect("it is made");
        let made = std::fs::symlink_metadata(&path).expect("it is there");
        assert!(made.file_type().is_fifo());
        assert_eq!((made.mode() & 0o7777, made.mtime()), (0o640, 1_000_000));
    }

    #[test]
    fn files_are_the_librarys() {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        assert_eq!(kind(&header), None);
    }
}
