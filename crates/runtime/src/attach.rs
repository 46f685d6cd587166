//! Joining the streams of a container's first process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use thiserror::Error;

use crate::conduit::Conduit;
use crate::container::TerminalSize;
use crate::handle::Handle;
use crate::protocol::{Attach, Input, Reply, Request};
use crate::shim_client::{Call, is_shim_gone};

/// Room for output on its way to somebody attached: the container waits for them when it is full.
const PIPE_BYTES: usize = 1 << 20;

/// Streams that cannot be joined.
#[derive(Debug, Error)]
pub enum AttachError {
    /// The container does not run (any more).
    #[error("container {0} is not running")]
    NotRunning(String),
    /// The shim says no.
    #[error("{0}")]
    Refused(String),
    /// The container's process is not on a terminal.
    #[error("container {0} has no terminal")]
    NoTerminal(String),
    /// The shim cannot be reached, or spoke nonsense.
    #[error("the shim of container {id} does not answer")]
    Shim {
        /// The container.
        id: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
}

/// The streams of a container. Dropping all of it leaves.
pub struct Attachment {
    /// What the process reads; absent if it reads nothing.
    pub input: Option<Conduit>,
    /// Its standard output, if wanted: all of its output if it is on a terminal.
    pub stdout: Option<Conduit>,
    /// Its standard error, if wanted.
    pub stderr: Option<Conduit>,
    /// The output ends with this connection.
    pub connection: Connection,
}

/// Keeps an attachment alive.
pub struct Connection(#[expect(dead_code, reason = "dropping it is its use")] Call);

impl Handle {
    /// Attaches to the output from here on, and to the input.
    pub async fn attach(&self, stdout: bool, stderr: bool) -> Result<Attachment, AttachError> {
        let failed = |source| AttachError::Shim { id: self.id().to_owned(), source };
        let (stdout_read, stdout) = output(stdout).map_err(failed)?;
        let (stderr_read, stderr) = output(stderr).map_err(failed)?;
        let wanted = Attach { stdout: stdout.is_some(), stderr: stderr.is_some() };
        let (connection, kind, input) = self.join(wanted, stdout.iter().chain(&stderr)).await?;
        let input = match kind {
            Input::None => None,
            Input::Pipe | Input::Terminal => input.map(Conduit::new).transpose().map_err(failed)?,
        };
        Ok(Attachment { input, stdout: stdout_read, stderr: stderr_read, connection: Connection(connection) })
    }

    /// Sets the size of the container's terminal.
    pub async fn resize(&self, size: TerminalSize) -> Result<(), AttachError> {
        let failed = |source| AttachError::Shim { id: self.id().to_owned(), source };
        let (_connection, kind, input) = self.join(Attach::default(), [].iter()).await?;
        match (kind, input) {
            (Input::Terminal, Some(terminal)) => {
                Conduit::new(terminal).and_then(|terminal| terminal.resize(size)).map_err(failed)
            }
            _ => Err(AttachError::NoTerminal(self.id().to_owned())),
        }
    }

    async fn join(
        &self,
        wanted: Attach,
        descriptors: impl Iterator<Item = &OwnedFd>,
    ) -> Result<(Call, Input, Option<OwnedFd>), AttachError> {
        if self.has_ended() {
            return Err(AttachError::NotRunning(self.id().to_owned()));
        }
        let failed = |source| AttachError::Shim { id: self.id().to_owned(), source };
        let descriptors: Vec<_> = descriptors.map(AsFd::as_fd).collect();
        let call = Call::send(&self.socket(), Request::Attach(wanted), &descriptors).await;
        let gone = |error: io::Error| match is_shim_gone(&error) {
            true => AttachError::NotRunning(self.id().to_owned()),
            false => failed(error),
        };
        let mut call = call.map_err(gone)?;
        match call.reply().await.map_err(gone)? {
            Reply::Attached(kind) => {
                let input = call.take_descriptor();
                Ok((call, kind, input))
            }
            Reply::Refused(failure) => Err(AttachError::Refused(failure.message)),
            Reply::Started(_) | Reply::ExecStarted(_) | Reply::ExecEnded(_) => {
                Err(failed(io::ErrorKind::InvalidData.into()))
            }
        }
    }
}

/// Makes the pipe for a wanted output: our end and the shim's.
fn output(is_wanted: bool) -> io::Result<(Option<Conduit>, Option<OwnedFd>)> {
    if !is_wanted {
        return Ok((None, None));
    }
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    // Best effort: the system may allow less, and then a burst waits for its reader a little sooner.
    if let Err(error) = fcntl_setpipe_size(&write, PIPE_BYTES) {
        tracing::debug!(%error, "pipe of an attachment stays small");
    }
    Ok((Some(Conduit::new(read)?), Some(write)))
}
