//! `rollout why`.

use clap::Args;

use super::{show, status};
use crate::commands::exactly_one;
use crate::context::Context;
use crate::fault::Fault;

/// Say what a service waits for, since when, until when, and what can be done
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] SERVICE")]
pub(crate) struct Flags {
    /// Print what is waited for as a list in JSON, empty where it is nothing
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
        return Ok(context.io.line(status::to_json(&rollout.waits))?);
    }
    let now = (context.now)();
    let mut lines: Vec<String> = rollout.waits.iter().map(|wait| show::wait(wait, now)).collect();
    if lines.is_empty() {
        lines.push(format!("nothing is waited for; {}", show::headline(&rollout)));
    } else {
        lines.extend(show::remedy(&rollout).map(|remedy| format!("  {remedy}")));
    }
    Ok(context.io.line(lines.join("\n"))?)
}
