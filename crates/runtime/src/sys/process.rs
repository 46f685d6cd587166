//! Processes: forks of a single-threaded program, and identities that survive pid reuse.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use super::check;
use crate::exit::Ended;

/// A process, told apart from a later one with the same pid by its start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub pid: i32,
    /// Field 22 of `/proc/<pid>/stat`, in clock ticks since boot.
    pub start: u64,
}

impl Identity {
    /// Reads the identity of a running process.
    pub(crate) fn of(pid: i32) -> io::Result<Identity> {
        Ok(Identity { pid, start: start_time(pid)? })
    }

    /// Opens the process if it still is the same one. The pidfd comes first: between the comparison and a later
    /// `pidfd_open` the pid could change its owner.
    pub(crate) fn open(self) -> io::Result<Option<OwnedFd>> {
        let pidfd = match open_pidfd(self.pid) {
            Ok(pidfd) => pidfd,
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
            Err(error) => return Err(error),
        };
        match start_time(self.pid) {
            // A zombie still has its pid and its start time.
            Ok(start) if start == self.start && has_ended(&pidfd)? => Ok(None),
            Ok(start) if start == self.start => Ok(Some(pidfd)),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Returns whether a process has ended, reaped or not.
pub(crate) fn has_ended(pidfd: &OwnedFd) -> io::Result<bool> {
    let mut polled = [PollFd::new(pidfd, PollFlags::IN)];
    loop {
        match poll(&mut polled, Some(&Timespec::default())) {
            Ok(count) => return Ok(count > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Opens a pidfd of a process.
pub(crate) fn open_pidfd(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// Sends a signal; a process that is already gone is not an error.
pub(crate) fn send_signal(pidfd: &OwnedFd, signal: i32) -> io::Result<()> {
    let signal =
        Signal::from_named_raw(signal).or_else(|| real_time(signal)).ok_or(io::ErrorKind::InvalidInput)?;
    match pidfd_send_signal(pidfd, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn real_time(signal: i32) -> Option<Signal> {
    // SAFETY: the number is within the real-time range of libc, and the signal is only sent, never handled by us.
    (libc::SIGRTMIN()..=libc::SIGRTMAX())
        .contains(&signal)
        .then(|| unsafe { Signal::from_raw_unchecked(signal) })
}

/// Kills a child that is not yet reaped, and everything in the process group it may lead.
pub(crate) fn kill_group(pid: i32) -> io::Result<()> {
    for target in [-pid, pid] {
        // SAFETY: kill has no memory effects.
        match check(unsafe { libc::kill(target, libc::SIGKILL) }) {
            Err(error) if error.raw_os_error() != Some(libc::ESRCH) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn start_time(pid: i32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The command name, in parentheses, may hold anything; the fields after its last parenthesis are numbered from 3.
    stat.rsplit_once(')')
        .and_then(|(_, fields)| fields.split_ascii_whitespace().nth(22 - 3))
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/<pid>/stat without a start time"))
}

/// Which side of a fork the caller is on.
pub(crate) enum Fork {
    /// The parent, with the pid of the child.
    Parent(i32),
    /// The child.
    Child,
}

/// Forks. The caller must be single-threaded, as every shim is: a lock held by another thread would stay locked.
pub(crate) fn fork() -> io::Result<Fork> {
    debug_assert_eq!(thread_count(), 1, "fork in a program with threads");
    // SAFETY: the shim has one thread, so the child's copy of every lock and of the allocator is consistent.
    match check(unsafe { libc::fork() })? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid)),
    }
}

/// Forks a sibling: the new process is a child of the caller's parent, in the pid namespace chosen by `setns`.
pub(crate) fn fork_sibling() -> io::Result<Fork> {
    let flags = (libc::CLONE_PARENT | libc::SIGCHLD) as libc::c_ulong;
    // SAFETY: as for `fork`; a null stack means copy-on-write of the caller's stack, as in fork(2). The remaining
    // arguments are only read with flags that are not set.
    match check(unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, 0usize, 0usize, 0usize) })? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(pid as i32)),
    }
}

fn thread_count() -> usize {
    fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}

/// Ends a forked child without running the destructors and buffers it shares with its parent.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit does not return and touches no memory of ours.
    unsafe { libc::_exit(code) }
}

/// Reaps one ended child, if there is any.
pub(crate) fn reap() -> io::Result<Option<(i32, Ended)>> {
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    match check(unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) }) {
        Ok(0) => Ok(None),
        Ok(pid) if libc::WIFSIGNALED(status) => Ok(Some((pid, Ended::Signal(libc::WTERMSIG(status))))),
        Ok(pid) => Ok(Some((pid, Ended::Code(libc::WEXITSTATUS(status))))),
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Waits for one child.
pub(crate) fn wait_for(pid: i32) -> io::Result<Ended> {
    let mut status = 0;
    loop {
        // SAFETY: `status` outlives the call.
        match check(unsafe { libc::waitpid(pid, &mut status, 0) }) {
            Ok(_) if libc::WIFSIGNALED(status) => return Ok(Ended::Signal(libc::WTERMSIG(status))),
            Ok(_) => return Ok(Ended::Code(libc::WEXITSTATUS(status))),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Unshares the mount namespace.
pub(crate) fn unshare_mounts() -> io::Result<()> {
    // SAFETY: the flag concerns mounts only; no descriptor table is unshared.
    Ok(unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }?)
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: RawFd) -> io::Result<()> {
    // SAFETY: only called first thing in a fresh process, before anything of ours owns a descriptor.
    check(unsafe { libc::syscall(libc::SYS_close_range, first as libc::c_uint, libc::c_uint::MAX, 0) })
        .map(|_| ())
}

/// Marks every descriptor from `first` on close-on-exec.
pub(crate) fn cloexec_from(first: RawFd) -> io::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: changes flags only; no descriptor is closed here.
    check(unsafe { libc::syscall(libc::SYS_close_range, first as libc::c_uint, libc::c_uint::MAX, flags) })
        .map(|_| ())
}

/// Duplicates a descriptor of the standard three to a number above them.
pub(crate) fn lift(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl has no memory effects; it fails on a closed descriptor.
    let lifted = check(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) })?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(lifted) })
}

/// Makes `target` (0, 1 or 2) a copy of `fd`.
pub(crate) fn redirect(fd: &OwnedFd, target: RawFd) -> io::Result<()> {
    // SAFETY: the standard three are never owned by a Rust object of the shim.
    check(unsafe { libc::dup2(fd.as_raw_fd(), target) }).map(|_| ())
}

/// Replaces the arguments that the process list shows. `std::env::args` must not be used any more.
pub(crate) fn set_arguments(arguments: &[&str]) -> io::Result<()> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let field = |number: usize| -> Option<usize> {
        stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(number - 3)?.parse().ok()
    };
    let (Some(start), Some(end)) = (field(48), field(49)) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let text: Vec<u8> = arguments.iter().flat_map(|argument| argument.bytes().chain([0])).collect();
    if start == 0 || end < start + text.len() {
        return Err(io::Error::new(io::ErrorKind::StorageFull, "no room for other arguments"));
    }
    let region = std::ptr::with_exposed_provenance_mut::<u8>(start);
    // SAFETY: the kernel says that the strings of the arguments are at start..end of this process's own, writable stack. The
    // process has one thread, and nothing in it refers to them: `std` copied what was asked for in `main`.
    unsafe {
        region.copy_from_nonoverlapping(text.as_ptr(), text.len());
        region.add(text.len()).write_bytes(0, end - start - text.len());
    }
    Ok(())
}
