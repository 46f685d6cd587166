//! Processes that clients talk to: a container's first one, and commands run beside it.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use tokio::io::AsyncWrite;

use super::{Fault, LogStream};

/// A running process that a client talks to.
pub struct Session {
    /// What it writes, as it comes. With a terminal all of it is standard output. Ends when nothing more will come,
    /// and not before the exit code can be asked for.
    pub output: BoxStream<'static, Result<Chunk, Fault>>,
    /// What it reads: shutting this down ends its standard input. `None` if the client does not write.
    pub input: Option<Pin<Box<dyn AsyncWrite + Send>>>,
}

/// Some bytes that a process wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub stream: LogStream,
    pub bytes: Bytes,
}

/// Size of a terminal, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TerminalSize {
    pub height: u16,
    pub width: u16,
}

/// Which streams of a container a client joins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttachRequest {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}

/// A command to run in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecSpec {
    /// The program and its arguments; never empty.
    pub command: Vec<String>,
    /// `K=V`, over the container's.
    pub env: Vec<String>,
    /// Empty: the container's.
    pub working_dir: String,
    /// Empty: the container's.
    pub user: String,
    pub privileged: bool,
    pub tty: bool,
    /// What its terminal begins with.
    pub size: Option<TerminalSize>,
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
    /// As the client sent it; the client itself acts on it.
    pub detach_keys: String,
}

/// A command and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecFacts {
    /// 64 hexadecimal digits.
    pub id: String,
    pub container_id: String,
    pub spec: ExecSpec,
    pub running: bool,
    /// Known before the output of the command ends.
    pub exit_code: Option<i32>,
    /// 0 before the start.
    pub pid: i32,
}
