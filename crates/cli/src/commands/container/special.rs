//! Files of an archive that are no files: pipes and devices. The library would make empty files of them, or give them the
//! name of the path that they have here.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, Timespec, Timestamps, major, makedev, minor, mknodat, utimensat,
};

/// Returns what an entry is, if it is such a one.
pub(super) fn kind(header: &tar::Header) -> Option<FileType> {
    match header.entry_type() {
        tar::EntryType::Fifo => Some(FileType::Fifo),
        tar::EntryType::Char => Some(FileType::CharacterDevice),
        tar::EntryType::Block => Some(FileType::BlockDevice),
        _ => None,
    }
}

/// Returns the header of a pipe or a device, without its name; `None` for what is neither.
pub(super) fn header(found: &Metadata) -> io::Result<Option<tar::Header>> {
    let kind = match found.file_type() {
        kind if kind.is_fifo() => tar::EntryType::Fifo,
        kind if kind.is_char_device() => tar::EntryType::Char,
        kind if kind.is_block_device() => tar::EntryType::Block,
        _ => return Ok(None),
    };
    let mut header = tar::Header::new_gnu();
    header.set_metadata(found);
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_device_major(major(found.rdev()))?;
    header.set_device_minor(minor(found.rdev()))?;
    Ok(Some(header))
}

/// Makes it at a path that is free. Devices are root's to make.
pub(super) fn make(header: &tar::Header, kind: FileType, path: &Path, keep_owners: bool) -> io::Result<()> {
    let device = match kind {
        FileType::Fifo => 0,
        _ => match (header.device_major()?, header.device_minor()?) {
            (Some(major), Some(minor)) => makedev(major, minor),
            _ => return Err(io::Error::other("a device without its numbers")),
        },
    };
    mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), device)?;
    if keep_owners {
        let id = |id: u64| u32::try_from(id).map_err(|_| io::Error::other("its owner is out of range"));
        std::os::unix::fs::lchown(path, Some(id(header.uid()?)?), Some(id(header.gid()?)?))?;
    }
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(header.mode()? & 0o7777))?;
    let seconds = i64::try_from(header.mtime()?).map_err(|_| io::Error::other("its time is out of range"))?;
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
mod tests {
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
        let back = super::header(&made).expect("it can be described").expect("it is no file");
        assert_eq!((back.entry_type(), back.size().expect("a size")), (tar::EntryType::Fifo, 0));
    }

    #[test]
    fn files_are_the_librarys() {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        assert_eq!(kind(&header), None);
    }
}
