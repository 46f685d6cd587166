//! `cluster show`.

use clap::Args;

use super::PREFIX;
use crate::commands::none;
use crate::context::Context;
use crate::fault::Fault;

/// Show the policies of the cluster that are set, one KEY=VALUE per line
#[derive(Args, Debug)]
#[command(before_help = "")]
pub(crate) struct Flags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { arguments } = flags;
    none(context, &arguments)?;
    let swarm = context.client().await?.swarm().await?;
    for (label, value) in &swarm.cluster.spec.labels {
        if let Some(key) = label.strip_prefix(PREFIX) {
            context.io.line(format_args!("{key}={value}"))?;
        }
    }
    Ok(())
}
