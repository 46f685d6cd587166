//! The files of a container, seen from outside: for `cp`, `diff` and sizes.
//!
//! The container's own processes may move, link and mount under our hands. So a path is resolved by the kernel inside the
//! container's root (`openat2`, `RESOLVE_IN_ROOT`), only ever down to a directory that is then held open; its last component
//! is used by name below that directory, and never followed. No path of the host is made from one of the container.
//!
//! `stat` looks, `pack` and `unpack` are the two directions of `cp`, `changes` compares with the image.

mod changes;
mod pack;
mod stat;
mod unpack;
mod walk;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use pathrs::Root;
use pathrs::error::{Error as PathError, ErrorKind as PathErrorKind};
use rustix::fs::{Mode, OFlags, open};
use thiserror::Error;

use crate::files::read_json;
use crate::handle::Handle;
use crate::paths::Bundle;
use crate::shim::detached_root;

pub use changes::{Change, ChangeKind, Size};
pub(crate) use changes::{changes, size};
pub use stat::PathStat;
pub use unpack::{Owner, PutOptions};

/// Files of a container that cannot be read or written. The sentences are Docker's.
#[derive(Debug, Error)]
pub enum TreeError {
    /// There is no such path.
    #[error("Could not find the file {path} in container {id}")]
    NotFound {
        /// As it was asked for.
        path: String,
        /// The container.
        id: String,
    },
    /// An archive goes into a directory only.
    #[error("extraction point is not a directory")]
    NotDirectory,
    /// A directory in the way of something else, or the other way round.
    #[error("cannot overwrite {kind} \"{path}\" with {other}")]
    Kind {
        /// In the container.
        path: String,
        /// What is there.
        kind: &'static str,
        /// What would come.
        other: &'static str,
    },
    /// The root, or a mount, is read-only.
    #[error("the file system at {path} of container {id} is read-only")]
    ReadOnly {
        /// In the container.
        path: String,
        /// The container.
        id: String,
    },
    /// The path cannot be followed: it turns in circles, passes through what only the kernel may follow, or is too long.
    #[error("cannot follow {path} in container {id}")]
    Path {
        /// As it was asked for.
        path: String,
        /// The container.
        id: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The archive names something outside.
    #[error("the archive's entry \"{0}\" leads out of the directory it is unpacked into")]
    Escape(String),
    /// The archive cannot be read.
    #[error("the archive cannot be read")]
    Archive(#[source] io::Error),
    /// Directories in directories without end.
    #[error("{0} is nested too deeply")]
    Depth(String),
    /// The container's user is not known in it.
    #[error("cannot find the user of container {id}: {reason}")]
    User {
        /// The container.
        id: String,
        /// What is missing.
        reason: String,
    },
    /// The kernel says no.
    #[error("cannot access {path} in container {id}")]
    File {
        /// In the container.
        path: String,
        /// The container.
        id: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The daemon is shutting down.
    #[error("interrupted")]
    Interrupted(#[source] io::Error),
}

impl TreeError {
    /// Returns whether the request itself is at fault, rather than the node.
    pub fn is_callers(&self) -> bool {
        use TreeError::*;
        match self {
            NotFound { .. }
            | NotDirectory
            | Kind { .. }
            | ReadOnly { .. }
            | Escape(_)
            | Archive(_)
            | Path { .. } => true,
            Depth(_) | User { .. } | File { .. } | Interrupted(_) => false,
        }
    }
}

/// The files of one container.
pub struct Tree {
    id: String,
    root: Root,
    bundle: Bundle,
}

impl Tree {
    /// Opens the root of a container: of a running one as it sees it, with its mounts; of one that has ended without them.
    /// Blocks.
    pub fn open(handle: &Handle) -> Result<Tree, TreeError> {
        let id = handle.id().to_owned();
        let failed = |source| TreeError::File { path: "/".into(), id: id.clone(), source };
        let paths = handle.bundle_paths();
        let bundle: Option<Bundle> = read_json(&paths.bundle()).map_err(failed)?;
        let bundle = bundle.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let root = match open_running(handle).map_err(failed)? {
            Some(root) => root,
            None => detached_root(&bundle.container.rootfs, &paths)
                .map_err(|error| failed(io::Error::other(crate::files::chain(&error))))?,
        };
        Ok(Tree { id, root: Root::from_fd(root), bundle })
    }

    /// Resolves a directory, following links, and holds it open.
    fn directory(&self, path: &Path) -> Result<OwnedFd, TreeError> {
        let failed = |error| self.resolution(path, error);
        let handle = self.root.resolve(path).map_err(failed)?;
        Ok(handle.reopen(pathrs::flags::OpenFlags::O_DIRECTORY).map_err(failed)?.into())
    }

    fn resolution(&self, path: &Path, error: PathError) -> TreeError {
        match error.kind() {
            PathErrorKind::OsError(Some(errno)) => self.error(path, io::Error::from_raw_os_error(errno)),
            _ => self.error(path, io::Error::other(error)),
        }
    }

    fn error(&self, path: &Path, source: io::Error) -> TreeError {
        let (path, id) = (path.display().to_string(), self.id.clone());
        match source.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) => TreeError::NotFound { path, id },
            Some(libc::ELOOP | libc::ENAMETOOLONG) => TreeError::Path { path, id, source },
            Some(libc::EROFS) => TreeError::ReadOnly { path, id },
            _ => TreeError::File { path, id, source },
        }
    }
}

/// Opens the root of a running container as it sees it.
fn open_running(handle: &Handle) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = handle.pid().filter(|_| handle.is_alive()) else { return Ok(None) };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match open(format!("/proc/{pid}/root"), flags, Mode::empty()) {
        // The process was alive afterwards, so the pid was its own.
        Ok(root) if handle.is_alive() => Ok(Some(root)),
        Ok(_) => Ok(None),
        Err(_) if !handle.is_alive() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A path as a user writes it, below the container's root.
struct Target {
    /// Without `.`, `..` and doubled slashes; `..` of the root is the root.
    clean: PathBuf,
    /// It ends with a slash or a dot, so a link at its end is followed.
    is_directory: bool,
}

impl Target {
    fn parse(path: &str) -> Target {
        let is_directory = path.is_empty() || path.ends_with('/') || path == "." || path.ends_with("/.");
        Target { clean: clean(Path::new(path)), is_directory }
    }

    /// Returns the last component; the root has none.
    fn name(&self) -> Option<&std::ffi::OsStr> {
        self.clean.file_name()
    }

    fn parent(&self) -> &Path {
        self.clean.parent().unwrap_or(Path::new("/"))
    }
}

/// Makes a path absolute and plain, by its text alone.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => drop(clean.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

/// Opens one name below a directory, never following it and never waiting for a pipe's other end.
fn open_below(directory: &OwnedFd, name: impl AsRef<Path>, flags: OFlags) -> io::Result<File> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(directory, name.as_ref(), flags, Mode::empty())?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_plain_by_their_text() {
        for (path, expected, is_directory) in [
            ("/a/b", "/a/b", false),
            ("a//./b/../c/", "/a/c", true),
            ("../../x", "/x", false),
            ("/a/.", "/a", true),
            ("", "/", true),
            ("/", "/", true),
        ] {
            let target = Target::parse(path);
            assert_eq!(
                (target.clean.to_str(), target.is_directory),
                (Some(expected), is_directory),
                "{path}"
            );
        }
    }
}
