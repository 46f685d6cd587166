//! What can go wrong, as the daemon sees it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::binary::BinaryError;
use crate::cgroup::CgroupError;
use crate::spec::LimitError;

/// A runtime that cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A directory cannot be made.
    #[error("cannot create directory {path}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The parent cgroup is the root, or leaves it.
    #[error("\"{0}\" is not usable as the parent of cgroups")]
    CgroupParent(String),
    /// The cgroups cannot be prepared.
    #[error("cannot prepare cgroups")]
    Cgroup(#[source] CgroupError),
    /// The binary cannot be copied.
    #[error("cannot prepare the shims' binary")]
    Binary(#[source] BinaryError),
}

/// A container that cannot be created.
#[derive(Debug, Error)]
pub enum CreateError {
    /// The container as described can never run; the sentence is for the user.
    #[error("{0}")]
    Refused(String),
    /// A container of that id exists.
    #[error("container {0} already exists")]
    Exists(String),
    /// The shim tells why; trying again may help.
    #[error("cannot create container: {0}")]
    Failed(String),
    /// The bundle cannot be written, or the shim not started.
    #[error("cannot start the shim of container {id}")]
    Launch {
        /// The container.
        id: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The shim ended, or spoke nonsense.
    #[error("the shim of container {id} did not report")]
    Report {
        /// The container.
        id: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The shim took too long.
    #[error("container not created within {0:?}")]
    Timeout(Duration),
    /// The processes cannot be watched.
    #[error("cannot watch the new container")]
    Watch(#[source] io::Error),
    /// The daemon is shutting down.
    #[error("creation interrupted")]
    Interrupted(#[from] io::Error),
}

impl CreateError {
    /// Returns whether trying again with the same container cannot help.
    pub fn is_fatal(&self) -> bool {
        matches!(self, CreateError::Refused(_))
    }
}

/// A container that cannot be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// Its program cannot be run; the sentence is for the user.
    #[error("{0}")]
    Refused(String),
    /// The shim tells why; trying again may help.
    #[error("cannot start container: {0}")]
    Failed(String),
    /// The shim cannot be reached, or spoke nonsense.
    #[error("the shim of container {id} does not answer")]
    Shim {
        /// The container.
        id: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
}

impl StartError {
    /// Returns whether trying again with the same container cannot help.
    pub fn is_fatal(&self) -> bool {
        matches!(self, StartError::Refused(_))
    }
}

/// A signal that cannot be sent.
#[derive(Debug, Error)]
#[error("cannot send signal {signal} to container {id}")]
pub struct SignalError {
    /// The container.
    pub id: String,
    /// The signal's number.
    pub signal: i32,
    /// Cause.
    #[source]
    pub source: io::Error,
}

/// A command that cannot be run in a container.
#[derive(Debug, Error)]
pub enum ExecError {
    /// The command cannot be run; the sentence is for the user.
    #[error("{0}")]
    Refused(String),
    /// The container does not run (any more).
    #[error("container {0} is not running")]
    NotRunning(String),
    /// The shim cannot be reached, or spoke nonsense; most often, the container has ended.
    #[error("the shim of container {id} does not answer")]
    Shim {
        /// The container.
        id: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
}

/// A container that cannot be deleted.
#[derive(Debug, Error)]
pub enum DeleteError {
    /// Its processes cannot be killed.
    #[error("cannot kill the container")]
    Kill(#[source] SignalError),
    /// Its processes do not end.
    #[error("container {id} did not end within {waited:?} of SIGKILL")]
    Stuck {
        /// The container.
        id: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Its cgroups cannot be removed.
    #[error("cannot remove the container's cgroups")]
    Cgroup(#[source] CgroupError),
    /// A directory cannot be removed.
    #[error("cannot remove directory {path}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The daemon is shutting down.
    #[error("deletion interrupted")]
    Interrupted(#[source] io::Error),
}

/// Containers that cannot be found again.
#[derive(Debug, Error)]
pub enum AdoptError {
    /// The bundles cannot be listed.
    #[error("cannot list containers in {path}")]
    List {
        /// The directory.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The state of a container cannot be read.
    #[error("cannot read the state of container {id}")]
    State {
        /// The container.
        id: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The processes of a container cannot be watched.
    #[error("cannot watch container {id}")]
    Watch {
        /// The container.
        id: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The remains of a container cannot be killed.
    #[error("cannot kill the remains of container {id}")]
    Kill {
        /// The container.
        id: String,
        /// Cause.
        #[source]
        source: CgroupError,
    },
    /// The daemon is shutting down.
    #[error("adoption interrupted")]
    Interrupted(#[source] io::Error),
}

/// A runtime that cannot be removed.
#[derive(Debug, Error)]
pub enum PurgeError {
    /// The containers cannot be found.
    #[error("cannot find the containers to delete")]
    List(#[source] AdoptError),
    /// A container cannot be deleted.
    #[error("cannot delete a container")]
    Delete(#[source] DeleteError),
    /// The copy of the binary cannot be removed.
    #[error("cannot remove the shims' binary")]
    Binary(#[source] BinaryError),
    /// The cgroups cannot be removed.
    #[error("cannot remove the cgroups")]
    Cgroup(#[source] CgroupError),
    /// A directory cannot be removed.
    #[error("cannot remove directory {path}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The daemon is shutting down.
    #[error("removal interrupted")]
    Interrupted(#[source] io::Error),
}

/// Limits that cannot be replaced.
#[derive(Debug, Error)]
pub enum UpdateError {
    /// The container does not run.
    #[error("container {0} is not running")]
    NotRunning(String),
    /// The host cannot keep a limit.
    #[error("cannot limit container {id}")]
    Limit {
        /// The container.
        id: String,
        /// Cause.
        #[source]
        source: LimitError,
    },
    /// The bundle cannot be read or written.
    #[error("cannot record the limits of container {id}")]
    Record {
        /// The container.
        id: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The daemon is shutting down.
    #[error("update interrupted")]
    Interrupted(#[source] io::Error),
}
