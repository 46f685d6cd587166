//! `cluster set`.

use clap::Args;
use skep_api::client::Rotate;

use super::PREFIX;
use crate::commands::at_least_one;
use crate::context::Context;
use crate::fault::Fault;

/// Set policies of the cluster: profile, strategy, rebalance
#[derive(Args, Debug)]
#[command(before_help = "KEY=VALUE [KEY=VALUE...]")]
pub(crate) struct Flags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { arguments } = flags;
    at_least_one(context, &arguments)?;
    let client = context.client().await?;
    let mut swarm = client.swarm().await?;
    for argument in &arguments {
        let Some((key, value)) = argument.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(Fault::new(format!("invalid policy '{argument}': expected KEY=VALUE")));
        };
        swarm.cluster.spec.labels.insert(format!("{PREFIX}{key}"), value.to_owned());
    }
    Ok(client.update_swarm(swarm.cluster.version, &swarm.cluster.spec, Rotate::default()).await?)
}
