//! Running a command in a container and collecting what it prints: what a health check needs.
//!
//! [`Handle::exec_with`] is the seam for interactive use: any pair of descriptors can take the output.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use crate::container::Exec;
use crate::error::ExecError;
use crate::handle::Handle;
use crate::protocol::{Reply, Request};
use crate::shim_client::Call;

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

/// A command that runs. Dropping it kills the command.
pub struct RunningExec {
    call: Call,
    id: String,
}

impl RunningExec {
    /// Waits for the command's end and returns its exit code, 128 + n for a signal.
    pub async fn wait(&mut self) -> Result<i32, ExecError> {
        let failed = |source| ExecError::Shim { id: self.id.clone(), source };
        match self.call.reply().await.map_err(failed)? {
            Reply::ExecEnded(ended) => Ok(ended.code()),
            Reply::Refused(failure) => Err(ExecError::Refused(failure.message)),
            Reply::Started(_) | Reply::ExecStarted => Err(failed(io::ErrorKind::InvalidData.into())),
        }
    }
}

impl Handle {
    /// Runs a command with the given descriptors as its output; returns when its program runs.
    pub async fn exec_with(
        &self,
        exec: &Exec,
        stdout: OwnedFd,
        stderr: OwnedFd,
    ) -> Result<RunningExec, ExecError> {
        let failed = |source| ExecError::Shim { id: self.id().to_owned(), source };
        let descriptors = [stdout.as_fd(), stderr.as_fd()];
        let mut call =
            Call::send(&self.socket(), Request::Exec(exec.clone()), &descriptors).await.map_err(failed)?;
        match call.reply().await.map_err(failed)? {
            Reply::ExecStarted => Ok(RunningExec { call, id: self.id().to_owned() }),
            Reply::Refused(failure) => Err(ExecError::Refused(failure.message)),
            Reply::Started(_) | Reply::ExecEnded(_) => Err(failed(io::ErrorKind::InvalidData.into())),
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
            let mut running = self.exec_with(exec, stdout, stderr).await?;
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

    /// Reads what is there, at most what a pipe can hold several times over.
    fn drain(&mut self, pipe: &pipe::Receiver) -> io::Result<()> {
        const READ_COUNT_MAX: usize = 64;
        let mut buffer = [0; 4096];
        for _ in 0..READ_COUNT_MAX {
            match pipe.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => self.keep(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.bytes_max.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}
