//! What follows the end of a task: a successor in the same slot, or none.
//!
//! The successor takes over the ended task's own template, not the service's current one: a slot keeps
//! its revision until a rollout moves it, so a paused bad image does not spread by restarts. Attempts
//! are counted in the tasks themselves and therefore survive a change of leader.

use std::sync::Arc;

use skep_model::rollout::{Phase, Step};
use skep_model::task::{Desired, TaskState};
use skep_model::template::{RestartCondition, RestartPolicy};
use skep_model::{Rollout, Service, Task, Timestamp, limits};

use super::current::is_current;
use super::slot::{self, Slot, goes_back, is_held};
use super::{Blueprint, new_task};
use crate::random::Random;
use crate::store::{Draft, Store};

/// Returns whether the task's node no longer takes care of it.
pub fn is_given_up(store: &Store, task: &Task) -> bool {
    task.node_id.is_some_and(|id| store.node(id).is_none_or(|node| node.gives_up_tasks()))
}

/// Answers the ends of `ended`, tasks of the slot that ended in this pass, oldest first.
pub(super) fn plan(
    draft: &mut Draft,
    random: &mut Random,
    service: &Service,
    rollout: Option<&Rollout>,
    slot: &Slot,
    ended: &[Arc<Task>],
) {
    let Some(ended) = to_replace(draft, service, rollout, slot, ended) else { return };
    if is_left_to_rollback(service, rollout, ended) {
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
    follow(draft, service, ended, &task);
    draft.put_task(task);
}

/// Returns the ended task whose place must be taken again, if the slot lacks one.
///
/// The oldest task of a slot holds it, the others are successors of its. If it ended and a successor is
/// left, that one takes over, unless it has no claim (yet): then it goes, and the slot keeps what it had.
fn to_replace<'t>(
    draft: &mut Draft,
    service: &Service,
    rollout: Option<&Rollout>,
    slot: &Slot,
    ended: &'t [Arc<Task>],
) -> Option<&'t Arc<Task>> {
    let is_left = |task: &&Arc<Task>| !task.is_over() && ended.iter().all(|other| other.id != task.id);
    let left: Vec<_> = slot.live().filter(is_left).cloned().collect();
    let (oldest, newest) = (ended.first()?, ended.last()?);
    if slot.live().next().is_none_or(|holder| holder.id != oldest.id) {
        let has_other = left.iter().any(|task| is_younger(task, newest));
        return (!has_other && (left.is_empty() || may_retry(service, rollout, newest))).then_some(newest);
    }
    let has_claim = |task: &&Arc<Task>| {
        task.desired == Desired::Running || (is_current(draft, service, task) && !is_held(rollout, task))
    };
    if left.iter().any(|task| has_claim(&task)) {
        return None;
    }
    slot::shut_down(draft, &left);
    Some(if may_retry(service, rollout, newest) { newest } else { oldest })
}

fn is_younger(task: &Task, than: &Task) -> bool {
    (task.meta.created_at, task.id) > (than.meta.created_at, than.id)
}

/// Returns whether the slot is outdated, empty, and not yet taken up by a rollback, which takes it first.
fn is_left_to_rollback(service: &Service, rollout: Option<&Rollout>, ended: &Task) -> bool {
    goes_back(rollout)
        && ended.revision != service.revision
        && rollout.is_some_and(|rollout| rollout.is_running() && !rollout.steps.contains_key(&ended.slot))
}

/// Lets the rollout follow a replacement that was lost with its node before it was settled.
fn follow(draft: &mut Draft, service: &Service, ended: &Task, task: &Task) {
    let Some(rollout) = draft.rollout(service.id) else { return };
    let step = rollout.steps.get(&ended.slot);
    let is_open = step.is_some_and(|step| step.task_id == ended.id && step.settled_at.is_none());
    if is_open && rollout.is_running() && task.revision == rollout.revision {
        let mut rollout = Rollout::clone(rollout);
        rollout.steps.insert(ended.slot, Step { task_id: task.id, settled_at: None, failed: false });
        draft.put_rollout(rollout);
    }
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
