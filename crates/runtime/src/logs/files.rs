//! Names and identities of the files of one log.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The most rotated files that are looked for.
const FILE_COUNT_MAX: u32 = 1000;

/// Returns the name of the `index`-th older file.
pub(super) fn rotated(path: &Path, index: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{index}"));
    PathBuf::from(name)
}

/// What tells one file from another whatever its name.
pub(super) type Inode = (u64, u64);

/// Returns the identity of an open file.
pub(super) fn inode(file: &File) -> io::Result<Inode> {
    file.metadata().map(|meta| (meta.dev(), meta.ino()))
}

/// Opens all files of a log, oldest first. Names shift while they are opened, so each inode is taken only once.
pub(super) fn open_all(path: &Path) -> io::Result<Vec<File>> {
    let mut files: Vec<(Inode, File)> = Vec::new();
    let mut take = |path: &Path| -> io::Result<bool> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let inode = inode(&file)?;
        if !files.iter().any(|(known, _)| *known == inode) {
            files.push((inode, file));
        }
        Ok(true)
    };
    let oldest = (1..FILE_COUNT_MAX).take_while(|index| rotated(path, *index).exists()).last().unwrap_or(0);
    for index in (1..=oldest).rev() {
        take(&rotated(path, index))?;
    }
    take(path)?;
    Ok(files.into_iter().map(|(_, file)| file).collect())
}

/// Returns the file that follows the one with `current`, if the log was rotated since: the next younger one.
pub(super) fn successor(path: &Path, current: Inode) -> io::Result<Option<File>> {
    let is_current = |path: &Path| fs::metadata(path).is_ok_and(|meta| (meta.dev(), meta.ino()) == current);
    if is_current(path) {
        return Ok(None);
    }
    let mut index = 1;
    while index < FILE_COUNT_MAX && rotated(path, index).exists() && !is_current(&rotated(path, index)) {
        index += 1;
    }
    // Rotated away altogether: go on with the oldest one there is.
    let next = if index == 1 { path.to_owned() } else { rotated(path, index - 1) };
    match File::open(next) {
        Ok(file) => Ok(Some(file)),
        // The moment between the two renames of a rotation; the next event brings the file.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
