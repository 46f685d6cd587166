//! `swarm join-token`: what another node shows in order to join.

use clap::Args;
use skep_api::client::{Client, Rotate};

use crate::commands::exactly_one;
use crate::context::Context;
use crate::fault::Fault;

/// Manage join tokens
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] (worker|manager)")]
pub(crate) struct Flags {
    /// Only display token
    #[arg(short, long)]
    quiet: bool,
    /// Rotate join token
    #[arg(long)]
    rotate: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { quiet, rotate, arguments } = flags;
    let role = exactly_one(context, arguments)?;
    let (worker, manager) = (role == "worker", role == "manager");
    if !worker && !manager {
        return Err(Fault::new(format!("unknown role {role}")));
    }
    let client = context.client().await?;
    // Asked first, because outside a swarm the refusal of this call is the one that helps.
    let swarm = client.swarm().await?.cluster;
    if rotate {
        let rotate = Rotate { worker_token: worker, manager_token: manager, ..Rotate::default() };
        client.update_swarm(swarm.version, &swarm.spec, rotate).await?;
        if !quiet {
            context.io.line(format_args!("Successfully rotated {role} join token.\n"))?;
        }
    }
    if quiet {
        let tokens = client.swarm().await?.join_tokens;
        return Ok(context.io.line(if worker { tokens.worker } else { tokens.manager })?);
    }
    let node_id = client.info().await?.swarm.node_id;
    let command = join_command(&client, &node_id, worker).await?;
    let command = command.ok_or_else(|| Fault::new("this node is no manager that others could join"))?;
    Ok(context
        .io
        .line(format_args!("To add a {role} to this swarm, run the following command:\n\n    {command}\n"))?)
}

/// The command that joins a node to this manager; `None` while the manager is not reachable by others.
pub(super) async fn join_command(
    client: &Client,
    node_id: &str,
    worker: bool,
) -> Result<Option<String>, Fault> {
    let node = client.node(node_id).await?;
    let tokens = client.swarm().await?.join_tokens;
    let token = if worker { tokens.worker } else { tokens.manager };
    Ok(node.manager_status.map(|manager| format!("skep swarm join --token {token} {}", manager.addr)))
}
