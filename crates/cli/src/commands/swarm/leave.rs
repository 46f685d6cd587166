//! `swarm leave`.

use clap::Args;

use crate::commands::none;
use crate::context::Context;
use crate::fault::Fault;

/// Leave the swarm
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS]")]
pub(crate) struct Flags {
    /// Force this node to leave the swarm, ignoring warnings
    #[arg(short, long)]
    force: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { force, arguments } = flags;
    none(context, &arguments)?;
    context.client().await?.leave_swarm(force).await?;
    Ok(context.io.line("Node left the swarm.")?)
}
