//! A rollout in words.

use jiff::Timestamp;
use skep_api::wire::{Rollout, Wait};

use crate::format::human_duration as duration;

/// Says in one line where a service stands.
pub(super) fn headline(rollout: &Rollout) -> String {
    let Rollout { service_name, state, revision, return_to, slots, .. } = rollout;
    let from =
        return_to.filter(|from| from != revision).map(|from| format!(" (from {from})")).unwrap_or_default();
    let state = if state == "none" { "not updated yet" } else { state.as_str() };
    let failed = if slots.failed > 0 { format!(", {} failed", slots.failed) } else { String::new() };
    format!(
        "{service_name}: {state}, revision {revision}{from}, {} of {} slots up to date, {} running{failed}",
        slots.updated, slots.total, slots.running
    )
}

/// Says in one line what is waited for, since when and until when.
pub(super) fn wait(wait: &Wait, now: Timestamp) -> String {
    let seconds = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs().max(0);
    let slot = if wait.slot.is_empty() { String::new() } else { format!(" slot {}", wait.slot) };
    let since = duration(seconds(wait.since.0, now)).to_lowercase();
    let until = match wait.until {
        Some(until) if until.0 > now => format!(", {} left", duration(seconds(now, until.0)).to_lowercase()),
        _ => String::new(),
    };
    format!("{}{slot}: {} (for {since}{until})", wait.code.to_uppercase(), wait.text)
}

/// Says what a person can do about it.
pub(super) fn remedy(rollout: &Rollout) -> Option<String> {
    let name = &rollout.service_name;
    let codes = || rollout.waits.iter().map(|wait| wait.code.as_str());
    if codes().any(|code| code == "human") {
        return Some(format!("go on: skep rollout resume {name}; go back: skep rollout abort {name}"));
    }
    let goes_forward = rollout.state == "updating";
    let is_leaving = rollout.waits.iter().any(|wait| wait.cause == "node-drained");
    if codes().any(|code| code == "capacity") && goes_forward {
        return Some(format!("make room or change the placement; go back: skep rollout abort {name}"));
    }
    if is_leaving {
        let text = "give the node back: skep node update --availability active NODE; do not wait: --availability drain --force";
        return Some(text.to_owned());
    }
    if codes().any(|code| code == "capacity") {
        return Some("make room or change the placement".to_owned());
    }
    goes_forward.then(|| format!("stop it: skep rollout pause {name}; go back: skep rollout abort {name}"))
}
