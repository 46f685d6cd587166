//! `swarm`: the cluster as a whole.

pub(crate) mod init;
mod join_token;
mod leave;

use clap::Subcommand;

use crate::commands::{Running, start};
use crate::context::Context;

/// Manage Swarm
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    Init(Box<init::Flags>),
    JoinToken(join_token::Flags),
    Leave(leave::Flags),
}

pub(crate) fn run(context: &mut Context, command: Commands) -> Running<'_> {
    match command {
        Commands::Init(flags) => start(context, *flags, init::run),
        Commands::JoinToken(flags) => start(context, flags, join_token::run),
        Commands::Leave(flags) => start(context, flags, leave::run),
    }
}
