//! The seam to OCI runtimes: libcontainer in this process by default, or runc (or another) by path.
//!
//! A bundle and a subreaper are all a runtime needs, so the shim around it is the same. exec is not part of the seam:
//! it is Skep's own short path (`exec`), since it needs only the pid of a running init, and libcontainer's loses the
//! seccomp filter and leaves a file behind each time.

use std::os::fd::OwnedFd;

use crate::protocol::Failure;

/// The write ends of a container's standard output and error.
pub(super) struct Stdio {
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

/// A runtime bound to one bundle.
pub(super) trait OciRuntime {
    /// Sets the container up and leaves its first process waiting; returns that process's pid, a child of the shim.
    fn create(&mut self, stdio: Stdio) -> Result<i32, Failure>;
    /// Lets the first process run its program; returns when it does.
    fn start(&mut self) -> Result<(), Failure>;
    /// Forgets the container. Called after its end, and after a failed creation.
    fn delete(&mut self) -> Result<(), Failure>;
}
