//! Small files that must be either absent, old or new, never torn; and paths too long for a socket address.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest file that `read_json` accepts: a record of ours is a few kilobytes, an environment may be large.
const RECORD_BYTES_MAX: u64 = 8 << 20;

/// Whether a write must survive a power failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// The file is worthless after a reboot.
    UntilReboot,
    /// The file and its name are on disk before the call returns.
    Durable,
}

/// Replaces `path` by `bytes` in one step.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    // Two processes may write the same record, each its own temporary.
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary)?;
    file.write_all(bytes)?;
    if durability == Durability::Durable {
        file.sync_all()?;
    }
    fs::rename(&temporary, path)?;
    if durability == Durability::Durable
        && let Some(directory) = path.parent()
    {
        File::open(directory)?.sync_all()?;
    }
    Ok(())
}

/// Replaces `path` by `value` as JSON.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T, durability: Durability) -> io::Result<()> {
    write_atomic(path, &serde_json::to_vec(value).map_err(io::Error::from)?, durability)
}

/// Reads a JSON record; `None` if the file does not exist.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(RECORD_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes)?))
}

/// Removes a directory with everything below; one that does not exist is fine.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A short name for a socket in a directory of any depth: `sun_path` holds only 107 bytes.
pub(crate) struct SocketPath {
    directory: OwnedFd,
    name: String,
}

impl SocketPath {
    /// Opens the directory of `path`.
    pub(crate) fn open(path: &Path) -> io::Result<SocketPath> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str())) else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a socket path needs a directory and a name",
            ));
        };
        Ok(SocketPath { directory: File::open(directory)?.into(), name: name.to_owned() })
    }

    /// Returns a path that is valid while `self` lives.
    pub(crate) fn short(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{}", self.directory.as_raw_fd(), self.name))
    }
}

/// Renders an error with all its sources, outermost first.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Wrappers marked `transparent` repeat their source's words.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
