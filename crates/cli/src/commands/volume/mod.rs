//! `volume`: data of this node that outlives containers.

mod create;
mod inspect;
pub(crate) mod ls;
mod prune;
mod rm;

use clap::Subcommand;

pub(crate) use inspect::look as look_at;
pub(crate) use prune::prune as prune_all;

use crate::commands::{Running, start};
use crate::context::Context;

/// Manage volumes
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    Create(create::Flags),
    Inspect(inspect::Flags),
    #[command(visible_alias = "list")]
    Ls(ls::Flags),
    Prune(prune::Flags),
    #[command(visible_alias = "remove")]
    Rm(rm::Flags),
}

pub(crate) fn run(context: &mut Context, command: Commands) -> Running<'_> {
    match command {
        Commands::Create(flags) => start(context, flags, create::run),
        Commands::Inspect(flags) => start(context, flags, inspect::run),
        Commands::Ls(flags) => start(context, flags, ls::run),
        Commands::Prune(flags) => start(context, flags, prune::run),
        Commands::Rm(flags) => start(context, flags, rm::run),
    }
}
