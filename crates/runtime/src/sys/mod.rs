//! Thin, safe faces of the system calls that have none: forks, signals, raw BPF, raw `execve`.
//!
//! All `unsafe` of this crate is below this module. Nothing here knows what a container is.

pub(crate) mod bpf;
pub(crate) mod exec;
pub(crate) mod memory;
pub(crate) mod net;
pub(crate) mod process;
pub(crate) mod signal;
pub(crate) mod terminal;

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::unix::AsyncFd;

/// Turns a libc result into an `io::Result`.
pub(crate) fn check<T: PartialOrd + From<i8>>(result: T) -> io::Result<T> {
    if result < T::from(0) { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Registers a descriptor with the async runtime.
pub(crate) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd names the same open descriptor until it is dropped, which only the AsyncFd can do from here on.
    Ok(unsafe { AsyncFd::register(fd) }?)
}
