//! `swarm`: the cluster as a whole.

pub(crate) mod init;
mod join_token;
mod leave;

use clap::Subcommand;

use crate::context::Context;
use crate::fault::Fault;

/// Manage Swarm
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    Init(Box<init::Flags>),
    JoinToken(join_token::Flags),
    Leave(leave::Flags),
}

pub(crate) async fn run(context: &mut Context, command: Commands) -> Result<(), Fault> {
    match command {
        Commands::Init(flags) => init::run(context, *flags).await,
        Commands::JoinToken(flags) => join_token::run(context, flags).await,
        Commands::Leave(flags) => leave::run(context, flags).await,
    }
}
