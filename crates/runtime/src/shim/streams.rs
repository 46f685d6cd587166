//! The standard streams of a process: both ends of the container's, and how a process takes its own.
//!
//! What a process is given must also be its user's, or it could not open /dev/stdout.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::fs::{FileType, Gid, Mode, OFlags, Uid, fchown, fstat, open};
use rustix::mount::mount_bind;
use rustix::pipe::{PipeFlags, pipe_with};

use super::oci::Stdio;
use super::stdio::Output;
use crate::container::{Process, TerminalSize};
use crate::protocol::Input;
use crate::sys::process::redirect;
use crate::sys::terminal::{resize, take_control};

/// The shim's side of the container's streams.
pub(super) enum OwnStreams {
    Pipes {
        stdout: OwnedFd,
        stderr: OwnedFd,
        stdin: Option<OwnedFd>,
    },
    /// Its master comes from the runtime.
    Terminal(TerminalSize),
}

impl OwnStreams {
    /// Makes a container's streams; returns its ends and ours.
    pub(super) fn make(process: &Process, uid: u32) -> io::Result<(Stdio, OwnStreams)> {
        if let Some(size) = process.terminal {
            return Ok((Stdio::Terminal(size), OwnStreams::Terminal(size)));
        }
        let pipe = || pipe_with(PipeFlags::CLOEXEC);
        let (stdout, stdout_write) = pipe()?;
        let (stderr, stderr_write) = pipe()?;
        let (stdin, stdin_write) = if process.open_stdin { Some(pipe()?) } else { None }.unzip();
        for stream in stdin.iter().chain([&stdout_write, &stderr_write]) {
            give_to(stream, uid)?;
        }
        let stdio = Stdio::Pipes { stdin, stdout: stdout_write, stderr: stderr_write };
        Ok((stdio, OwnStreams::Pipes { stdout, stderr, stdin: stdin_write }))
    }

    /// Puts them to use. `terminal` is what the runtime made.
    pub(super) fn complete(self, terminal: Option<OwnedFd>) -> io::Result<(Output, ContainerInput)> {
        match (self, terminal) {
            (OwnStreams::Pipes { stdout, stderr, stdin }, _) => {
                let input = stdin.map_or(ContainerInput::None, ContainerInput::Pipe);
                Ok((Output::Pipes { stdout, stderr }, input))
            }
            (OwnStreams::Terminal(size), Some(master)) => {
                resize(&master, size)?;
                Ok((Output::Terminal(master.try_clone()?), ContainerInput::Terminal(master)))
            }
            (OwnStreams::Terminal(_), None) => {
                Err(io::Error::new(io::ErrorKind::NotFound, "the runtime made no terminal"))
            }
        }
    }
}

/// What a container reads, for whoever attaches.
pub(super) enum ContainerInput {
    None,
    Pipe(OwnedFd),
    Terminal(OwnedFd),
}

impl ContainerInput {
    pub(super) fn kind(&self) -> Input {
        match self {
            ContainerInput::None => Input::None,
            ContainerInput::Pipe(_) => Input::Pipe,
            ContainerInput::Terminal(_) => Input::Terminal,
        }
    }

    pub(super) fn descriptor(&self) -> Option<&OwnedFd> {
        match self {
            ContainerInput::None => None,
            ContainerInput::Pipe(fd) | ContainerInput::Terminal(fd) => Some(fd),
        }
    }
}

/// Makes a terminal the process's own: controlling, standard streams, and the user's.
pub(super) fn take_terminal(slave: &OwnedFd, uid: u32) -> io::Result<()> {
    fchown(slave, Some(Uid::from_raw(uid)), None::<Gid>)?;
    take_control(slave)?;
    (0..=2).try_for_each(|number| redirect(slave, number))
}

/// Makes a terminal /dev/console. Both ends are descriptors, so nothing depends on what a path means.
pub(super) fn bind_console(slave: &OwnedFd) -> io::Result<()> {
    let flags = OFlags::RDONLY
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::NOCTTY
        | OFlags::NONBLOCK
        | OFlags::CLOEXEC;
    let console = open("/dev/console", flags, Mode::from_raw_mode(0o666))?;
    Ok(mount_bind(place(slave), place(&console))?)
}

fn place(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Makes a pipe the user's, so that a program may open it again as /dev/stdout. Anything else stays as it is: a file or a
/// device belongs to somebody already.
pub(super) fn give_to(stream: &OwnedFd, uid: u32) -> io::Result<()> {
    let found = fstat(stream)?;
    if FileType::from_raw_mode(found.st_mode) == FileType::Fifo && found.st_uid != uid {
        fchown(stream, Some(Uid::from_raw(uid)), None::<Gid>)?;
    }
    Ok(())
}
