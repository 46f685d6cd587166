//! `node`: the members of the cluster.

mod inspect;
mod ls;
mod pretty;
mod ps;
mod update;

use clap::Subcommand;
use skep_api::client::Client;

use crate::context::Context;
use crate::fault::Fault;

/// Manage Swarm nodes
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    Inspect(inspect::Flags),
    #[command(visible_alias = "list")]
    Ls(ls::Flags),
    Ps(ps::Flags),
    Update(update::Flags),
}

pub(crate) async fn run(context: &mut Context, command: Commands) -> Result<(), Fault> {
    match command {
        Commands::Inspect(flags) => inspect::run(context, flags).await,
        Commands::Ls(flags) => ls::run(context, flags).await,
        Commands::Ps(flags) => ps::run(context, flags).await,
        Commands::Update(flags) => update::run(context, flags).await,
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
