//! `swarm`: the cluster as a whole.

mod ca;
pub(crate) mod init;
mod join;
mod join_token;
mod leave;
mod unlock;
mod unlock_key;
mod update;

use clap::Subcommand;

use crate::commands::{Running, start};
use crate::context::Context;

/// Manage Swarm
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    Ca(ca::Flags),
    Init(Box<init::Flags>),
    Join(join::Flags),
    JoinToken(join_token::Flags),
    Leave(leave::Flags),
    Unlock(unlock::Flags),
    UnlockKey(unlock_key::Flags),
    Update(update::Flags),
}

pub(crate) fn run(context: &mut Context, command: Commands) -> Running<'_> {
    match command {
        Commands::Ca(flags) => start(context, flags, ca::run),
        Commands::Init(flags) => start(context, *flags, init::run),
        Commands::Join(flags) => start(context, flags, join::run),
        Commands::JoinToken(flags) => start(context, flags, join_token::run),
        Commands::Leave(flags) => start(context, flags, leave::run),
        Commands::Unlock(flags) => start(context, flags, unlock::run),
        Commands::UnlockKey(flags) => start(context, flags, unlock_key::run),
        Commands::Update(flags) => start(context, flags, update::run),
    }
}
