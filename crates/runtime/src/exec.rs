//! Running a command in a container: to its end, with what it prints ([`Handle::exec`], for health checks), or with its
//! streams in the caller's hands ([`Handle::exec_session`], for people).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::io::Errno;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use crate::conduit::Conduit;
use crate::container::Exec;
use crate::error::ExecError;
use crate::handle::Handle;
use crate::protocol::{Reply, Request};
use crate::shim_client::{Call, is_shim_gone};
use crate::sys::terminal::receive_descriptor;

/// Bounds of a captured command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecLimits {
    /// The command is killed after this.
    pub timeout: Duration,
    /// Output beyond this is discarded.
    pub output_bytes_max: usize,
}

/// The end of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecExit {
    /// Its exit code (128 + n for a signal); `None` if it was killed for taking too long.
    pub code: Option<i32>,
    /// What it wrote to standard output and error, in order, up to the limit.
    pub output: Vec<u8>,
}

/// A command that runs. Dropping it kills the command, unless that may outlive its daemon.
pub struct RunningExec {
    call: Call,
    id: String,
    pid: i32,
}

impl RunningExec {
    /// Returns the command's pid on the host, for display only.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Waits for the command's end and returns its exit code, 128 + n for a signal.
    pub async fn wait(&mut self) -> Result<i32, ExecError> {
        let failed = |source| ExecError::Shim { id: self.id.clone(), source };
        match self.call.reply().await.map_err(failed)? {
            Reply::ExecEnded(ended) => Ok(ended.code()),
            Reply::Refused(failure) => Err(ExecError::Refused(failure.message)),
            Reply::Started(_) | Reply::ExecStarted(_) | Reply::Attached(_) => {
                Err(failed(io::ErrorKind::InvalidData.into()))
            }
        }
    }
}

/// A running command and its streams.
pub struct ExecSession {
    /// The command.
    pub running: RunningExec,
    /// What it reads: the terminal, or a pipe if one was asked for.
    pub input: Option<Conduit>,
    /// What it writes to standard output, or to its terminal.
    pub stdout: Conduit,
    /// What it writes to standard error; absent on a terminal.
    pub stderr: Option<Conduit>,
}

/// Returns the shell's exit code for a command that could not run: 127 if there is no such program, else 126.
///
/// Compat: Docker tells the two apart by the same words (`translateContainerdStartErr`), whichever runtime wrote them.
pub fn exit_code_of_refusal(sentence: &str) -> i32 {
    let is_missing = ["executable file not found", "no such file or directory"];
    if is_missing.iter().any(|words| sentence.contains(words)) { 127 } else { 126 }
}

impl Handle {
    /// Runs a command and hands out its streams; returns when its program runs. `stdin` gives it a pipe to read from; a
    /// command on a terminal reads that.
    pub async fn exec_session(&self, exec: &Exec, stdin: bool) -> Result<ExecSession, ExecError> {
        let failed = |source| ExecError::Shim { id: self.id().to_owned(), source };
        if exec.terminal.is_some() {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
            let running = self.request(exec, &[theirs.as_fd()]).await?;
            // Sent before the program ran.
            let terminal = receive_descriptor(&ours).and_then(Conduit::new).map_err(failed)?;
            return Ok(ExecSession {
                running,
                input: Some(terminal.clone()),
                stdout: terminal,
                stderr: None,
            });
        }
        let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(io::Error::from);
        let (stdout, stdout_write) = pipe().map_err(failed)?;
        let (stderr, stderr_write) = pipe().map_err(failed)?;
        let (stdin_read, stdin) = if stdin { Some(pipe().map_err(failed)?) } else { None }.unzip();
        let mut descriptors = vec![stdout_write.as_fd(), stderr_write.as_fd()];
        descriptors.extend(stdin_read.as_ref().map(AsFd::as_fd));
        let running = self.request(exec, &descriptors).await?;
        let open = || -> io::Result<_> {
            Ok((stdin.map(Conduit::new).transpose()?, Conduit::new(stdout)?, Conduit::new(stderr)?))
        };
        let (input, stdout, stderr) = open().map_err(failed)?;
        Ok(ExecSession { running, input, stdout, stderr: Some(stderr) })
    }

    /// Asks the shim to run a command, and waits until its program runs.
    async fn request(&self, exec: &Exec, descriptors: &[BorrowedFd<'_>]) -> Result<RunningExec, ExecError> {
        if self.has_ended() {
            return Err(ExecError::NotRunning(self.id().to_owned()));
        }
        let failed = |source| ExecError::Shim { id: self.id().to_owned(), source };
        let call = Call::send(&self.socket(), Request::Exec(exec.clone()), descriptors).await;
        let gone = |error: io::Error| match is_shim_gone(&error) {
            true => ExecError::NotRunning(self.id().to_owned()),
            false => failed(error),
        };
        let mut call = call.map_err(gone)?;
        match call.reply().await.map_err(gone)? {
            Reply::ExecStarted(pid) => Ok(RunningExec { call, id: self.id().to_owned(), pid }),
            Reply::Refused(failure) => Err(ExecError::Refused(failure.message)),
            Reply::Started(_) | Reply::ExecEnded(_) | Reply::Attached(_) => {
                Err(failed(io::ErrorKind::InvalidData.into()))
            }
        }
    }

    /// Runs a command to its end, within limits.
    pub async fn exec(&self, exec: &Exec, limits: ExecLimits) -> Result<ExecExit, ExecError> {
        let failed = |source| ExecError::Shim { id: self.id().to_owned(), source };
        let pipes = || -> io::Result<_> {
            let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            Ok((pipe::Receiver::from_owned_fd(read)?, write.try_clone()?, write))
        };
        let (mut read, stdout, stderr) = pipes().map_err(failed)?;
        let mut output = Capture { bytes: Vec::new(), bytes_max: limits.output_bytes_max };
        let run = async {
            let mut running = self.request(exec, &[stdout.as_fd(), stderr.as_fd()]).await?;
            drop((stdout, stderr));
            let ended = running.wait();
            tokio::pin!(ended);
            let mut is_open = true;
            loop {
                tokio::select! {
                    code = &mut ended => break code,
                    read = output.read(&mut read), if is_open => is_open = read.map_err(failed)?,
                }
            }
        };
        let code = match tokio::time::timeout(limits.timeout, run).await {
            Ok(code) => Some(code?),
            Err(_) => None,
        };
        // What is in the pipe now is all there will be, unless a child of the command still writes.
        output.drain(&read).map_err(failed)?;
        Ok(ExecExit { code, output: output.bytes })
    }
}

/// Output up to a bound.
struct Capture {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Capture {
    /// Reads once; returns whether there can be more.
    async fn read(&mut self, pipe: &mut pipe::Receiver) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        let count = pipe.read(&mut buffer).await?;
        self.keep(&buffer[..count]);
        Ok(count > 0)
    }

    /// Reads what is there, at most what a pipe can hold several times over. The kernel is asked: the event loop may not have heard
    /// of the last bytes yet.
    fn drain(&mut self, pipe: &pipe::Receiver) -> io::Result<()> {
        const READ_COUNT_MAX: usize = 64;
        let mut buffer = [0; 4096];
        for _ in 0..READ_COUNT_MAX {
            match rustix::io::read(pipe, &mut buffer) {
                Ok(0) | Err(Errno::AGAIN) => break,
                Ok(count) => self.keep(&buffer[..count]),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.bytes_max.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}
