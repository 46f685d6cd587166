//! The process that forks shims. Single-threaded, no container of its own, ends when its daemon closes the socket.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::{Inherited, live};
use crate::cgroup::Hierarchies;
use crate::sys::process::{Fork, close_from, exit_now, fork, lift, redirect, wait_for};
use crate::sys::signal::expect_children;

/// The longest path that the kernel accepts.
const PATH_BYTES_MAX: usize = 4096;

/// Serves until the daemon is gone.
pub(super) fn run(cgroup: &str) -> Result<(), Box<dyn std::error::Error>> {
    close_from(3)?;
    let socket = lift(0)?;
    let null: OwnedFd = File::options().read(true).write(true).open("/dev/null")?.into();
    redirect(&null, 0)?;
    redirect(&null, 1)?;
    drop(null);
    expect_children()?;
    // Out of reach of the terminal's signals, and out of the daemon's cgroup (R1).
    rustix::process::setsid()?;
    Hierarchies::detect()?.join(cgroup)?;
    rustix::thread::set_name(c"skep-nursery")?;
    std::env::set_current_dir("/")?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    while let Some((bundle, inherited)) = receive(&socket)? {
        match fork()? {
            // The child ends as soon as it has made the shim.
            Fork::Parent(pid) => drop(wait_for(pid)?),
            Fork::Child => {
                drop(socket);
                match fork() {
                    Ok(Fork::Parent(_)) => exit_now(0),
                    Ok(Fork::Child) => exit_now(i32::from(live(bundle, inherited))),
                    Err(error) => {
                        eprintln!("cannot fork a shim: {error}");
                        exit_now(1);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Receives one request; `None` at the end.
fn receive(socket: &OwnedFd) -> io::Result<Option<(PathBuf, Inherited)>> {
    let mut path = vec![0; PATH_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(&mut path)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            result => break result?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    path.truncate(received.bytes);
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    let [lock, report, complaints] = <[OwnedFd; 3]>::try_from(descriptors)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a request without its descriptors"))?;
    Ok(Some((std::ffi::OsString::from_vec(path).into(), Inherited { lock, report, complaints })))
}
