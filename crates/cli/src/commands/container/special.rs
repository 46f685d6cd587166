//! Files of an archive that are no files: pipes and devices. The library that writes archives would give them the name of the
//! path that they have here.

use std::fs::Metadata;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, Timespec, Timestamps, major, makedev, minor, mknodat, utimensat,
};
use skep_archive::{Header, Kind, Time};

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
pub(super) fn make(header: &Header, path: &Path) -> io::Result<()> {
    let (major, minor) = header.device;
    let (kind, device) = match header.kind {
        Kind::CharDevice => (FileType::CharacterDevice, makedev(major, minor)),
        Kind::BlockDevice => (FileType::BlockDevice, makedev(major, minor)),
        _ => (FileType::Fifo, 0),
    };
    Ok(mknodat(CWD, path, kind, Mode::from_raw_mode(0o600), device)?)
}

/// Sets the mode of what must not be opened for it.
pub(super) fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    let node = rustix::fs::open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let itself = format!("/proc/self/fd/{}", node.as_raw_fd());
    std::fs::set_permissions(itself, PermissionsExt::from_mode(mode))
}

/// Sets the time of what must not be opened for it: a pipe waits for whoever writes.
pub(super) fn set_time(path: &Path, time: Time) -> io::Result<()> {
    let time = Timespec { tv_sec: time.seconds, tv_nsec: time.nanos.into() };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

#[cfg(test)]
mod tests {
    use super::super::extract;
    use super::*;

    #[test]
    fn a_pipe_goes_into_an_archive_and_comes_out_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("pipe");
        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("a mode");
        set_time(&path, Time { seconds: 1_000_000, nanos: 0 }).expect("a time");
        let found = std::fs::symlink_metadata(&path).expect("it is there");
        let mut header = header(&found).expect("it can be described").expect("it is no file");
        let mut writer = tar::Builder::new(Vec::new());
        writer.append_data(&mut header, "pipe", io::empty()).expect("it fits");
        let bytes = writer.into_inner().expect("an archive");

        let mut archive = skep_archive::Archive::new(bytes.as_slice());
        let mut entry = archive.next_entry().expect("an archive").expect("an entry");
        let copy = dir.path().join("copy");
        extract::make(&entry.header, &mut entry.content, &copy, false).expect("it is made");
        let made = std::fs::symlink_metadata(&copy).expect("it is there");
        assert!(made.file_type().is_fifo());
        assert_eq!((made.mode() & 0o7777, made.mtime()), (0o640, 1_000_000));
    }

    #[test]
    fn files_are_the_librarys() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        for path in [file.path(), Path::new("/")] {
            let found = std::fs::symlink_metadata(path).expect("it is there");
            assert!(header(&found).expect("it can be described").is_none());
        }
    }
}
