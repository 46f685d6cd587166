//! Rollouts and revisions as `/skep/v1` shows them.

use skep_model::rollout::WaitCode;
use skep_model::task::LeaveCause;
use skep_model::{Revision, Rollout, Service, Step, rollout};

use super::{time, update};
use crate::wire;

/// Shows where a service stands. Steps, counts and waits are the caller's to add.
pub fn to_wire(service: &Service, rollout: Option<&Rollout>) -> wire::Rollout {
    let state = rollout.and_then(update::state_word).unwrap_or("none").to_owned();
    wire::Rollout {
        service_id: service.id.to_string(),
        service_name: service.spec.name.clone(),
        state,
        revision: service.revision,
        return_to: rollout.and_then(|rollout| rollout.return_to),
        given_up: rollout.and_then(|rollout| rollout.given_up),
        job: service.spec.mode.is_job(),
        started_at: rollout.map(|rollout| time(rollout.started_at)),
        completed_at: rollout.and_then(|rollout| rollout.completed_at).map(time),
        message: rollout.map(|rollout| rollout.message.clone()).unwrap_or_default(),
        slots: wire::Slots {
            failed: rollout.map_or(0, |rollout| rollout.failed_count),
            ..Default::default()
        },
        ..Default::default()
    }
}

/// Shows a slot in mid-change.
pub fn step_to_wire(step: &Step) -> wire::Step {
    wire::Step {
        slot: step.slot.to_string(),
        task_id: step.task_id.to_string(),
        taken_at: time(step.taken_at),
        settled_at: step.settled_at.map(time),
        failed: step.failed,
    }
}

/// Shows what is waited for.
pub fn wait_to_wire(wait: &rollout::Wait) -> wire::Wait {
    wire::Wait {
        code: code_word(wait.code).to_owned(),
        since: time(wait.since),
        until: wait.until.map(time),
        slot: wait.slot.map(|slot| slot.to_string()).unwrap_or_default(),
        cause: wait.cause.as_ref().map(cause_word).unwrap_or_default().to_owned(),
        text: wait.text.clone(),
    }
}

fn cause_word(cause: &LeaveCause) -> &'static str {
    match cause {
        LeaveCause::Drain => "node-drained",
        LeaveCause::Unfit(_) => "node-unfit",
        LeaveCause::Rebalance => "rebalance",
    }
}

fn code_word(code: WaitCode) -> &'static str {
    match code {
        WaitCode::Pull => "pull",
        WaitCode::Capacity => "capacity",
        WaitCode::Start => "start",
        WaitCode::Health => "health",
        WaitCode::MinHealthy => "min-healthy",
        WaitCode::Delay => "delay",
        WaitCode::Monitor => "monitor",
        WaitCode::Budget => "budget",
        WaitCode::Drain => "drain",
        WaitCode::Restart => "restart",
        WaitCode::Human => "human",
        WaitCode::NodeLost => "node-lost",
        WaitCode::Bake => "bake",
    }
}

/// Shows a revision.
pub fn revision_to_wire(revision: &Revision, in_force: u64) -> wire::Revision {
    wire::Revision {
        number: revision.number,
        hash: revision.hash.clone(),
        image: revision.template.container.image.clone(),
        created_at: time(revision.created_at),
        author: revision.author.clone(),
        reason: revision.reason.clone(),
        stable_at: revision.stable_at.map(time),
        failed_at: revision.failed_at.map(time),
        is_current: revision.number == in_force,
    }
}
