//! Calls that run a command in a container.

use hyper::Method;
use serde::{Deserialize, Serialize};

use super::call::{Call, object};
use super::container::{TerminalSize, path, resize};
use super::hijack::Hijacked;
use super::{Client, ClientError};

/// What is run, and with what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExecRequest {
    /// `<name|uid>[:<group|gid>]`; empty for the container's own.
    pub user: String,
    /// With all capabilities and without a system call filter.
    pub privileged: bool,
    /// On a terminal of its own.
    pub tty: bool,
    /// Lines and columns of the terminal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_size: Option<[u16; 2]>,
    /// Connects the input.
    pub attach_stdin: bool,
    /// Connects the error output.
    pub attach_stderr: bool,
    /// Connects the output.
    pub attach_stdout: bool,
    /// Keys at which the daemon lets go, if they are not its default ones.
    pub detach_keys: String,
    /// `K=V`.
    pub env: Vec<String>,
    /// Empty for the container's own.
    pub working_dir: String,
    /// The command and its arguments.
    pub cmd: Vec<String>,
}

/// How it is started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ExecStart {
    /// Without waiting for it.
    pub detach: bool,
    /// On a terminal of its own.
    pub tty: bool,
    /// Lines and columns of the terminal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_size: Option<[u16; 2]>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ExecState {
    /// It still runs.
    pub running: bool,
    /// Meaningful once it does not run.
    pub exit_code: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Created {
    id: String,
}

impl Client {
    /// Prepares a command; answers its id.
    pub async fn create_exec(&self, container: &str, request: &ExecRequest) -> Result<String, ClientError> {
        let created: Created = self.json(Call::post(path(container, "/exec")?, request)).await?;
        Ok(created.id)
    }

    /// Starts a command and connects to its streams.
    pub async fn start_exec(&self, id: &str, start: ExecStart) -> Result<Hijacked, ClientError> {
        self.hijack(Call::post(object("exec", "exec", id, "/start")?, &start)).await
    }

    /// Starts a command and leaves it alone.
    pub async fn start_exec_detached(&self, id: &str, start: ExecStart) -> Result<(), ClientError> {
        self.done(Call::post(object("exec", "exec", id, "/start")?, &start)).await
    }

    /// Tells the terminal of a command its size.
    pub async fn resize_exec(&self, id: &str, size: TerminalSize) -> Result<(), ClientError> {
        self.done(resize(object("exec", "exec", id, "/resize")?, size)).await
    }

    /// What became of a command.
    pub async fn exec(&self, id: &str) -> Result<ExecState, ClientError> {
        self.json(Call::new(Method::GET, object("exec", "exec", id, "/json")?)).await
    }
}
