//! The one thing about networks that a container without a given network needs: its loopback interface, up.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

use super::check;
use super::process::{Fork, exit_now, fork, wait_for};
use crate::exit::Ended;

/// Brings `lo` up in the network namespace of a process. Works in a forked child, so that the caller stays where it is.
pub(crate) fn raise_loopback(process: &OwnedFd) -> io::Result<()> {
    match fork()? {
        Fork::Child => {
            let raised = move_into_thread_name_spaces(process.as_fd(), ThreadNameSpaceType::NETWORK)
                .map_err(io::Error::from)
                .and_then(|()| raise());
            exit_now(raised.err().map_or(0, |error| error.raw_os_error().unwrap_or(libc::EIO)))
        }
        Fork::Parent(pid) => match wait_for(pid)? {
            Ended::Code(0) => Ok(()),
            Ended::Code(errno) => Err(io::Error::from_raw_os_error(errno)),
            Ended::Signal(_) => Err(io::Error::other("the helper was killed")),
        },
    }
}

fn raise() -> io::Result<()> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: all-zero is a valid ifreq; the name is shorter than its array.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    // SAFETY: both requests read and write one ifreq, which outlives the calls; SIOCGIFFLAGS has set the flags.
    unsafe {
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request))?;
        request.ifr_ifru.ifru_flags |= libc::IFF_UP as libc::c_short;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request))?;
    }
    Ok(())
}
