//! Containers as people handle them: exec, attach, kill, wait, top, stats, diff, cp, resize, new limits.
//!
//! Beside [`crate::run`], which does what the worker wants. [`Containers`] is made once with the daemon and keeps the
//! commands that were created in containers; everything else is asked of the container itself.
//!
//! The methods (bodies land one by one; `&str` is a full container id unless it says `reference`):
//!
//! ```text
//! Containers::new(Arc<Engine>) -> Arc<Containers>
//! fn resolve(&self, reference: &str) -> Result<String, ContainerError>          id, name (with or without /), unique beginning
//! fn exec_create(&self, id, ExecSpec) -> Result<String, ContainerError>         NoSuchContainer, NotRunning, NoCommand
//! fn exec_check(&self, exec) -> Result<(), ContainerError>                      before 101: NoSuchExec, ExecRuns, ExecRan
//! async fn exec_start(&self, exec, Option<TerminalSize>) -> Result<Session, _>  CannotExec{exit_code: 126|127, ..}
//! async fn exec_start_detached(&self, exec) -> Result<(), ContainerError>
//! async fn exec_resize(&self, exec, TerminalSize) -> Result<(), ContainerError>
//! fn exec(&self, exec) -> Result<ExecView, ContainerError>
//! fn execs_of(&self, id) -> Vec<String>
//! async fn attach(&self, id, AttachStreams) -> Result<Session, ContainerError>
//! async fn resize(&self, id, TerminalSize) -> Result<(), ContainerError>
//! async fn kill(&self, id, signal: i32) -> Result<(), ContainerError>
//! async fn stop(&self, id, signal: Option<i32>, grace: Option<Duration>) -> Result<bool, ContainerError>   whether it ran
//! fn wait(&self, id, WaitFor) -> Result<BoxFuture<'static, i32>, ContainerError>                 headers can go out at once
//! async fn top(&self, id, ps_arguments: &[String]) -> Result<Processes, ContainerError>
//! async fn usage(&self, id) -> Result<Option<Usage>, ContainerError>                             skep_runtime::Usage
//! async fn changes(&self, id) -> Result<Vec<Change>, ContainerError>                             skep_runtime::Change
//! async fn size(&self, id) -> Result<Size, ContainerError>                                       bytes: writable, root
//! async fn path_stat(&self, id, path) -> Result<PathStat, ContainerError>                        skep_runtime::PathStat
//! async fn archive(&self, id, path) -> Result<(PathStat, BoxStream<'static, io::Result<Bytes>>), ContainerError>
//! async fn put_archive(&self, id, path, PutOptions, BoxStream<'static, io::Result<Bytes>>) -> Result<(), ContainerError>
//! async fn update_limits(&self, id, &skep_runtime::Resources) -> Result<(), ContainerError>
//! ```
//!
//! `Session { output: BoxStream<'static, io::Result<Chunk>>, input: Option<Input> }`, where `Input: AsyncWrite + Send + Unpin`
//! (its shutdown is the half-close) and `Chunk { source: LogSource, bytes: Bytes }`. The exit code of an exec is known before
//! its output ends. `ContainerError::class()` is NotFound, Conflict, Invalid, Forbidden or Internal; `Display` is
//! Docker's sentence. A dropped session ends the command's input and discards its output; the command goes on, as Docker's.

use skep_runtime::TerminalSize;

/// A command that is to run in a container. Empty and absent mean: as the container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecSpec {
    pub command: Vec<String>,
    pub env: Vec<String>,
    pub working_dir: String,
    pub user: String,
    pub privileged: bool,
    pub tty: bool,
    pub size: Option<TerminalSize>,
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}

/// A command and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecView {
    /// 64 hexadecimal digits.
    pub id: String,
    pub container_id: String,
    pub spec: ExecSpec,
    pub running: bool,
    /// Known before the output of the command ends.
    pub exit_code: Option<i32>,
    /// On the host; 0 before the start.
    pub pid: i32,
}

/// Which streams of a container's first process somebody joins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttachStreams {
    pub stdin: bool,
    pub stdout: bool,
    pub stderr: bool,
}

/// What a wait waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitFor {
    /// The end of the process; at once if it does not run.
    NotRunning,
    /// The next end of the process.
    NextExit,
    /// The removal of the container.
    Removed,
}

/// The processes of a container, as `ps` shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processes {
    pub titles: Vec<String>,
    pub rows: Vec<Vec<String>>,
}
