//! `image`: what containers are made of, on this node. Most commands are docker's shortcuts as well.

pub(crate) mod history;
mod inspect;
pub(crate) mod load;
pub(crate) mod ls;
mod prune;
pub(crate) mod pull;
pub(crate) mod rm;
pub(crate) mod save;
pub(crate) mod tag;

use clap::Subcommand;

pub(crate) use inspect::look as look_at;
pub(crate) use prune::prune as prune_all;

use crate::commands::{Running, start};
use crate::context::Context;

/// Manage images
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    History(history::Flags),
    Inspect(inspect::Flags),
    Load(load::Flags),
    #[command(visible_alias = "list")]
    Ls(ls::Flags),
    Prune(prune::Flags),
    Pull(pull::Flags),
    #[command(visible_alias = "remove")]
    Rm(rm::Flags),
    Save(save::Flags),
    Tag(tag::Flags),
}

pub(crate) fn run(context: &mut Context, command: Commands) -> Running<'_> {
    match command {
        Commands::History(flags) => start(context, flags, history::run),
        Commands::Inspect(flags) => start(context, flags, inspect::run),
        Commands::Load(flags) => start(context, flags, load::run),
        Commands::Ls(flags) => start(context, flags, ls::run),
        Commands::Prune(flags) => start(context, flags, prune::run),
        Commands::Pull(flags) => start(context, flags, pull::run),
        Commands::Rm(flags) => start(context, flags, rm::run),
        Commands::Save(flags) => start(context, flags, save::run),
        Commands::Tag(flags) => start(context, flags, tag::run),
    }
}
