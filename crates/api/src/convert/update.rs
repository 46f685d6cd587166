//! How an update proceeds, and how far it got.

use skep_model::Rollout;
use skep_model::limits::MONITOR_DEFAULT;
use skep_model::rollout::{Direction, Phase, Wait};
use skep_model::service::{FailureAction, UpdateConfig, UpdateOrder};

use super::{Unconverted, argument, duration, invalid, nanos, time};
use crate::wire;

/// Converts the pace of an update; `kind` is `update` or `rollback`, for the sentences.
pub fn to_model(config: wire::UpdateConfig, kind: &str) -> Result<UpdateConfig, Unconverted> {
    let span = |nanos: i64, what: &str| {
        duration(nanos).ok_or_else(|| argument(format!("TaskSpec: {kind}-{what} cannot be negative")))
    };
    let failure_action = match config.failure_action.as_str() {
        "" | "pause" => FailureAction::Pause,
        "continue" => FailureAction::Continue,
        "rollback" => FailureAction::Rollback,
        other => return Err(invalid(format!("unrecognized update failure action {other}"))),
    };
    let order = match config.order.as_str() {
        "" | "stop-first" => UpdateOrder::StopFirst,
        "start-first" => UpdateOrder::StartFirst,
        other => return Err(invalid(format!("unrecognized update order {other}"))),
    };
    let monitor = span(config.monitor, "monitor")?;
    Ok(UpdateConfig {
        parallelism: config.parallelism,
        delay: span(config.delay, "delay")?,
        failure_action,
        monitor: if monitor.is_zero() { MONITOR_DEFAULT } else { monitor },
        monitor_is_default: monitor.is_zero(),
        max_failure_ratio: config.max_failure_ratio,
        order,
    })
}

/// Shows the pace; action and order are always named, as in Docker.
pub fn to_wire(config: &UpdateConfig) -> wire::UpdateConfig {
    let failure_action = match config.failure_action {
        FailureAction::Pause => "pause",
        FailureAction::Continue => "continue",
        FailureAction::Rollback => "rollback",
    };
    let order = match config.order {
        UpdateOrder::StopFirst => "stop-first",
        UpdateOrder::StartFirst => "start-first",
    };
    wire::UpdateConfig {
        parallelism: config.parallelism,
        delay: nanos(config.delay),
        failure_action: failure_action.to_owned(),
        monitor: if config.monitor_is_default { 0 } else { nanos(config.monitor) },
        max_failure_ratio: config.max_failure_ratio,
        order: order.to_owned(),
    }
}

/// Shows the progress of a rollout; one that is only asked for is no news yet. What a running one waits for
/// follows Swarm's sentence.
pub fn status_to_wire(rollout: &Rollout, wait: Option<&Wait>) -> Option<wire::UpdateStatus> {
    let message = match wait.filter(|_| rollout.is_running()) {
        Some(wait) => format!("{}: {}", rollout.message, sentence(wait)),
        None => rollout.message.clone(),
    };
    Some(wire::UpdateStatus {
        state: state_word(rollout)?.to_owned(),
        started_at: Some(time(rollout.started_at)),
        completed_at: rollout.completed_at.map(time),
        message,
    })
}

fn sentence(wait: &Wait) -> String {
    match wait.slot {
        Some(slot) => format!("slot {slot}: {}", wait.text),
        None => wait.text.clone(),
    }
}

/// Returns Swarm's word for where a rollout stands.
pub fn state_word(rollout: &Rollout) -> Option<&'static str> {
    Some(match (rollout.direction, rollout.phase) {
        (_, Phase::Asked) => return None,
        (Direction::Forward, Phase::Running) => "updating",
        (Direction::Forward, Phase::Paused) => "paused",
        (Direction::Forward, Phase::Completed) => "completed",
        (Direction::Back, Phase::Running) => "rollback_started",
        (Direction::Back, Phase::Paused) => "rollback_paused",
        (Direction::Back, Phase::Completed) => "rollback_completed",
    })
}
