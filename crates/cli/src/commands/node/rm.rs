//! `node rm`.

use clap::Args;

use crate::commands::{at_least_one, client_for};
use crate::context::Context;
use crate::fault::Fault;

/// Remove one or more nodes from the swarm
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] NODE [NODE...]")]
pub(crate) struct Flags {
    /// Force remove a node from the swarm
    #[arg(short, long)]
    force: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { force, arguments } = flags;
    at_least_one(context, &arguments)?;
    let client = client_for(context, &arguments).await?;
    let mut faults = Vec::new();
    for reference in &arguments {
        match client.remove_node(reference, force).await {
            Ok(()) => context.io.line(reference)?,
            Err(error) => faults.push(error.into()),
        }
    }
    Fault::join(faults)
}
