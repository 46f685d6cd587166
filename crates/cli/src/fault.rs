//! What ends a command early: the text for people and the code for scripts.

use std::io;

use skep_api::client::ClientError;

use crate::config::ConfigError;
use crate::grammar::Invalid;
use crate::hint;
use crate::store::StoreError;
use crate::template::{FillError, TemplateError};

/// The reminder below a usage error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trailer {
    /// Nothing.
    None,
    /// `Run '… --help' for more information`.
    Run,
    /// `See '… --help' for more information`.
    See,
    /// The same as `Run`, without the usage line.
    Bare,
    /// The help of the command, on standard output.
    Help,
}

/// The end of a command that did not succeed. Nobody matches on its text; `run` prints it once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What standard error says; empty says nothing.
    pub text: String,
    /// The exit code.
    pub code: u8,
    /// What follows the text.
    pub trailer: Trailer,
    /// What to do next.
    pub hint: Option<String>,
    /// The daemon says that there is no such object.
    pub is_absence: bool,
    /// There is no daemon.
    pub is_unreachable: bool,
}

/// The exit code of what the daemon or the command itself refuses.
const FAILURE: u8 = 1;

/// The exit code of flags that cannot be read.
const USAGE: u8 = 125;

/// The exit code of a program killed by SIGPIPE, which is what a closed pipe does to others.
const BROKEN_PIPE: u8 = 128 + 13;

impl Fault {
    /// A failure with a sentence.
    pub(crate) fn new(text: impl Into<String>) -> Fault {
        Fault {
            text: text.into(),
            code: FAILURE,
            trailer: Trailer::None,
            hint: None,
            is_absence: false,
            is_unreachable: false,
        }
    }

    /// A failure that was already told.
    pub(crate) fn silent() -> Fault {
        Fault::new("")
    }

    /// A flag that cannot be read.
    pub(crate) fn flag(text: impl Into<String>) -> Fault {
        Fault { code: USAGE, trailer: Trailer::Run, ..Fault::new(text) }
    }

    /// A wrong number of arguments, or an unknown command.
    pub(crate) fn usage(text: impl Into<String>, trailer: Trailer) -> Fault {
        Fault { trailer, ..Fault::new(text) }
    }

    /// A command that was called with nothing to do, which docker takes for a question and answers with its help.
    pub(crate) fn help() -> Fault {
        Fault { code: 0, trailer: Trailer::Help, ..Fault::silent() }
    }

    /// The end of a command whose container ended with this code: nothing to say, nothing to add.
    pub(crate) fn exit(code: u8) -> Fault {
        Fault { code, ..Fault::silent() }
    }

    /// Adds what to do next.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Fault {
        Fault { hint: Some(hint.into()), ..self }
    }

    /// Adds what the failure is about: `web: …`.
    pub(crate) fn about(mut self, subject: &str) -> Fault {
        self.text = format!("{subject}: {}", self.text);
        self
    }

    /// Joins failures of independent arguments; `Ok` if there are none.
    pub(crate) fn join(faults: Vec<Fault>) -> Result<(), Fault> {
        if faults.is_empty() {
            return Ok(());
        }
        let hint = faults.iter().find_map(|fault| fault.hint.clone());
        let texts: Vec<String> = faults.into_iter().map(|fault| fault.text).collect();
        Err(Fault { hint, ..Fault::new(texts.join("\n")) })
    }
}

impl From<ClientError> for Fault {
    fn from(error: ClientError) -> Fault {
        // Compat: docker says nothing more about a daemon that is not there, and tools compare the line.
        let whole = match &error {
            ClientError::Unreachable { .. } => error.to_string(),
            error => chain(error),
        };
        Fault {
            hint: hint::of(&error),
            is_absence: error.is_not_found(),
            is_unreachable: matches!(error, ClientError::Unreachable { .. }),
            ..Fault::new(whole)
        }
    }
}

impl From<ConfigError> for Fault {
    fn from(error: ConfigError) -> Fault {
        Fault::new(chain(&error))
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault::new(chain(&error))
    }
}

impl From<TemplateError> for Fault {
    fn from(error: TemplateError) -> Fault {
        Fault::new(error.to_string())
    }
}

impl From<FillError> for Fault {
    fn from(error: FillError) -> Fault {
        Fault::new(error.to_string())
    }
}

impl From<Invalid> for Fault {
    fn from(error: Invalid) -> Fault {
        Fault::new(error.to_string())
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Fault { code: BROKEN_PIPE, ..Fault::silent() },
            _ => Fault::new(format!("cannot write the output: {error}")),
        }
    }
}

/// An error and all its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
