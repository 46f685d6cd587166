//! What follows the end of a task: a successor in the same slot, or none.
//!
//! The successor takes over the ended task's own template, not the service's current one: a slot keeps
//! its revision until a rollout moves it, so a paused bad image does not spread by restarts. Whether its
//! policy wants a successor, and after which pause, is decided in [`super::attempt`].

use std::sync::Arc;

use skep_model::node::{Availability, NodeState};
use skep_model::policy::Profile;
use skep_model::rollout::Phase;
use skep_model::service::Mode;
use skep_model::task::{Desired, SlotId, TaskState};
use skep_model::{Node, Rollout, Service, Step, Task};

use super::current::is_current;
use super::handover::is_held;
use super::slot::{self, Slot, goes_back};
use super::{Blueprint, attempt, global, new_task, rollout};
use crate::random::Random;
use crate::store::{Draft, Store};

/// Returns whether the task's node no longer takes care of it, or is to lose it at once.
///
/// What belongs to its node cannot run elsewhere, so nothing is won by giving it up while the node is only
/// out of reach: it may well run there, and goes on when the node is back.
pub fn is_given_up(store: &Store, task: &Task) -> bool {
    let gives_up = |node: &Node| match task.slot {
        SlotId::Number(_) => node.status.state == NodeState::Down,
        SlotId::Node(_) => node.spec.availability == Availability::Drain,
    };
    let is_lost = task.node_id.is_some_and(|id| store.node(id).is_none_or(|node| gives_up(node)));
    is_lost || task.leaves.is_some() && leaves_at_once(store, task)
}

/// Returns whether a task that has to leave its node is not kept until another one has taken over.
fn leaves_at_once(store: &Store, task: &Task) -> bool {
    let Some(service) = store.service(task.service_id) else { return true };
    let is_forced = || {
        let node = task.node_id.and_then(|id| store.node(id));
        node.is_some_and(|node| node.spec.availability == Availability::Drain && node.is_drained_at_once())
    };
    task.status.state < TaskState::Running
        || !matches!(service.spec.mode, Mode::Replicated { .. })
        // Compat: Swarm knows no other way.
        || rollout::policy(store, service, None).profile == Profile::Swarm
        || is_forced()
}

/// Returns whether the task ended because of its node, which counts against nobody.
fn is_lost(store: &Store, task: &Task) -> bool {
    task.status.state == TaskState::Orphaned || is_given_up(store, task)
}

/// Returns whether a task that ended is to have a successor.
pub(super) fn is_to_follow(store: &Store, ended: &Task) -> bool {
    is_lost(store, ended) || attempt::should_restart(ended, &ended.spec.restart_policy())
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
    if let Some(last) = ended.iter().rfind(|task| task.leaves.is_some() && !is_to_follow(draft, task))
        && let Some(moved) = slot.moved()
    {
        // It was done before it could move.
        draft.change_task(last.id, |task| task.keeps_slot = true);
        return slot::shut_down(draft, [moved]);
    }
    let is_left = |task: &&Arc<Task>| ended.iter().all(|other| other.id != task.id);
    let left: Vec<_> = slot.live().filter(is_left).cloned().collect();
    let lacking = to_replace(draft, service, rollout, &left, ended);
    let follows = lacking.filter(|ended| is_to_follow(draft, ended));
    let made = follows.filter(|_| global::takes_task(draft, service, slot.id)).map(|ended| {
        let made_from = blueprint(draft, service, rollout, ended);
        successor(draft, random, service, ended, made_from)
    });
    if let (Some(last), None) = (lacking, &follows) {
        draft.change_task(last.id, |task| task.keeps_slot = true);
    }
    if lacking.is_some() && made.is_none() {
        // The slot is to stay empty, or cannot be filled: what its rollout holds back does not fill it.
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

/// Returns the task that follows `ended` in its slot.
pub(super) fn successor(
    draft: &Draft,
    random: &mut Random,
    service: &Service,
    ended: &Task,
    made_from: Blueprint,
) -> Task {
    let mut task = new_task(draft, random, service, ended.slot, made_from, Desired::Ready);
    if task.revision == ended.revision {
        attempt::inherit(&mut task, ended);
    }
    if !is_lost(draft, ended) {
        attempt::count(draft, service, &mut task, ended, draft.now());
    }
    task
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
