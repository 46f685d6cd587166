//! Containers as people handle them: exec, attach, kill, wait, top, stats, diff, cp, resize, new limits.
//!
//! Beside [`crate::run`], which does what the worker wants. [`Containers`] is made once with the daemon and keeps the
//! commands that were created in containers; everything else is asked of the container itself. What a container holds after
//! all this is still the worker's business: one that is stopped here has ended as if by itself, and its service decides.
//!
//! Ids are full container ids; [`Containers::resolve`] makes them of what people type.

mod attach;
mod error;
mod exec;
mod files;
mod session;
mod top;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use skep_runtime::{Handle, TerminalSize};

pub use error::{ContainerError, ContainerErrorClass};
pub use session::{Chunk, Input, Session};

use crate::engine::{Engine, Happened, Known};
use exec::Execs;

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

/// The containers of this node.
pub struct Containers {
    engine: Arc<Engine>,
    execs: Execs,
}

impl Containers {
    pub fn new(engine: Arc<Engine>) -> Arc<Containers> {
        Arc::new(Containers { engine, execs: Execs::default() })
    }

    /// Returns the id of the container that is meant: by id, by name, or by the beginning of an id that no other has.
    pub fn resolve(&self, reference: &str) -> Result<String, ContainerError> {
        let containers = self.engine.containers();
        let name = reference.trim_start_matches('/');
        let records = || containers.iter().map(|view| &view.record);
        if let Some(found) = records().find(|record| record.container_id == reference || record.name == name)
        {
            return Ok(found.container_id.clone());
        }
        let mut found =
            records().filter(|record| !reference.is_empty() && record.container_id.starts_with(reference));
        match (found.next(), found.next()) {
            (Some(record), None) => Ok(record.container_id.clone()),
            (Some(_), Some(_)) => Err(ContainerError::Ambiguous(reference.to_owned())),
            (None, _) => Err(ContainerError::NoSuchContainer(reference.to_owned())),
        }
    }

    fn known(&self, id: &str) -> Result<Known, ContainerError> {
        self.engine.container(id).ok_or_else(|| ContainerError::NoSuchContainer(id.to_owned()))
    }

    /// Returns the handle of a container whose process runs.
    fn running(&self, id: &str) -> Result<Handle, ContainerError> {
        let known = self.known(id)?;
        match known.is_running() {
            true => Ok(known.handle),
            false => Err(ContainerError::NotRunning(id.to_owned())),
        }
    }

    /// Sends a signal to the container's first process.
    pub async fn kill(&self, id: &str, signal: i32) -> Result<(), ContainerError> {
        let handle = self.running(id)?;
        handle.signal(signal).map_err(|error| ContainerError::runtime("kill", id, error))?;
        self.engine.tell(id, Happened::Killed { signal });
        Ok(())
    }

    /// Ends the container's process, gently first; returns whether it ran. `None` is what its service asked for.
    pub async fn stop(
        &self,
        id: &str,
        signal: Option<i32>,
        grace: Option<Duration>,
    ) -> Result<bool, ContainerError> {
        let known = self.known(id)?;
        if !known.is_running() {
            return Ok(false);
        }
        let failed = |error: crate::EngineError| ContainerError::runtime("stop", id, error);
        let task = self.engine.remembered_task(known.record.task_id).map_err(failed)?;
        let spec = task.map(|task| task.spec.container.clone()).unwrap_or_default();
        let signal = signal.map_or(spec.stop_signal.clone(), |signal| signal.to_string());
        let grace = grace.unwrap_or_else(|| spec.stop_grace());
        self.engine.stop(known.record.task_id, &signal, grace).await.map_err(failed)?;
        Ok(true)
    }

    /// Returns a future of the exit code. What is waited for is settled at once, so that an answer can begin.
    pub fn wait(&self, id: &str, condition: WaitFor) -> Result<BoxFuture<'static, i32>, ContainerError> {
        let known = self.known(id)?;
        let engine = self.engine.clone();
        let is_running = known.is_running();
        let ended = async move |known: &Known| known.handle.wait().await.code;
        Ok(Box::pin(async move {
            match (condition, is_running) {
                (WaitFor::NotRunning, false) if !known.handle.has_ended() => 0,
                (WaitFor::NotRunning, _) | (WaitFor::NextExit, true) => ended(&known).await,
                // A task's container runs once: the next exit of one that ended is its removal.
                (WaitFor::Removed, _) | (WaitFor::NextExit, false) => {
                    let code = ended(&known).await;
                    engine.removed(&known.record.container_id).await;
                    code
                }
            }
        }))
    }

    /// Measures what a container uses; `None` if its process does not run.
    pub async fn usage(&self, id: &str) -> Result<Option<skep_runtime::Usage>, ContainerError> {
        let known = self.known(id)?;
        if !known.is_running() {
            return Ok(None);
        }
        match known.handle.usage().await {
            Ok(usage) => Ok(Some(usage)),
            Err(skep_runtime::UsageError::NotRunning(_)) => Ok(None),
            Err(error) => Err(ContainerError::runtime("measure", id, error)),
        }
    }

    /// Replaces the limits of a container that runs: all are in force afterwards, or nothing has changed.
    pub async fn update_limits(
        &self,
        id: &str,
        wish: &skep_model::template::Resources,
    ) -> Result<(), ContainerError> {
        let handle = self.running(id)?;
        match handle.update_limits(&crate::container::resources(wish)).await {
            Ok(()) => {
                self.engine.tell(id, Happened::Updated);
                Ok(())
            }
            Err(skep_runtime::UpdateError::NotRunning(id)) => Err(ContainerError::NotRunning(id)),
            Err(skep_runtime::UpdateError::Limit { id, source }) => {
                Err(ContainerError::Limit { id, reason: crate::chain(&source) })
            }
            Err(error) => Err(ContainerError::runtime("limit", id, error)),
        }
    }

    /// Sets the size of the terminal of the container's first process.
    pub async fn resize(&self, id: &str, size: TerminalSize) -> Result<(), ContainerError> {
        let handle = self.running(id)?;
        handle.resize(size).await.map_err(|error| ContainerError::attach(id, error))?;
        self.engine.tell(id, Happened::Resized(size));
        Ok(())
    }
}

/// Returns an id of the kind that containers have.
fn random_id() -> Result<String, ContainerError> {
    let mut bytes = [0; 32];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|error| ContainerError::runtime("make an id for a command in", "of this node", error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
