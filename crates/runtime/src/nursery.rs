//! Where shims come from: one small process per daemon that forks them.
//!
//! A shim could be executed anew for every container, but a fork of a process that is already loaded, and already in the
//! shims' cgroup, is there 15 ms sooner (moving a process between cgroups waits for the kernel's RCU) and shares the pages
//! that the dynamic linker has written. The nursery ends with its daemon; shims do not.
//!
//! This is the daemon's side; `shim::nursery` is the other.

use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, sendmsg,
    socketpair,
};

/// Room for `skep shim <id>` in the process list.
const TITLE_BYTES_MAX: usize = 80;

/// What a newborn shim gets.
pub(crate) struct Birth {
    /// Directory of the bundle.
    pub bundle: PathBuf,
    /// The locked lock file.
    pub lock: File,
    /// The write end of the report pipe.
    pub report: OwnedFd,
    /// `shim.log`.
    pub complaints: File,
}

/// The nursery of one daemon. Started when the first shim is needed, and again if it was killed.
#[derive(Debug)]
pub(crate) struct Nursery {
    program: PathBuf,
    cgroup: String,
    process: Mutex<Option<Process>>,
}

#[derive(Debug)]
struct Process {
    socket: OwnedFd,
    child: Child,
}

impl Nursery {
    /// `program` is the copy of our binary, `cgroup` the one of all shims.
    pub(crate) fn new(program: PathBuf, cgroup: String) -> Nursery {
        Nursery { program, cgroup, process: Mutex::new(None) }
    }

    /// Asks for a shim. Whether it lives is told by its report.
    pub(crate) fn bear(&self, birth: &Birth) -> io::Result<()> {
        let mut slot = self.slot();
        if let Some(process) = slot.as_ref() {
            match process.ask(birth) {
                Err(error) if is_gone(&error) => {
                    tracing::warn!("the shims' nursery was killed; starting another")
                }
                result => return result,
            }
        }
        if let Some(gone) = slot.take() {
            gone.end();
        }
        slot.insert(Process::start(&self.program, &self.cgroup)?).ask(birth)
    }

    /// Ends the process; the next request starts another.
    pub(crate) fn end(&self) {
        if let Some(process) = self.slot().take() {
            process.end();
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Process>> {
        // Nothing under the lock leaves the slot in between two states.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Nursery {
    fn drop(&mut self) {
        self.end();
    }
}

impl Process {
    fn start(program: &Path, cgroup: &str) -> io::Result<Process> {
        let (socket, far) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let mut command = Command::new(program);
        // The padding makes room for the arguments that a shim shows in place of these.
        let padding = "-".repeat(TITLE_BYTES_MAX);
        command.arg(crate::NURSERY_COMMAND).arg(cgroup).arg(padding).env_clear().stdin(far);
        Ok(Process { socket, child: command.spawn()? })
    }

    fn ask(&self, birth: &Birth) -> io::Result<()> {
        let descriptors = [birth.lock.as_fd(), birth.report.as_fd(), birth.complaints.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let bundle = IoSlice::new(birth.bundle.as_os_str().as_bytes());
        sendmsg(&self.socket, &[bundle], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Closes the socket, at which the process ends, and reaps it.
    fn end(self) {
        let Process { socket, mut child } = self;
        drop(socket);
        if let Err(error) = child.wait() {
            tracing::warn!(%error, "the shims' nursery not reaped");
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPIPE | libc::ECONNRESET | libc::ECONNREFUSED))
}
