//! How one task of a slot takes over from another.
//!
//! At most two tasks of a slot have a claim: the one that holds it, and a *candidate* that is to replace it, because it
//! is up to date, or stands where the holder has to leave. With stop-first order the holder is told to stop when the candidate is observed
//! ready (placed, pulled, created), and the candidate starts when the holder is observed to be over; so
//! an image that cannot be pulled disturbs nothing. With start-first order the candidate starts when it is ready, and the
//! holder stops when that runs. Where neither is the case yet, each of them is brought up as if it were alone.
//!
//! Invariant: a slot that takes no step now is looked at again when it could. What it waits for is written in the slot
//! itself (a status, a step, a node for its task: [`Draft`] has the slot looked at), concerns its node (the leader has
//! the node's slots looked at), is a stage of the rollout or a write to the service or cluster (all slots are looked
//! at), has a deadline, which is returned, or is the budget, which [`Purse::refuse`] remembers.

use std::sync::Arc;

use skep_model::policy::Profile;
use skep_model::rollout::Phase;
use skep_model::service::UpdateOrder;
use skep_model::task::{Desired, TaskState};
use skep_model::{Rollout, Service, Task, Timestamp};

use super::budget::Purse;
use super::current::is_current;
use super::slot::{self, Slot};
use super::{relocate, rollout};
use crate::store::{Draft, Store, earlier};

/// Takes the slot's next step, if one is due. Returns the next deadline.
pub(super) fn plan(
    draft: &mut Draft,
    purse: &mut Purse,
    service: &Service,
    rollout: Option<&Rollout>,
    slot: &Slot,
) -> Option<Timestamp> {
    let Claims { holder, candidate, superseded } = claims(draft, service, rollout, slot);
    slot::shut_down(draft, &superseded);
    let slot = if superseded.is_empty() { slot } else { &slot::load(draft, service.id, slot.id) };
    let Some(candidate) = candidate else {
        return holder.and_then(|holder| begin(draft, slot, &holder));
    };
    // With those that ended and wait for their restart.
    let others: Vec<_> = slot.live().filter(|task| task.id != candidate.id).cloned().collect();
    if candidate.desired == Desired::Running && candidate.status.state == TaskState::Running {
        slot::shut_down(draft, &others);
        return None;
    }
    if holder.as_ref().is_some_and(|holder| holder.desired != Desired::Running) {
        // It may be started beside the candidate.
        purse.recount();
    }
    let wake_at = holder.and_then(|holder| begin(draft, slot, &holder));
    let next = match others.is_empty() {
        true => begin(draft, slot, &candidate),
        false if is_held(draft, rollout, &candidate) => None,
        false => take_over(draft, purse, service, rollout, &candidate, &others),
    };
    earlier(wake_at, next)
}

/// The tasks of a slot by their claims on it.
struct Claims {
    /// Out of date, or to leave its node, and in charge until the candidate replaces it.
    holder: Option<Arc<Task>>,
    /// Up to date; or, where nothing is, of the holder's revision and on another node.
    candidate: Option<Arc<Task>>,
    /// Without a claim any more: made by rollouts that were superseded or went back.
    superseded: Vec<Arc<Task>>,
}

/// Tells which of the tasks that are not over have a claim.
fn claims(store: &Store, service: &Service, rollout: Option<&Rollout>, slot: &Slot) -> Claims {
    let standing = || slot.live().filter(|task| !task.is_over());
    let moved = slot.moved();
    let is_up_to_date = |task: &&Arc<Task>| task.leaves.is_none() && is_current(store, service, task);
    let has_current = standing().any(|task| is_up_to_date(&task));
    // What moves to another node stays as old as it is.
    let takes_over = |task: &Arc<Task>| match has_current {
        true => is_up_to_date(&task),
        false => moved.is_some_and(|moved| moved.id == task.id),
    };
    let (current, old): (Vec<_>, Vec<_>) = standing().cloned().partition(takes_over);
    let runs = |task: &&Arc<Task>| task.status.state == TaskState::Running;
    let is_started = |task: &&Arc<Task>| task.desired == Desired::Running;
    let candidate =
        current.iter().rfind(runs).or_else(|| current.iter().rfind(is_started)).or(current.last());
    // On the way back nothing that was not started yet is worth a start.
    let goes_back = slot::goes_back(rollout) && candidate.is_some();
    // Nor is it where the candidate is in charge already.
    let is_replaced = candidate.as_ref().is_some_and(is_started)
        && rollout::policy(store, service, rollout).order == UpdateOrder::StopFirst;
    let holder = old.iter().rfind(runs).or_else(|| old.iter().min_by_key(|task| task.revision));
    let holder = holder.filter(|task| is_started(task) || !(goes_back || is_replaced));
    let has_claim =
        |task: &&Arc<Task>| [holder, candidate].into_iter().flatten().any(|one| one.id == task.id);
    let superseded = standing().filter(|task| !has_claim(task)).cloned().collect();
    Claims { holder: holder.cloned(), candidate: candidate.cloned(), superseded }
}

/// Starts a task that nothing in its slot stands in the way of any more. Returns until when to wait.
fn begin(draft: &mut Draft, slot: &Slot, task: &Task) -> Option<Timestamp> {
    if task.desired == Desired::Running {
        return None;
    }
    let stopping = slot::still_stopping(draft, slot).unwrap_or_default();
    let at = task.start_after.max(stopping);
    if at > draft.now() {
        return Some(at);
    }
    start(draft, task);
    None
}

/// Lets the candidate come into its place, one step at a time. Returns the next deadline.
fn take_over(
    draft: &mut Draft,
    purse: &mut Purse,
    service: &Service,
    rollout: Option<&Rollout>,
    candidate: &Task,
    others: &[Arc<Task>],
) -> Option<Timestamp> {
    if candidate.desired == Desired::Running {
        return None;
    }
    if candidate.start_after > draft.now() {
        return Some(candidate.start_after);
    }
    let policy = rollout::policy(draft, service, rollout);
    let serves = others.iter().any(|task| task.status.state == TaskState::Running);
    // Compat: start-first, Swarm wants the new task to run from the beginning.
    let is_eager = policy.order == UpdateOrder::StartFirst && policy.profile == Profile::Swarm;
    let is_prepared = candidate.status.state >= TaskState::Ready;
    if !is_prepared && (policy.order == UpdateOrder::StopFirst || serves && !is_eager) {
        return None;
    }
    // What serves nobody may be replaced at any time.
    let budget = serves.then(|| purse.left(draft, service, &policy, draft.now()));
    let is_allowed = budget.is_none_or(|budget| budget.allows(policy.order));
    match is_allowed {
        true if serves => purse.spend(policy.order),
        // What starts here beside others costs the more, the more of them were told to start.
        true => purse.recount(),
        false => purse.refuse(candidate.slot),
    }
    match policy.order {
        UpdateOrder::StartFirst if is_allowed => start(draft, candidate),
        UpdateOrder::StartFirst => return budget.and_then(|budget| budget.wake_at),
        UpdateOrder::StopFirst => {
            let is_due = |task: &&Arc<Task>| is_allowed || task.status.state != TaskState::Running;
            if is_allowed && candidate.is_restart() {
                draft.change_task(candidate.id, Task::take_slot);
            }
            slot::shut_down(draft, others.iter().filter(is_due));
            let slot = slot::load(draft, service.id, candidate.slot);
            if slot.live().nth(1).is_none() {
                return begin(draft, &slot, candidate);
            }
        }
    }
    None
}

/// Returns whether the rollout keeps a candidate that was not started from taking over: it is paused, or
/// has not taken the slot up (a former one did). What moves to another node is no rollout's, unless one that is under way
/// is about to replace it.
pub(super) fn is_held(store: &Store, rollout: Option<&Rollout>, candidate: &Task) -> bool {
    let Some(rollout) = rollout.filter(|_| candidate.desired == Desired::Ready) else { return false };
    if relocate::is_moved(store, candidate) {
        let service = store.service(candidate.service_id);
        return rollout.is_under_way()
            && service.is_some_and(|service| !is_current(store, service, candidate));
    }
    rollout.phase == Phase::Paused
        || rollout.is_under_way() && store.step(candidate.service_id, candidate.slot).is_none()
}

fn start(draft: &mut Draft, task: &Task) {
    draft.change_task(task.id, |task| task.desired = Desired::Running);
}
