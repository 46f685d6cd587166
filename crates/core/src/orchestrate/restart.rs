//! What follows the end of a task: a successor in the same slot, or none.
//!
//! The successor takes over the ended task's own template, not the service's current one: a slot keeps
//! its revision until a rollout moves it, so a paused bad image does not spread by restarts. Attempts
//! are counted in the tasks themselves and therefore survive a change of leader.

use std::sync::Arc;

use skep_model::rollout::Phase;
use skep_model::task::{Desired, TaskState};
use skep_model::template::{RestartCondition, RestartPolicy};
use skep_model::{Rollout, Service, Task, Timestamp, limits};

use super::slot::{Slot, goes_back};
use super::{Blueprint, new_task};
use crate::random::Random;
use crate::store::{Draft, Store};

/// Returns whether the task's node no longer takes care of it.
pub fn is_given_up(store: &Store, task: &Task) -> bool {
    task.node_id.is_some_and(|id| store.node(id).is_none_or(|node| node.gives_up_tasks()))
}

/// Answers the end of `ended`, the newest task of the slot that ended in this pass.
pub(super) fn plan(
    draft: &mut Draft,
    random: &mut Random,
    service: &Service,
    rollout: Option<&Rollout>,
    slot: &Slot,
    ended: &Arc<Task>,
) {
    let others = slot.live().filter(|task| task.id != ended.id && !task.is_over());
    let (mut has_successor, mut has_incumbent) = (false, false);
    for other in others {
        let younger = (other.meta.created_at, other.id) > (ended.meta.created_at, ended.id);
        has_successor |= younger;
        has_incumbent |= !younger;
    }
    if has_successor || (has_incumbent && !may_retry(service, rollout, ended)) {
        return;
    }
    if goes_back(rollout) && rollout.is_some_and(Rollout::is_running) && ended.revision != service.revision {
        // The slot is outdated and empty: the rollback takes it up, and first.
        return;
    }
    let made_from = blueprint(service, rollout, ended);
    let policy = made_from.spec.restart_policy();
    let given_up = is_given_up(draft, ended);
    // The loss of a node is not the task's fault: neither the condition nor the attempts count it.
    if !given_up && !should_restart(ended, &policy) {
        return;
    }
    let same_revision = made_from.revision == ended.revision;
    let mut task = new_task(draft, random, service, slot.number, made_from, Desired::Ready);
    if given_up {
        task.restarts.clone_from(&ended.restarts);
    } else {
        task.start_after = draft.now() + policy.delay.unwrap_or(limits::RESTART_DELAY_DEFAULT);
        let earlier = if same_revision { &ended.restarts[..] } else { &[] };
        task.restarts = record(earlier, draft.now(), &policy);
    }
    draft.put_task(task);
}

/// Returns whether a successor that failed beside a living incumbent is tried again.
fn may_retry(service: &Service, rollout: Option<&Rollout>, ended: &Task) -> bool {
    ended.revision == service.revision && rollout.is_none_or(|rollout| rollout.phase != Phase::Paused)
}

/// Returns what the successor is made from: what the slot had, unless the service is going back.
fn blueprint(service: &Service, rollout: Option<&Rollout>, ended: &Task) -> Blueprint {
    if ended.revision == service.revision || goes_back(rollout) {
        return Blueprint::of(service);
    }
    Blueprint { spec: ended.spec.clone(), revision: ended.revision }
}

/// Returns whether the policy wants a successor of a task that ended by itself.
pub fn should_restart(ended: &Task, policy: &RestartPolicy) -> bool {
    let wanted = match policy.condition {
        RestartCondition::None => false,
        RestartCondition::OnFailure => ended.status.state != TaskState::Complete,
        RestartCondition::Any => true,
    };
    wanted && (policy.max_attempts == 0 || attempts(ended, policy) < policy.max_attempts)
}

/// Returns the attempts that count at the moment the task ended.
fn attempts(ended: &Task, policy: &RestartPolicy) -> u64 {
    let end = ended.status.applied_at;
    let counts = |at: &&Timestamp| policy.window.is_none_or(|window| **at > end - window && **at <= end);
    ended.restarts.iter().filter(counts).count() as u64
}

/// Returns the restarts so far, as many as the policy can ever ask for.
fn record(earlier: &[Timestamp], now: Timestamp, policy: &RestartPolicy) -> Vec<Timestamp> {
    if policy.max_attempts == 0 {
        return Vec::new();
    }
    let kept = usize::try_from(policy.max_attempts)
        .unwrap_or(limits::RESTARTS_KEPT_MAX)
        .min(limits::RESTARTS_KEPT_MAX);
    let mut restarts = earlier.to_vec();
    restarts.push(now);
    restarts.drain(..restarts.len().saturating_sub(kept));
    restarts
}
