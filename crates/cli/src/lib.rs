//! Skep's command line, as a library: docker's grammar and output over the HTTP API.
//!
//! [`run`] takes the arguments and returns an exit code; [`command`] is the grammar, to which the binary adds its own
//! commands for the help. Each command is one file below `commands`: an `Args` struct whose doc comments are the help,
//! and a `run` function. Flags become specs in `spec`, values are read in `grammar`, waiting is shown by `progress`,
//! and everything printed goes through `io`. Nothing here knows how a node works.

#![forbid(unsafe_code)]

mod app;
mod commands;
mod config;
mod context;
mod credentials;
mod endpoint;
mod fault;
mod format;
mod grammar;
mod hint;
mod io;
mod layers;
mod progress;
mod spec;
mod store;
mod stream;
mod template;
mod terminal;
mod usage;

use std::ffi::OsString;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::ExitCode;

use skep_api::wire::Finding;

/// Looks at the machine that this program runs on, for `skep doctor` where no daemon answers. This library links no node
/// code, so whoever has some lends it.
pub type Machine = fn(DaemonPlace) -> Pin<Box<dyn Future<Output = Vec<Finding>>>>;

/// Where the daemon of a machine has its things, as far as it is not where they are by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DaemonPlace {
    pub config_file: Option<PathBuf>,
    pub data_root: Option<PathBuf>,
}

/// The grammar: all commands with their flags and their help.
pub fn command() -> clap::Command {
    app::command()
}

/// Runs one command line, program name first, and returns the exit code. `command` is [`command()`] or more.
///
/// A subcommand that this library does not know is answered with its help; the caller runs its own before. Without
/// `machine` only daemons can be asked how they are.
pub fn run<I>(command: clap::Command, arguments: I, machine: Option<Machine>) -> ExitCode
where
    I: IntoIterator<Item = OsString>,
{
    let arguments: Vec<String> =
        arguments.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let mut io = io::Io::process();
            // Without a runtime and without a terminal there is nobody left to tell.
            let _ = io.warn(format_args!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let mut context = context::Context::process();
    context.machine = machine;
    let code = runtime.block_on(app::run(&mut context, command, arguments));
    // A read of the keyboard cannot be taken back: nobody waits for the next key.
    runtime.shutdown_background();
    ExitCode::from(code)
}

#[cfg(test)]
mod testing;
