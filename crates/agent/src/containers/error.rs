//! What can go wrong with a container that a person handles, in Docker's words.

use skep_runtime::{AttachError, ExecError, TreeError};

/// What Docker says first of a command that its runtime cannot run.
const RUNTIME_REFUSED: &str = "OCI runtime exec failed: exec failed: unable to start container process";

/// Why something was not done to a container.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    #[error("No such container: {0}")]
    NoSuchContainer(String),
    #[error("multiple IDs found with provided prefix: {0}")]
    Ambiguous(String),
    #[error("container {0} is not running")]
    NotRunning(String),
    #[error("{0} has no terminal")]
    NoTerminal(String),
    #[error("No such exec instance: {0}")]
    NoSuchExec(String),
    #[error("No exec command specified")]
    NoCommand,
    #[error("exec command {0} is already running")]
    ExecRuns(String),
    #[error("exec command {0} has already run")]
    ExecRan(String),
    /// The program cannot be run; the exit code of the command is recorded.
    #[error("{reason}")]
    CannotExec { exit_code: i32, reason: String },
    #[error("exec command {0} has not been started")]
    ExecNotStarted(String),
    #[error("{0}")]
    Refused(String),
    #[error("{0} commands run in container {1} already; end some of them first")]
    TooManyExecs(usize, String),
    #[error("{0}")]
    PsArguments(String),
    #[error("cannot list the processes of container {id}: {reason}")]
    Ps { id: String, reason: String },
    #[error("cannot limit container {id}: {reason}")]
    Limit { id: String, reason: String },
    #[error(transparent)]
    Tree(#[from] TreeError),
    #[error("cannot {doing} container {id}")]
    Runtime { doing: &'static str, id: String, source: Box<dyn std::error::Error + Send + Sync> },
}

/// What a caller can make of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerErrorClass {
    /// There is no such thing.
    NotFound,
    /// It is in a state in which this cannot be done.
    Conflict,
    /// The request can never be fulfilled.
    Invalid,
    /// It is read-only.
    Forbidden,
    /// It is not the caller's fault.
    Internal,
}

impl ContainerError {
    pub fn class(&self) -> ContainerErrorClass {
        use ContainerErrorClass::*;
        match self {
            ContainerError::NoSuchContainer(_) | ContainerError::NoSuchExec(_) => NotFound,
            ContainerError::NotRunning(_)
            | ContainerError::NoTerminal(_)
            | ContainerError::ExecRuns(_)
            | ContainerError::ExecRan(_)
            | ContainerError::ExecNotStarted(_)
            | ContainerError::Refused(_)
            | ContainerError::TooManyExecs(..) => Conflict,
            ContainerError::Ambiguous(_)
            | ContainerError::NoCommand
            | ContainerError::CannotExec { .. }
            | ContainerError::PsArguments(_)
            | ContainerError::Limit { .. } => Invalid,
            ContainerError::Tree(TreeError::NotFound { .. }) => NotFound,
            ContainerError::Tree(TreeError::ReadOnly { .. }) => Forbidden,
            ContainerError::Tree(error) if error.is_callers() => Invalid,
            ContainerError::Ps { .. } | ContainerError::Tree(_) | ContainerError::Runtime { .. } => Internal,
        }
    }

    pub(super) fn runtime(
        doing: &'static str,
        id: &str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        ContainerError::Runtime { doing, id: id.to_owned(), source: Box::new(source) }
    }

    pub(super) fn exec(id: &str, error: ExecError) -> Self {
        match error {
            ExecError::Refused(reason) => {
                let exit_code = skep_runtime::exit_code_of_refusal(&reason);
                // Compat: Docker looks users up itself, everything else is for its runtime to find out.
                let reason = match reason.starts_with("unable to find ") {
                    true => reason,
                    false => format!("{RUNTIME_REFUSED}: {reason}: unknown"),
                };
                ContainerError::CannotExec { exit_code, reason }
            }
            ExecError::NotRunning(id) => ContainerError::NotRunning(id),
            error => ContainerError::runtime("run a command in", id, error),
        }
    }

    pub(super) fn attach(id: &str, error: AttachError) -> Self {
        match error {
            AttachError::NotRunning(id) => ContainerError::NotRunning(id),
            AttachError::NoTerminal(id) => ContainerError::NoTerminal(id),
            AttachError::Refused(reason) => ContainerError::Refused(reason),
            error => ContainerError::runtime("attach to", id, error),
        }
    }
}
