//! `rollout status`.

use clap::Args;
use serde::Serialize;

use super::show;
use crate::commands::exactly_one;
use crate::context::Context;
use crate::fault::Fault;
use crate::format::since;

/// Show where a service stands on its way to a revision
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] SERVICE")]
pub(crate) struct Flags {
    /// Print the whole object in JSON
    #[arg(long)]
    json: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { json, arguments } = flags;
    let reference = exactly_one(context, arguments)?;
    let rollout = context.client().await?.rollout(&reference).await?;
    if json {
        return Ok(context.io.line(to_json(&rollout))?);
    }
    let now = (context.now)();
    let mut lines = vec![show::headline(&rollout)];
    if !rollout.message.is_empty() {
        lines.push(format!("  message: {}", rollout.message));
    }
    if let Some(started_at) = rollout.started_at {
        lines.push(format!("  started: {} ago", since(started_at.0, now).to_lowercase()));
    }
    if let Some(completed_at) = rollout.completed_at {
        lines.push(format!("  completed: {} ago", since(completed_at.0, now).to_lowercase()));
    }
    for step in &rollout.steps {
        let state = match (step.failed, step.settled_at) {
            (true, _) => "failed",
            (false, Some(_)) => "settled",
            (false, None) => "in change",
        };
        lines.push(format!("  slot {}: {state} (task {})", step.slot, step.task_id));
    }
    lines.extend(rollout.waits.iter().map(|wait| format!("  waits: {}", show::wait(wait, now))));
    Ok(context.io.line(lines.join("\n"))?)
}

pub(super) fn to_json<T: Serialize>(shown: &T) -> String {
    serde_json::to_string(shown).expect("wire types have text keys and encode into memory")
}
