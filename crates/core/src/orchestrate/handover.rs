//! How one task of a slot takes over from another.
//!
//! At most two tasks of a slot have a claim: the one that holds it, and a *candidate* that is up to date
//! and is to replace it. With stop-first order the holder is told to stop when the candidate is observed
//! ready (placed, pulled, created), and the candidate starts when the holder is observed to be over; so
//! an image that cannot be pulled disturbs nothing. With start-first order the holder stops when the
//! candidate runs. Where neither is the case yet, each of them is brought up as if it were alone.

use std::sync::Arc;

use skep_model::rollout::Phase;
use skep_model::service::UpdateOrder;
use skep_model::task::{Desired, TaskState};
use skep_model::{Rollout, Service, Task, Timestamp};

use super::current::is_current;
use super::rollout::config_in_force;
use super::slot::{self, Slot};
use crate::store::{Draft, earlier};

/// Takes the slot's next step, if one is due. Returns the next deadline.
pub(super) fn plan(
    draft: &mut Draft,
    service: &Service,
    rollout: Option<&Rollout>,
    slot: &Slot,
) -> Option<Timestamp> {
    let dropped = drop_superseded(draft, service, rollout, slot);
    let slot = if dropped { &slot::load(draft, service.id, slot.number) } else { slot };
    let standing = || slot.live().filter(|task| !task.is_over());
    let Some(candidate) = standing().rfind(|task| is_current(draft, service, task)) else {
        let holder = standing().next()?.clone();
        return begin(draft, slot, &holder);
    };
    if candidate.desired == Desired::Running && candidate.status.state == TaskState::Running {
        // The others go, with those that ended and wait for their restart.
        let others: Vec<_> = slot.live().filter(|task| task.id != candidate.id).cloned().collect();
        slot::shut_down(draft, &others);
        return None;
    }
    let holders: Vec<_> = standing().filter(|task| task.id != candidate.id).cloned().collect();
    let is_alone = slot.live().nth(1).is_none();
    let mut wake_at = None;
    for holder in &holders {
        wake_at = earlier(wake_at, begin(draft, slot, holder));
    }
    if is_held(rollout, candidate) && !is_alone {
        return wake_at;
    }
    let candidate = candidate.clone();
    let next = match holders.is_empty() {
        true => begin(draft, slot, &candidate),
        false => take_over(draft, service, rollout, &candidate, &holders),
    };
    earlier(wake_at, next)
}

/// Gives up what has no claim any more: candidates of rollouts that were superseded or went back. Returns
/// whether there were any.
fn drop_superseded(draft: &mut Draft, service: &Service, rollout: Option<&Rollout>, slot: &Slot) -> bool {
    let standing = slot.live().filter(|task| !task.is_over());
    let (current, old): (Vec<_>, Vec<_>) = standing.partition(|task| is_current(draft, service, task));
    let runs = |task: &&&Arc<Task>| task.status.state == TaskState::Running;
    let holder = old.iter().rfind(runs).or_else(|| old.iter().min_by_key(|task| task.revision));
    // On the way back nothing that was not started yet is worth a start.
    let goes_back = slot::goes_back(rollout) && !current.is_empty();
    let holder = holder.filter(|task| !goes_back || task.desired == Desired::Running);
    let has_claim = |task: &&Arc<Task>| holder.is_some_and(|holder| holder.id == task.id);
    let superseded: Vec<_> = old.iter().copied().filter(|task| !has_claim(task)).cloned().collect();
    slot::shut_down(draft, &superseded);
    !superseded.is_empty()
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
    service: &Service,
    rollout: Option<&Rollout>,
    candidate: &Task,
    holders: &[Arc<Task>],
) -> Option<Timestamp> {
    if candidate.desired == Desired::Running {
        return None;
    }
    if candidate.start_after > draft.now() {
        return Some(candidate.start_after);
    }
    let config = config_in_force(service, rollout);
    match config.order {
        UpdateOrder::StartFirst => start(draft, candidate),
        UpdateOrder::StopFirst if candidate.status.state >= TaskState::Ready => {
            let may_disturb = may_disturb(draft, service, config.parallelism);
            let is_due = |task: &&Arc<Task>| may_disturb || task.status.state != TaskState::Running;
            slot::shut_down(draft, holders.iter().filter(is_due));
        }
        UpdateOrder::StopFirst => {}
    }
    None
}

/// Returns whether the rollout keeps a candidate that was not started from taking over: it is paused, or
/// has not taken the slot up (a former one did).
pub(super) fn is_held(rollout: Option<&Rollout>, candidate: &Task) -> bool {
    let is_waiting = candidate.desired == Desired::Ready;
    let rollout = rollout.filter(|rollout| is_waiting && rollout.revision == candidate.revision);
    rollout.is_some_and(|rollout| match rollout.phase {
        Phase::Paused => true,
        Phase::Asked | Phase::Running => !rollout.steps.contains_key(&candidate.slot),
        Phase::Completed => false,
    })
}

/// Returns whether one more slot may go out of service. Slots that a superseded rollout left in
/// mid-change count, too.
fn may_disturb(draft: &Draft, service: &Service, parallelism: u64) -> bool {
    let changing =
        || slot::of_service(draft, service.id).iter().filter(|slot| is_changing(draft, slot)).count();
    parallelism == 0 || (changing() as u64) < parallelism
}

/// Returns whether the slot is out of service for the moment, because it changes hands or starts. What
/// waits for its restart, or fits nowhere, is not waited for.
fn is_changing(draft: &Draft, slot: &Slot) -> bool {
    let comes_up = |task: &Arc<Task>| {
        let is_due = task.desired == Desired::Running || task.start_after <= draft.now();
        is_due && task.status.state >= TaskState::Assigned && !task.is_over()
    };
    slot.is_kept() && !slot.is_running() && slot.live().any(comes_up)
}

fn start(draft: &mut Draft, task: &Task) {
    draft.change_task(task.id, |task| task.desired = Desired::Running);
}
