//! Moves tasks to other nodes: away from a node that is drained, from one that cannot keep them, or from a crowded one.
//!
//! Who is to leave is marked in the task ([`skep_model::task::Leave`], written by [`super::enforce`] and
//! [`super::rebalance`]). It goes on serving until another task of its own revision has taken over elsewhere, in the
//! service's order (`handover`), as many slots at a time as its parallelism says, within its [`super::budget`]. What a
//! rollout under way is about to replace is left to that. Where nothing is to be kept up (jobs, what does not run yet,
//! the profile `swarm`, a drain with `--force`), the task is given up at once ([`super::restart::is_given_up`]).

use std::sync::Arc;

use skep_model::task::{Desired, LeaveCause, TaskState};
use skep_model::{Rollout, Service, Task};

use super::current::is_current;
use super::slot::{self, Slot};
use super::{Blueprint, attempt, new_task, rollout};
use crate::random::Random;
use crate::store::{Draft, Store};

/// Makes the successors of tasks that have to leave, while lanes are free.
pub fn plan(draft: &mut Draft, random: &mut Random, service: &Service) {
    if service.spec.mode.is_job() || service.spec.mode.is_global() {
        return;
    }
    let slots: Vec<_> = draft.slots_leaving(service.id).map(|id| slot::load(draft, service.id, id)).collect();
    if slots.is_empty() {
        return;
    }
    let known = draft.rollout(service.id).cloned();
    let policy = rollout::policy(draft, service, known.as_deref());
    let mut free = policy.lanes.saturating_sub(in_change(draft, service, known.as_deref()));
    for slot in slots {
        if free == 0 || draft.is_full() {
            return;
        }
        let Some(leaves) = due(draft, service, known.as_deref(), &slot) else { continue };
        let task = successor(draft, random, service, &slot, &leaves);
        draft.put_task(task);
        free -= 1;
    }
}

/// Returns the slots of a service that are moving to other nodes.
pub fn moving(store: &Store, service: &Service) -> impl Iterator<Item = Slot> {
    let slots = store.slots_leaving(service.id).map(|slot| slot::load(store, service.id, slot));
    slots.filter(|slot| slot.moved().is_some())
}

/// Returns whether a task was made to take over from one that leaves its node.
pub fn is_moved(store: &Store, task: &Task) -> bool {
    slot::load(store, task.service_id, task.slot).moved().is_some_and(|moved| moved.id == task.id)
}

/// Returns why a task has to leave, in words.
pub fn reason(cause: &LeaveCause) -> String {
    match cause {
        LeaveCause::Drain => "its node is drained".to_owned(),
        LeaveCause::Unfit(what) => what.clone(),
        LeaveCause::Rebalance => "another node is less loaded".to_owned(),
    }
}

/// Slots on their way to another node, and those that a rollout is replacing.
fn in_change(store: &Store, service: &Service, known: Option<&Rollout>) -> u64 {
    let unsettled = store.steps_open(service.id).filter(|step| step.settled_at.is_none());
    let is_under_way = known.is_some_and(Rollout::is_under_way);
    moving(store, service).count() as u64 + if is_under_way { unsettled.count() as u64 } else { 0 }
}

/// Returns the task of the slot that needs a successor elsewhere.
fn due(store: &Store, service: &Service, known: Option<&Rollout>, slot: &Slot) -> Option<Arc<Task>> {
    let standing = || slot.live().filter(|task| !task.is_over());
    let has_successor = standing().any(|task| task.leaves.is_none());
    let leaves = standing().rfind(|task| task.leaves.is_some()).filter(|_| !has_successor)?;
    let is_unsettled = || store.step(service.id, slot.id).is_some_and(|step| step.settled_at.is_none());
    let is_next = || !is_current(store, service, leaves) || is_unsettled();
    let is_left_to_rollout = known.is_some_and(Rollout::is_under_way) && is_next();
    (!is_left_to_rollout).then(|| leaves.clone())
}

/// Returns a task like the one that leaves, which has to run before anything happens to that.
fn successor(draft: &Draft, random: &mut Random, service: &Service, slot: &Slot, leaves: &Task) -> Task {
    let made_from = Blueprint { spec: leaves.spec.clone(), revision: leaves.revision };
    let mut task = new_task(draft, random, service, slot.id, made_from, Desired::Ready);
    attempt::inherit(&mut task, leaves);
    // What was withdrawn did not fail.
    let has_failed = |other: &&Arc<Task>| {
        let is_successor =
            other.meta.created_at > leaves.meta.created_at && other.revision == leaves.revision;
        is_successor && matches!(other.status.state, TaskState::Failed | TaskState::Rejected)
    };
    if let Some(failed) = slot.tasks.iter().rfind(has_failed) {
        attempt::put_off(draft, service, &mut task, failed, draft.now());
    }
    task
}
