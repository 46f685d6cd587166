//! Lanes: the slots that may be in change at a time. Each is taken by one step until its slot is settled, what
//! it replaced is over, and its policy has seen enough of the replacement.

use std::sync::Arc;

use skep_model::policy::Profile;
use skep_model::task::{Desired, TaskState};
use skep_model::{Policy, Rollout, Service, Step, Task, Timestamp};

use crate::orchestrate::budget::Budget;
use crate::orchestrate::current::is_current;
use crate::orchestrate::slot::{self, Slot};
use crate::orchestrate::{global, relocate};
use crate::store::{Draft, Store, earlier};

/// What the lanes of a service are at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes {
    pub busy: u64,
    /// How many slots may be taken up.
    pub free: u64,
    /// How many slots may be taken up that are out of service. Those that wait for the budget, and serve as before, are
    /// in nobody's way: to mend others costs nothing, and may be what they wait for.
    pub free_to_mend: u64,
    /// Of the busy ones, those that only an event frees.
    pub blocked: u64,
    /// When the first of them becomes free by itself, or its slot has failed to come up in time.
    pub wake_at: Option<Timestamp>,
}

/// When a lane is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Freedom {
    At(Timestamp),
    /// Something has to happen first.
    Unknown,
}

impl Lanes {
    /// Counts the lanes of a rollout.
    pub fn count(draft: &Draft, service: &Service, rollout: &Rollout, policy: &Policy) -> Lanes {
        let is_held = held(draft, service, policy, draft.now());
        let (mut busy, mut held, mut blocked, mut wake_at) = (0, 0, 0, None);
        for step in draft.steps_open(service.id) {
            match freedom(draft, service, policy, step) {
                Freedom::At(at) if at <= draft.now() => {}
                Freedom::At(at) => {
                    busy += 1;
                    wake_at = earlier(wake_at, Some(at));
                }
                Freedom::Unknown => {
                    busy += 1;
                    blocked += 1;
                    held += u64::from(is_held(step));
                    let deadline = policy.start_deadline.filter(|_| step.settled_at.is_none());
                    wake_at = earlier(wake_at, deadline.and_then(|limit| step.clock.spends_at(limit)));
                }
            }
        }
        // Slots that move to other nodes take lanes, too, unless they are this rollout's to take up. It is over without them.
        let moving = relocate::moving(draft, service);
        let theirs =
            moving.filter(|slot| slot.moved().is_some_and(|moved| is_current(draft, service, moved)));
        let lanes = policy.lanes.saturating_sub(theirs.count() as u64);
        let mut free = lanes.saturating_sub(busy);
        let mut free_to_mend = lanes.saturating_sub(busy - held);
        if awaits_proof(rollout, policy) {
            let taken = draft.steps_of(service.id).count() as u64;
            free = free.min(policy.lanes.saturating_sub(taken));
            free_to_mend = free_to_mend.min(policy.lanes.saturating_sub(taken - held));
            let proven_at = first_batch_proven_at(draft, service, rollout, policy, draft.now());
            wake_at = earlier(wake_at, proven_at.filter(|at| *at > draft.now()));
        }
        Lanes { busy, free, free_to_mend, blocked, wake_at }
    }
}

/// Tells which steps wait for the budget, their slots serving as before. Compat: Swarm has no eye for what others
/// are at.
fn held<'s>(
    store: &'s Store,
    service: &Service,
    policy: &Policy,
    now: Timestamp,
) -> impl Fn(&Step) -> bool + use<'s> {
    let is_overdrawn = policy.profile != Profile::Swarm && Budget::of(store, service, policy, now).is_spent;
    move |step| is_overdrawn && step.settled_at.is_none() && serves_as_before(store, step)
}

/// Gives the lanes that are free back, so that nobody looks at their steps again.
pub fn close(draft: &mut Draft, service: &Service, policy: &Policy) {
    let is_free = |step: &&Arc<Step>| matches!(freedom(draft, service, policy, step), Freedom::At(at) if at <= draft.now());
    let free: Vec<_> = draft.steps_open(service.id).filter(is_free).cloned().collect();
    for step in free {
        draft.put_step(Step { closed: true, ..Step::clone(&step) });
    }
}

/// Returns whether the slot of a step still has what it had, and its replacement was not started.
fn serves_as_before(store: &Store, step: &Step) -> bool {
    let is_waiting = store.task_of_step(step).is_some_and(|task| task.desired == Desired::Ready);
    is_waiting && slot::load(store, step.service_id, step.slot).is_running()
}

/// Returns when the lane of a step is free.
pub fn freedom(store: &Store, service: &Service, policy: &Policy, step: &Step) -> Freedom {
    let Some(settled_at) = step.settled_at else { return Freedom::Unknown };
    let slot = slot::load(store, service.id, step.slot);
    let stopped_at = slot::still_stopping(store, &slot).unwrap_or_default();
    let is_seen_through = step.failed || policy.min_healthy.is_zero() || slot.last_holder().is_some();
    let proven_at = match up_since(store, service, &slot) {
        _ if is_seen_through => settled_at,
        Some(since) => since + policy.min_healthy,
        // Its node is out of reach, and nobody waits for that.
        None if !global::takes_part(store, service, step.slot) => settled_at,
        // What it came to is not what it is to come to any more: it has to be taken up again.
        None if !slot.live().any(|task| is_current(store, service, task)) => settled_at,
        // It went down after it was up, and begins anew.
        None => return Freedom::Unknown,
    };
    Freedom::At((proven_at + policy.delay).max(stopped_at))
}

/// Returns since when a slot has been up with what it is to come to.
fn up_since(store: &Store, service: &Service, slot: &Slot) -> Option<Timestamp> {
    let is_up =
        |task: &&Arc<Task>| task.status.state == TaskState::Running && is_current(store, service, task);
    slot.live().filter(is_up).map(|task| task.status.applied_at).min()
}

/// Returns whether the first batch has yet to prove itself before there is a second one.
pub fn awaits_proof(rollout: &Rollout, policy: &Policy) -> bool {
    policy.proves_first_batch && policy.lanes < u64::MAX && rollout.proven_at.is_none()
}

/// Returns when the first batch will have lived through the monitor period; `None` while one of its slots is
/// not settled, or has yet to be taken up, again where its replacement was lost with its node. A slot that failed and was
/// tolerated holds nobody up for longer than another, and one that waits for the budget is not part of it yet.
pub fn first_batch_proven_at(
    store: &Store,
    service: &Service,
    rollout: &Rollout,
    policy: &Policy,
    now: Timestamp,
) -> Option<Timestamp> {
    let is_held = held(store, service, policy, now);
    let (mut taken, mut proven_at) = (0, None);
    for step in store.steps_of(service.id).filter(|step| !is_held(step)) {
        taken += 1;
        proven_at = proven_at.max(Some(step.settled_at? + policy.monitor));
    }
    proven_at.filter(|_| taken >= policy.lanes.min(rollout.slot_count))
}
