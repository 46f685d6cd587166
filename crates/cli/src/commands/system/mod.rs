//! `system`: the daemon as a whole.

mod df;
mod df_verbose;
mod dial_stdio;
pub(crate) mod events;
mod prune;

use clap::Subcommand;

use crate::commands::{Running, info, start};
use crate::context::Context;

/// Manage Skep
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    Df(df::Flags),
    #[command(hide = true)]
    DialStdio(dial_stdio::Flags),
    Events(events::Flags),
    Info(info::Flags),
    Prune(prune::Flags),
}

pub(crate) fn run(context: &mut Context, command: Commands) -> Running<'_> {
    match command {
        Commands::Df(flags) => start(context, flags, df::run),
        Commands::DialStdio(flags) => start(context, flags, dial_stdio::run),
        Commands::Events(flags) => start(context, flags, events::run),
        Commands::Info(flags) => start(context, flags, info::run),
        Commands::Prune(flags) => start(context, flags, prune::run),
    }
}
