//! `cluster set`.

use clap::Args;
use skep_api::client::Rotate;

use super::label;
use crate::commands::at_least_one;
use crate::context::Context;
use crate::fault::Fault;

/// The help. What is refused, and the names that there are, is the daemon's to say.
const HELP: &str = "\
Set policies of the cluster, for all services that name none of their own

  profile=safe|swarm|strict           How careful updates are (safe)
  strategy=spread|binpack             Which node gets a task: the emptiest, or the fullest with room (spread)
  rebalance=on|off                    Move tasks to nodes that join or come back (off)
  rollout.order=auto|stop-first|start-first
                                      The order of updates (what the service says)
  rollout.max-unavailable=2|25%       Slots out of service at most, whatever is done (stop-first, the parallelism)
  rollout.max-surge=2|25%             Tasks beside the number of slots at most (start-first, the parallelism)
  rollout.count-terminating=true|false
                                      What is still stopping counts as running (true)
  rollout.min-healthy=30s             How long a slot must be up before the next (0s; under strict 30s)
  rollout.start-deadline=5m|off       How long a new task may take to come up (5m; under swarm off)
  rollout.progress-deadline=10m|off   How long an update may wait for its next slot (off)
  rollout.max-duration=2h|off         How long a whole update may take (off)
  rollout.bake=10m                    How long a revision must run to be stable (1m; under swarm 0s)
  rollout.inplace=on|off              Change limits and restart policy while tasks run (on)

In parentheses: what holds where it is not set. A service says the same with a label, such as skep.rollout.bake=10m.";

#[derive(Args, Debug)]
#[command(
    before_help = "KEY=VALUE [KEY=VALUE...]",
    about = "Set policies of the cluster, such as profile, strategy and rebalance",
    long_about = HELP
)]
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
        swarm.cluster.spec.labels.insert(label(key), value.to_owned());
    }
    Ok(client.update_swarm(swarm.cluster.version, &swarm.cluster.spec, Rotate::default()).await?)
}
