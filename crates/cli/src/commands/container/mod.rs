//! `container`: what runs on this node, one by one. Most commands are docker's shortcuts as well.

pub(crate) mod attach;
pub(crate) mod cp;
mod cp_in;
mod cp_out;
pub(crate) mod diff;
pub(crate) mod exec;
mod extract;
mod inspect;
pub(crate) mod kill;
pub(crate) mod logs;
pub(crate) mod ls;
mod pack;
pub(crate) mod port;
mod ports;
mod prune;
pub(crate) mod rm;
#[cfg(target_os = "linux")]
mod special;
pub(crate) mod stats;
pub(crate) mod stop;
pub(crate) mod top;
mod usage;
pub(crate) mod wait;

use clap::Subcommand;

pub(crate) use inspect::look as look_at;
pub(crate) use prune::prune as prune_all;

use crate::commands::{Running, start};
use crate::context::Context;

/// Manage containers
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    Attach(attach::Flags),
    Cp(cp::Flags),
    Diff(diff::Flags),
    Exec(exec::Flags),
    Inspect(inspect::Flags),
    Kill(kill::Flags),
    Logs(logs::Flags),
    #[command(visible_aliases = ["list", "ps"])]
    Ls(ls::Flags),
    Port(port::Flags),
    Prune(prune::Flags),
    #[command(visible_alias = "remove")]
    Rm(rm::Flags),
    Stats(stats::Flags),
    Stop(stop::Flags),
    Top(top::Flags),
    Wait(wait::Flags),
}

pub(crate) fn run(context: &mut Context, command: Commands) -> Running<'_> {
    match command {
        Commands::Attach(flags) => start(context, flags, attach::run),
        Commands::Cp(flags) => start(context, flags, cp::run),
        Commands::Diff(flags) => start(context, flags, diff::run),
        Commands::Exec(flags) => start(context, flags, exec::run),
        Commands::Inspect(flags) => start(context, flags, inspect::run),
        Commands::Kill(flags) => start(context, flags, kill::run),
        Commands::Logs(flags) => start(context, flags, logs::run),
        Commands::Ls(flags) => start(context, flags, ls::run),
        Commands::Port(flags) => start(context, flags, port::run),
        Commands::Prune(flags) => start(context, flags, prune::run),
        Commands::Rm(flags) => start(context, flags, rm::run),
        Commands::Stats(flags) => start(context, flags, stats::run),
        Commands::Stop(flags) => start(context, flags, stop::run),
        Commands::Top(flags) => start(context, flags, top::run),
        Commands::Wait(flags) => start(context, flags, wait::run),
    }
}
