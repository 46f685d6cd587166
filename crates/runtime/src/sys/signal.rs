//! Signals of the shim: SIGCHLD as a descriptor, everything else as the container expects to inherit it.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::check;

/// A descriptor that becomes readable when a child ends.
pub(crate) struct ChildSignals {
    fd: OwnedFd,
}

impl ChildSignals {
    /// Blocks SIGCHLD and opens the descriptor.
    pub(crate) fn open() -> io::Result<ChildSignals> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set before sigaddset, sigprocmask and signalfd read it; the null
        // pointer tells sigprocmask not to report the old mask.
        let fd = unsafe {
            check(libc::sigemptyset(set.as_mut_ptr()))?;
            check(libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD))?;
            check(libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut()))?;
            check(libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?
        };
        // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
        Ok(ChildSignals { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Forgets the signals received so far. The kernel merges them: call before reaping until nothing is left.
    pub(crate) fn drain(&self) -> io::Result<()> {
        let mut info = [0u8; size_of::<libc::signalfd_siginfo>()];
        match rustix::io::read(&self.fd, &mut info) {
            Ok(_) | Err(rustix::io::Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl std::os::fd::AsFd for ChildSignals {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for ChildSignals {
    fn as_raw_fd(&self) -> i32 {
        self.fd.as_raw_fd()
    }
}

/// Makes sure that ended children wait to be reaped, whatever the daemon's starter thought of them.
pub(crate) fn expect_children() -> io::Result<()> {
    // SAFETY: SIG_DFL is a valid disposition.
    match unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) } {
        libc::SIG_ERR => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Gives a container's process a clean slate: nothing blocked, nothing ignored. Rust ignores SIGPIPE, the shim blocks
/// SIGCHLD, and whoever started the daemon may have had its own ideas.
pub(crate) fn reset_for_exec() -> io::Result<()> {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set before sigprocmask reads it; SIG_DFL is a valid disposition for any signal.
    unsafe {
        check(libc::sigemptyset(set.as_mut_ptr()))?;
        check(libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut()))?;
        for signal in 1..=libc::SIGRTMAX() {
            // Fails for the two that cannot be ignored and the two that libc keeps for itself.
            libc::signal(signal, libc::SIG_DFL);
        }
    }
    Ok(())
}

/// All signals, blocked, for a process that takes them one by one.
pub(crate) struct AllSignals(libc::sigset_t);

impl AllSignals {
    /// Blocks every signal but those that tell of this process's own faults.
    pub(crate) fn block() -> io::Result<AllSignals> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigfillset initialises the set before it is changed and read; the null pointer tells sigprocmask not to
        // report the old mask.
        unsafe {
            check(libc::sigfillset(set.as_mut_ptr()))?;
            for fault in [
                libc::SIGFPE,
                libc::SIGILL,
                libc::SIGSEGV,
                libc::SIGBUS,
                libc::SIGABRT,
                libc::SIGTRAP,
                libc::SIGSYS,
            ] {
                check(libc::sigdelset(set.as_mut_ptr(), fault))?;
            }
            check(libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut()))?;
            Ok(AllSignals(set.assume_init()))
        }
    }

    /// Waits for the next signal.
    pub(crate) fn wait(&self) -> io::Result<i32> {
        loop {
            // SAFETY: the set is initialised; the null pointer says that details are not wanted.
            match check(unsafe { libc::sigwaitinfo(&self.0, std::ptr::null_mut()) }) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Sends a signal to a child that is not yet reaped. One that has just ended is fine.
    pub(crate) fn pass_on(&self, signal: i32, child: i32) -> io::Result<()> {
        // SAFETY: kill has no memory effects; a child that is not reaped keeps its pid.
        match check(unsafe { libc::kill(child, signal) }) {
            Err(error) if error.raw_os_error() != Some(libc::ESRCH) => Err(error),
            _ => Ok(()),
        }
    }
}

/// Makes this process the leader of a process group, in the foreground of the terminal if it has one.
pub(crate) fn lead_group() -> io::Result<()> {
    // SAFETY: both calls have no memory effects. SIGTTOU is blocked, so tcsetpgrp does not stop the caller.
    unsafe {
        check(libc::setpgid(0, 0))?;
        match check(libc::tcsetpgrp(0, libc::getpid())) {
            // Standard input is no terminal, or not this session's.
            Err(error)
                if !matches!(
                    error.raw_os_error(),
                    Some(libc::ENOTTY | libc::ENXIO | libc::EBADF | libc::EPERM)
                ) =>
            {
                Err(error)
            }
            _ => Ok(()),
        }
    }
}
