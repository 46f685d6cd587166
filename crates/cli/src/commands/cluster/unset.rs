//! `cluster unset`.

use clap::Args;
use skep_api::client::Rotate;

use super::label;
use crate::commands::at_least_one;
use crate::context::Context;
use crate::fault::Fault;

/// Return policies of the cluster to their defaults
#[derive(Args, Debug)]
#[command(before_help = "KEY [KEY...]")]
pub(crate) struct Flags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { arguments } = flags;
    at_least_one(context, &arguments)?;
    let client = context.client().await?;
    let mut swarm = client.swarm().await?;
    for key in &arguments {
        if swarm.cluster.spec.labels.remove(&label(key)).is_none() {
            return Err(Fault::new(format!("policy {key} is not set")));
        }
    }
    Ok(client.update_swarm(swarm.cluster.version, &swarm.cluster.spec, Rotate::default()).await?)
}
