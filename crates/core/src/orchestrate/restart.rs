//! What follows the end of a task: a successor in the same slot, or none.
//!
//! The successor takes over the ended task's own template, not the service's current one: a slot keeps
//! its revision until a rollout moves it, so a paused bad image does not spread by restarts. Attempts
//! are counted in the tasks themselves and therefore survive a change of leader.

use std::sync::Arc;

use skep_model::rollout::Phase;
use skep_model::task::{Desired, TaskState};
use skep_model::template::{RestartCondition, RestartPolicy};
use skep_model::{Rollout, Service, Step, Task, Timestamp, limits};

use super::current::is_current;
use super::handover::is_held;
use super::slot::{self, Slot, goes_back};
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
    let is_left = |task: &&Arc<Task>| ended.iter().all(|other| other.id != task.id);
    let left: Vec<_> = slot.live().filter(is_left).cloned().collect();
    let lacking = to_replace(draft, service, rollout, &left, ended);
    let made = lacking.and_then(|ended| successor(draft, random, service, rollout, ended));
    if let (Some(last), None) = (lacking, &made) {
        // The slot is to stay empty: what its rollout holds back does not fill it.
        draft.change_task(last.id, |task| task.keeps_slot = true);
        let held: Vec<_> = left.iter().filter(|task| is_held(draft, rollout, task)).collect();
        slot::shut_down(draft, held);
    }
    follow(draft, service, ended, made.as_ref());
    made.into_iter().for_each(|task| draft.put_task(task));
}

/// Returns the ended task whose place must be taken again, if there is one.
///
/// A task that is out of date holds the slot, one that is up to date beside it is to replace it. Where
/// the holder ended and its replacement is not ready, the slot keeps what it had; where both ended, too,
/// unless the replacement ran already. On the way back the slot never keeps what it had.
fn to_replace<'t>(
    store: &Store,
    service: &Service,
    rollout: Option<&Rollout>,
    left: &[Arc<Task>],
    ended: &'t [Arc<Task>],
) -> Option<&'t Arc<Task>> {
    let is_current = |task: &Arc<Task>| is_current(store, service, task);
    let takes_over = |task: &Arc<Task>| {
        let is_ready =
            task.status.state >= TaskState::Ready && !task.is_over() && !is_held(store, rollout, task);
        is_current(task) && (is_ready || goes_back(rollout))
    };
    let has_moved = |task: &Arc<Task>| {
        is_current(task) && (task.status.state == TaskState::Running || goes_back(rollout))
    };
    let holder = ended.iter().rfind(|task| !is_current(task)).filter(|_| !ended.iter().any(has_moved));
    if let Some(holder) = holder.filter(|_| left.iter().all(is_current)) {
        return if left.iter().any(takes_over) { None } else { Some(holder) };
    }
    let candidate = ended.iter().rfind(|task| is_current(task))?;
    let is_wanted = left.is_empty() || may_retry(service, rollout, candidate);
    (is_wanted && !left.iter().any(is_current)).then_some(candidate)
}

/// Returns the task that follows `ended`, if its policy wants one.
fn successor(
    draft: &Draft,
    random: &mut Random,
    service: &Service,
    rollout: Option<&Rollout>,
    ended: &Task,
) -> Option<Task> {
    let made_from = blueprint(draft, service, rollout, ended);
    let policy = ended.spec.restart_policy();
    let given_up = is_given_up(draft, ended);
    // The loss of a node is not the task's fault: neither the condition nor the attempts count it.
    if !given_up && !should_restart(ended, &policy) {
        return None;
    }
    let same_revision = made_from.revision == ended.revision;
    let mut task = new_task(draft, random, service, ended.slot, made_from, Desired::Ready);
    if given_up {
        task.restarts.clone_from(&ended.restarts);
    } else {
        task.start_after = draft.now() + policy.delay.unwrap_or(limits::RESTART_DELAY_DEFAULT);
        task.restarts = if same_revision { record(ended, draft.now(), &policy) } else { Vec::new() };
    }
    Some(task)
}

/// Lets the slot's step follow a replacement that was lost with its node before it was settled: to the one
/// that comes after it, or else the slot is to be taken up again.
fn follow(draft: &mut Draft, service: &Service, ended: &[Arc<Task>], made: Option<&Task>) {
    let Some(slot) = ended.first().map(|task| task.slot) else { return };
    let Some(step) = draft.step(service.id, slot).filter(|step| step.settled_at.is_none()).cloned() else {
        return;
    };
    if ended.iter().all(|task| task.id != step.task_id) {
        return;
    }
    match made.filter(|made| made.revision == service.revision) {
        Some(made) => draft.put_step(Step { task_id: made.id, ..Step::clone(&step) }),
        None => draft.delete_step(service.id, slot),
    }
}

/// Returns whether a successor that failed beside a living incumbent is tried again.
fn may_retry(service: &Service, rollout: Option<&Rollout>, ended: &Task) -> bool {
    ended.revision == service.revision && rollout.is_none_or(|rollout| rollout.phase != Phase::Paused)
}

/// Returns what the successor is made from: what the slot had, unless that is up to date or the service
/// is going back.
fn blueprint(store: &Store, service: &Service, rollout: Option<&Rollout>, ended: &Task) -> Blueprint {
    if is_current(store, service, ended) || goes_back(rollout) {
        return Blueprint::of(store, service);
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
fn record(ended: &Task, now: Timestamp, policy: &RestartPolicy) -> Vec<Timestamp> {
    if policy.max_attempts == 0 {
        return Vec::new();
    }
    let kept = usize::try_from(policy.max_attempts)
        .unwrap_or(limits::RESTARTS_KEPT_MAX)
        .min(limits::RESTARTS_KEPT_MAX);
    let mut restarts = ended.restarts.clone();
    restarts.push(now);
    restarts.drain(..restarts.len().saturating_sub(kept));
    restarts
}
