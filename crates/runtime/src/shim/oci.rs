//! The seam to OCI runtimes: libcontainer in this process by default, or runc (or another) by path.
//!
//! A bundle and a subreaper are all a runtime needs, so the shim around it is the same. exec is not part of the seam:
//! it is Skep's own short path (`exec`), since it needs only the pid of a running init, and libcontainer's loses the
//! seccomp filter and leaves a file behind each time.

use std::os::fd::OwnedFd;

use crate::container::TerminalSize;
use crate::protocol::Failure;

/// What a container's first process gets as its standard streams.
pub(super) enum Stdio {
    /// The container's ends. Without standard input it reads nothing.
    Pipes { stdin: Option<OwnedFd>, stdout: OwnedFd, stderr: OwnedFd },
    /// A terminal of the container's own, which the runtime makes.
    Terminal(TerminalSize),
}

/// A container whose first process waits.
pub(super) struct Waiting {
    /// A child of the shim.
    pub pid: i32,
    /// The master, if a terminal was asked for.
    pub terminal: Option<OwnedFd>,
}

/// A runtime bound to one bundle.
pub(super) trait OciRuntime {
    /// Sets the container up and leaves its first process waiting.
    fn create(&mut self, stdio: Stdio) -> Result<Waiting, Failure>;
    /// Lets the first process run its program; returns when it does.
    fn start(&mut self) -> Result<(), Failure>;
    /// Forgets the container. Called after its end, and after a failed creation.
    fn delete(&mut self) -> Result<(), Failure>;
}
