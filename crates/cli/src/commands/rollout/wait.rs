//! `rollout wait`: the end of a rollout as an exit code, for scripts.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use skep_api::wire::Rollout;
use tokio::time::Instant;

use super::{show, status};
use crate::commands::exactly_one;
use crate::context::Context;
use crate::fault::Fault;
use crate::format::human_duration as duration;
use crate::grammar;

/// Wait until a service's rollout is over, and tell by the exit code how it ended
///
/// Where none is under way, wait until the revision in force is stable.
///
/// Exit codes: 0 the service runs the revision asked for, and that is stable; 2 it was rolled back; 3 it is paused and waits for
/// somebody; 4 another update took its place; 5 the time was up; 1 anything else.
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] SERVICE")]
pub(crate) struct Flags {
    /// Longest time to wait (default 30m)
    #[arg(long, value_name = "duration", default_value = "30m", hide_default_value = true)]
    timeout: String,
    /// Print the whole object in JSON at the end
    #[arg(long)]
    json: bool,
    /// Print nothing
    #[arg(short, long)]
    quiet: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

/// How a wait can end, as the exit code tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Stable = 0,
    RolledBack = 2,
    Held = 3,
    Superseded = 4,
    Timeout = 5,
}

/// The time between two looks.
const POLL_AFTER: Duration = Duration::from_millis(200);

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { timeout, json, quiet, arguments } = flags;
    let reference = exactly_one(context, arguments)?;
    let nanos = grammar::duration(&timeout).map_err(|error| {
        Fault::flag(format!("invalid argument \"{timeout}\" for \"--timeout\" flag: {error}"))
    })?;
    let until = Instant::now() + Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
    let client = context.client().await?;
    let first = client.rollout(&reference).await?;
    if let Some(text) = notice(&first, (context.now)()).filter(|_| !quiet) {
        context.io.warn(format_args!("{text}; gives up after {timeout}"))?;
    }
    let mut rollout = first.clone();
    let end = loop {
        if let Some(end) = end(&first, &rollout) {
            break end;
        }
        if Instant::now() >= until {
            break End::Timeout;
        }
        tokio::time::sleep(POLL_AFTER).await;
        // By its id: the name may be another service's by then.
        rollout = client.rollout(&first.service_id).await?;
    };
    if json {
        context.io.line(status::to_json(&rollout))?;
    } else if !quiet {
        context.io.line(show::headline(&rollout))?;
        let now = (context.now)();
        for wait in &rollout.waits {
            context.io.line(show::wait(wait, now))?;
        }
    }
    match end {
        End::Stable => Ok(()),
        end => Err(Fault::exit(end as u8)),
    }
}

/// Says what is waited for where no rollout is under way, and until when as far as that is known.
pub(super) fn notice(first: &Rollout, now: Timestamp) -> Option<String> {
    let is_under_way = matches!(first.state.as_str(), "updating" | "rollback_started");
    if is_under_way || end(first, first).is_some() {
        return None;
    }
    let Rollout { service_name, revision, .. } = first;
    let bake = first.waits.iter().find(|wait| wait.code == "bake");
    let until = match bake.and_then(|bake| bake.until) {
        Some(until) => {
            let left = duration(until.0.duration_since(now).as_secs().max(0)).to_lowercase();
            format!("is stable, which is in {left} ({})", until.0.strftime("%H:%M:%S UTC"))
        }
        None => "runs in every slot and is stable".to_owned(),
    };
    Some(format!("{service_name}: no rollout is under way; waits until revision {revision} {until}"))
}

/// Tells whether the wait that began with `first` is over, and how.
pub(super) fn end(first: &Rollout, now: &Rollout) -> Option<End> {
    // Somebody asked to go back before the wait began, so that is what is waited for.
    let is_asked_for = first.state.starts_with("rollback")
        && (first.given_up, first.revision) == (None, now.revision)
        && now.given_up.is_none();
    match now.state.as_str() {
        "paused" | "rollback_paused" => Some(End::Held),
        "rollback_started" => None,
        "rollback_completed" if !is_asked_for => Some(End::RolledBack),
        _ if now.revision != first.revision => Some(End::Superseded),
        "updating" => None,
        _ => (is_up(now) && is_proven(now)).then_some(End::Stable),
    }
}

fn is_up(rollout: &Rollout) -> bool {
    let slots = rollout.slots;
    slots.running >= slots.total && slots.updated >= slots.total
}

/// A job, or a service without a slot, proves nothing.
fn is_proven(rollout: &Rollout) -> bool {
    rollout.stable_at.is_some() || rollout.job || rollout.slots.total == 0
}
