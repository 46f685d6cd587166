//! Begins a rollout, takes up its next slots, and ends it.

use skep_model::rollout::{Cause, Direction, Phase};
use skep_model::service::UpdateConfig;
use skep_model::task::{Desired, SlotId};
use skep_model::{Rollout, Service, Step, Timestamp};

use super::config_in_force;
use crate::orchestrate::current::is_current;
use crate::orchestrate::slot::{self, Slot};
use crate::orchestrate::{Blueprint, global, new_task};
use crate::random::Random;
use crate::store::{Draft, Store, earlier};

/// Moves the service's rollout on as far as its budget allows. Returns the next deadline.
pub fn advance(draft: &mut Draft, random: &mut Random, service: &Service) -> Option<Timestamp> {
    // Judging may have changed the service in this pass; the next round of the pass sees the new one.
    if draft.service(service.id).is_none_or(|current| current.revision != service.revision) {
        return None;
    }
    let stored = draft.rollout(service.id).cloned();
    let slots: Vec<_> = slot::of_service(draft, service.id).into_iter().filter(Slot::is_kept).collect();
    let mut rollout = match &stored {
        Some(rollout) if rollout.revision == service.revision => Rollout::clone(rollout),
        _ => return None,
    };
    if matches!(rollout.phase, Phase::Paused | Phase::Completed) {
        return None;
    }
    if rollout.phase == Phase::Asked && !begin(draft, service, &mut rollout, &slots) {
        draft.delete_rollout(service.id);
        return None;
    }
    if rollout.slot_count == 0 {
        rollout.slot_count = outdated(draft, service, &slots).len() as u64;
    }
    let wake_at = take_up(draft, random, service, &mut rollout, &slots);
    if stored.as_deref() != Some(&rollout) {
        draft.put_rollout(rollout);
    }
    wake_at
}

/// Starts the rollout; returns whether there is anything to do.
fn begin(store: &Store, service: &Service, rollout: &mut Rollout, slots: &[Slot]) -> bool {
    if outdated(store, service, slots).is_empty() {
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
    slots: &[Slot],
) -> Option<Timestamp> {
    let config = config_in_force(service, Some(rollout));
    let mut waiting = outdated(draft, service, slots);
    // Slots that serve nobody come first: replacing them costs nothing.
    waiting.sort_by_key(|slot| (slot.is_running(), slot.id));
    let (busy, wake_at) = busy_lanes(draft, service, slots, &config);
    let lanes = if config.parallelism == 0 { u64::MAX } else { config.parallelism };
    let free = usize::try_from(lanes.saturating_sub(busy)).unwrap_or(usize::MAX);
    if waiting.is_empty() && busy == 0 {
        return complete(draft, service, rollout, &config);
    }
    // One whose node a new leader has yet to hear of is waited for.
    waiting.retain(|slot| global::takes_task(draft, service, slot.id));
    for slot in waiting.into_iter().take(free) {
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
        draft.put_step(Step {
            service_id: service.id,
            slot: slot.id,
            cause: Cause::Update,
            task_id,
            taken_at: draft.now(),
            settled_at: None,
            failed: false,
        });
    }
    wake_at
}

/// Returns the slots that the rollout has yet to take up.
fn outdated<'s>(store: &Store, service: &Service, slots: &'s [Slot]) -> Vec<&'s Slot> {
    // A node that is out of reach has its turn when it is back.
    let is_due = |slot: &&Slot| {
        store.step(service.id, slot.id).is_none()
            && is_outdated(store, service, slot)
            && global::takes_part(store, service, slot.id)
    };
    slots.iter().filter(is_due).collect()
}

/// A slot is outdated when its live task is, or when it has none and the one that ended last is.
fn is_outdated(store: &Store, service: &Service, slot: &Slot) -> bool {
    let mut live = slot.live().peekable();
    if live.peek().is_none() {
        return !slot.last_holder().is_some_and(|task| is_current(store, service, task));
    }
    !live.all(|task| is_current(store, service, task))
}

/// Returns how many lanes are taken, and when the first of them becomes free by itself.
///
/// A lane is taken until its slot is settled, the tasks it replaced are over (or were waited for long
/// enough), and the delay has passed.
fn busy_lanes(
    draft: &Draft,
    service: &Service,
    slots: &[Slot],
    config: &UpdateConfig,
) -> (u64, Option<Timestamp>) {
    let stopping_until = |id: SlotId| {
        let slot = slots.iter().find(|slot| slot.id == id);
        slot.and_then(|slot| slot::still_stopping(draft, slot)).unwrap_or_default()
    };
    let (mut busy, mut wake_at) = (0, None);
    for step in draft.steps_of(service.id) {
        let Some(settled_at) = step.settled_at else {
            busy += 1;
            continue;
        };
        let free_at = (settled_at + config.delay).max(stopping_until(step.slot));
        if free_at > draft.now() {
            busy += 1;
            wake_at = earlier(wake_at, Some(free_at));
        }
    }
    (busy, wake_at)
}

/// Ends the rollout once its last slot lived through the monitor period; returns when that will be.
fn complete(
    draft: &mut Draft,
    service: &Service,
    rollout: &mut Rollout,
    config: &UpdateConfig,
) -> Option<Timestamp> {
    let last = draft.steps_of(service.id).filter_map(|step| step.settled_at).max();
    if let Some(until) = last.map(|last| last + config.monitor).filter(|until| *until > draft.now()) {
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
