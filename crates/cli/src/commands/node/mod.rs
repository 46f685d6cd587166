//! `node`: the members of the cluster.

mod inspect;
mod ls;
mod pretty;
mod ps;
mod rm;
mod role;
mod update;

use clap::Subcommand;
use skep_api::client::Client;

use crate::commands::{Running, start};
use crate::context::Context;
use crate::fault::Fault;

/// Manage Swarm nodes
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    Demote(role::Demote),
    Inspect(inspect::Flags),
    #[command(visible_alias = "list")]
    Ls(ls::Flags),
    Promote(role::Promote),
    Ps(ps::Flags),
    #[command(visible_alias = "remove")]
    Rm(rm::Flags),
    Update(update::Flags),
}

pub(crate) fn run(context: &mut Context, command: Commands) -> Running<'_> {
    match command {
        Commands::Demote(flags) => start(context, flags, role::demote),
        Commands::Inspect(flags) => start(context, flags, inspect::run),
        Commands::Ls(flags) => start(context, flags, ls::run),
        Commands::Promote(flags) => start(context, flags, role::promote),
        Commands::Ps(flags) => start(context, flags, ps::run),
        Commands::Rm(flags) => start(context, flags, rm::run),
        Commands::Update(flags) => start(context, flags, update::run),
    }
}

/// Turns `self` into the id of the node that answers.
async fn resolve(client: &Client, reference: &str) -> Result<String, Fault> {
    if reference != "self" {
        return Ok(reference.to_owned());
    }
    let node_id = client.info().await?.swarm.node_id;
    if !node_id.is_empty() {
        return Ok(node_id);
    }
    // Outside a swarm the list of nodes is refused with a better sentence than ours.
    client.nodes(&Default::default()).await?;
    Err(Fault::new("node ID not found in /info"))
}
