//! `rollout pause`, `resume`, `abort` and `undo`.

use clap::Args;

use super::show;
use crate::commands::exactly_one;
use crate::context::Context;
use crate::fault::Fault;
use crate::grammar::{Invalid, refuse};

/// Take up no more slots; what is in mid-change is finished
#[derive(Args, Debug)]
#[command(before_help = "SERVICE")]
pub(crate) struct PauseFlags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

/// Go on with a paused rollout; its failures so far are forgiven
#[derive(Args, Debug)]
#[command(before_help = "SERVICE")]
pub(crate) struct ResumeFlags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

/// Go back to the revision that ran before, and make it the service's again
#[derive(Args, Debug)]
#[command(before_help = "SERVICE")]
pub(crate) struct AbortFlags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

/// Go back to an earlier revision; replicas and labels stay as they are
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] SERVICE")]
pub(crate) struct UndoFlags {
    /// Number of the revision to go to (default: the newest stable one that is not in force)
    #[arg(long, value_name = "uint", value_parser = revision)]
    to: Option<u64>,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

fn revision(text: &str) -> Result<u64, Invalid> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => {
            refuse!("expected the number of a revision, such as 3; `skep rollout history SERVICE` lists them")
        }
    }
}

pub(super) async fn pause(context: &mut Context, flags: PauseFlags) -> Result<(), Fault> {
    steer(context, flags.arguments, "pause", None).await
}

pub(super) async fn resume(context: &mut Context, flags: ResumeFlags) -> Result<(), Fault> {
    steer(context, flags.arguments, "resume", None).await
}

pub(super) async fn abort(context: &mut Context, flags: AbortFlags) -> Result<(), Fault> {
    steer(context, flags.arguments, "abort", None).await
}

pub(super) async fn undo(context: &mut Context, flags: UndoFlags) -> Result<(), Fault> {
    steer(context, flags.arguments, "undo", flags.to).await
}

async fn steer(
    context: &mut Context,
    arguments: Vec<String>,
    verb: &str,
    to: Option<u64>,
) -> Result<(), Fault> {
    let reference = exactly_one(context, arguments)?;
    let rollout = context.client().await?.steer_rollout(&reference, verb, to).await?;
    Ok(context.io.line(show::headline(&rollout))?)
}
