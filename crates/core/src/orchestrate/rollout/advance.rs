//! Begins a rollout, takes up its next slots, and ends it.

use skep_model::rollout::{Direction, Phase};
use skep_model::task::Desired;
use skep_model::{Policy, Rollout, Service, Step, Timestamp};

use super::deadlines;
use super::lanes::{self, Lanes};
use super::outdated::outdated;
use crate::orchestrate::current::is_current;
use crate::orchestrate::slot::Slot;
use crate::orchestrate::{Blueprint, global, new_task};
use crate::random::Random;
use crate::store::{Draft, Store, earlier};

/// Moves the service's rollout on as far as its policy allows. Returns the next deadline.
pub fn advance(draft: &mut Draft, random: &mut Random, service: &Service) -> Option<Timestamp> {
    // Judging may have changed the service in this pass; the next round of the pass sees the new one.
    if draft.service(service.id).is_none_or(|current| current.revision != service.revision) {
        return None;
    }
    let stored = draft.rollout(service.id).cloned();
    let mut rollout = match &stored {
        Some(rollout) if rollout.revision == service.revision => Rollout::clone(rollout),
        _ => return None,
    };
    if matches!(rollout.phase, Phase::Paused | Phase::Completed) {
        return None;
    }
    if rollout.phase == Phase::Asked && !begin(draft, service, &mut rollout) {
        draft.delete_rollout(service.id);
        return None;
    }
    if rollout.slot_count == 0 {
        rollout.slot_count = (outdated(draft, service).count() + draft.steps_of(service.id).count()) as u64;
    }
    let wake_at = take_up(draft, random, service, &mut rollout);
    if stored.as_deref() != Some(&rollout) {
        draft.put_rollout(rollout);
    }
    wake_at
}

/// Starts the rollout; returns whether there is anything to do.
fn begin(store: &Store, service: &Service, rollout: &mut Rollout) -> bool {
    if outdated(store, service).next().is_none() && store.steps_of(service.id).next().is_none() {
        return false;
    }
    rollout.phase = Phase::Running;
    if rollout.direction == Direction::Forward {
        rollout.message = "update in progress".to_owned();
    }
    true
}

/// Takes up outdated slots while lanes are free; completes the rollout when none is left.
fn take_up(
    draft: &mut Draft,
    random: &mut Random,
    service: &Service,
    rollout: &mut Rollout,
) -> Option<Timestamp> {
    let policy = super::policy(draft, service, Some(rollout));
    prove_first_batch(draft, service, rollout, &policy);
    let lanes = Lanes::count(draft, service, rollout, &policy);
    if lanes.busy == 0 && outdated(draft, service).next().is_none() {
        // Nothing is left that could be given up.
        deadlines::stop(rollout, draft.now());
        return complete(draft, service, rollout, &policy);
    }
    let due = due(draft, service, &lanes);
    if !due.is_empty() {
        lanes::close(draft, service, &policy);
    }
    deadlines::run(rollout, &policy, lanes.blocked > 0 || !due.is_empty(), draft.now());
    for slot in due {
        if draft.is_full() {
            break;
        }
        let is_again = draft.step(service.id, slot.id).is_some();
        rollout.settled_count = rollout.settled_count.saturating_sub(u64::from(is_again));
        begin_step(draft, random, service, &slot);
    }
    earlier(lanes.wake_at, deadlines::next(rollout, &policy))
}

/// Returns the slots to take up now.
fn due(store: &Store, service: &Service, lanes: &Lanes) -> Vec<Slot> {
    // To find the first of them is to look at all that are in change.
    if lanes.free.max(lanes.free_to_mend) == 0 {
        return Vec::new();
    }
    // One whose node a new leader has yet to hear of is waited for.
    let due = outdated(store, service).filter(|slot| global::takes_task(store, service, slot.id));
    let is_within = |(nth, slot): &(usize, Slot)| {
        let limit = if slot.is_running() { lanes.free } else { lanes.free_to_mend };
        (*nth as u64) < limit
    };
    due.enumerate().take_while(is_within).map(|(_, slot)| slot).collect()
}

/// Notes that the first batch has lived through the monitor period.
fn prove_first_batch(store: &Draft, service: &Service, rollout: &mut Rollout, policy: &Policy) {
    if lanes::awaits_proof(rollout, policy) {
        let proven_at = lanes::first_batch_proven_at(store, service, rollout, policy, store.now());
        rollout.proven_at = proven_at.filter(|at| *at <= store.now());
    }
}

/// Makes the slot's replacement, unless it has one already.
fn begin_step(draft: &mut Draft, random: &mut Random, service: &Service, slot: &Slot) {
    let task_id = match slot.live().rfind(|task| !task.is_over() && is_current(draft, service, task)) {
        Some(ready_made) => ready_made.id,
        None => {
            let made_from = Blueprint::of(draft, service);
            let task = new_task(draft, random, service, slot.id, made_from, Desired::Ready);
            let id = task.id;
            draft.put_task(task);
            id
        }
    };
    draft.put_step(Step::begun(service.id, slot.id, task_id, draft.now()));
}

/// Ends the rollout once its last slot lived through the monitor period; returns when that will be.
fn complete(
    draft: &mut Draft,
    service: &Service,
    rollout: &mut Rollout,
    policy: &Policy,
) -> Option<Timestamp> {
    let until = rollout.last_settled_at.map(|last| last + policy.monitor);
    if let Some(until) = until.filter(|until| *until > draft.now()) {
        return Some(until);
    }
    super::forget_steps(draft, service.id);
    rollout.phase = Phase::Completed;
    rollout.completed_at = Some(draft.now());
    rollout.message = match rollout.direction {
        Direction::Forward => "update completed".to_owned(),
        Direction::Back => "rollback completed".to_owned(),
    };
    None
}
