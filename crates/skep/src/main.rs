#![forbid(unsafe_code)]
//! The `skep` binary: the client's commands, `skep daemon`, and the hidden `skep shim`.

mod authority;
mod backend;
mod container_events;
mod daemon;
mod doctor;
mod host;
mod manager;
mod membership;
mod view;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    // The shim comes first: it must run before any thread exists.
    if skep_runtime::is_shim(&args) {
        return skep_runtime::shim_main(&args);
    }
    if args.get(1).is_some_and(|word| word == "daemon") {
        return daemon::main(&args[1..]);
    }
    // The daemon is in the help like any other command; it was handled above.
    skep_cli::run(
        skep_cli::command().subcommand(daemon::command()),
        args,
        Some(|| Box::pin(doctor::this_machine())),
    )
}
