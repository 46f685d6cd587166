//! The availability budget: what a service can bear of all that is done to it at once, by a rollout, a drain or a
//! rebalancing, whoever began it.
//!
//! Slots that are out of service spend it, for whatever reason: a crash and a lost node spend what a step would.
//! What was out of service before may be replaced all the same, because that costs nothing. A failure that its
//! rollout tolerates is paid for by the failure ratio. Nothing of it is stored: it is counted in what there is.

use std::collections::BTreeSet;
use std::sync::Arc;

use skep_model::policy::Profile;
use skep_model::service::UpdateOrder;
use skep_model::task::{Desired, SlotId, TaskState};
use skep_model::{Policy, Service, Task, Timestamp};

use super::global;
use super::slot::{self, Slot};
use crate::store::{Store, earlier};

/// What is left of a service's budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many more slots may go out of service.
    pub stops: u64,
    /// How many more tasks may be started beside others of their slots.
    pub starts: u64,
    /// Whether what is out of service keeps the others from being handed over.
    pub is_spent: bool,
    /// When there is more of it, if nothing happens before.
    pub wake_at: Option<Timestamp>,
}

impl Budget {
    /// Counts what is left of the budget of a service at `now`.
    pub fn of(store: &Store, service: &Service, policy: &Policy, now: Timestamp) -> Budget {
        let kept = store.tally(service.id).kept;
        let allowed = unavailable(policy, kept);
        // More than that makes no difference.
        let at_most = usize::try_from(allowed.saturating_add(1)).unwrap_or(usize::MAX);
        let out = match allowed {
            // Whatever is out of service, all may be.
            u64::MAX => 0,
            _ => out_of_service(store, service, policy).take(at_most).count() as u64,
        };
        let stops = allowed.saturating_sub(out);
        let unbounded = Budget { stops, starts: u64::MAX, is_spent: stops == 0, wake_at: None };
        match policy.order {
            UpdateOrder::StopFirst => Budget { starts: 0, ..unbounded },
            // Compat: Swarm's only bound on them is the parallelism.
            _ if policy.profile == Profile::Swarm => unbounded,
            // Where more is out of service than may be, nothing that serves is touched in this order, either.
            UpdateOrder::StartFirst if out > allowed => Budget { starts: 0, is_spent: true, ..unbounded },
            UpdateOrder::StartFirst => {
                let surge = policy.surge.ceil(kept).max(1);
                let (surplus, wake_at) = surplus(store, service, policy, surge, now);
                Budget { stops, starts: surge.saturating_sub(surplus), is_spent: false, wake_at }
            }
        }
    }

    /// Returns whether one more slot that serves may be handed over in this order.
    pub fn allows(&self, order: UpdateOrder) -> bool {
        match order {
            UpdateOrder::StopFirst => self.stops > 0,
            UpdateOrder::StartFirst => self.starts > 0,
        }
    }
}

/// What is left of a service's budget while its slots are looked at one after another: counted when it is first asked
/// for, spent from then on.
#[derive(Debug, Default)]
pub struct Purse {
    left: Option<Budget>,
    refused: BTreeSet<SlotId>,
}

impl Purse {
    /// Returns what is left.
    pub fn left(&mut self, store: &Store, service: &Service, policy: &Policy, now: Timestamp) -> Budget {
        *self.left.get_or_insert_with(|| Budget::of(store, service, policy, now))
    }

    /// Takes in that a slot that serves is handed over in this order.
    pub fn spend(&mut self, order: UpdateOrder) {
        let Some(left) = &mut self.left else { return };
        match order {
            UpdateOrder::StopFirst => left.stops = left.stops.saturating_sub(1),
            UpdateOrder::StartFirst => left.starts = left.starts.saturating_sub(1),
        }
    }

    /// Takes in that more was spent or freed than is known here (slots ended, or what serves nobody started): what is left
    /// has to be counted anew.
    pub fn recount(&mut self) {
        self.left = None;
    }

    /// Notes that a slot waits for the budget. What it waits for is spent or freed by others, so that nothing in the slot
    /// tells when to look at it again.
    pub fn refuse(&mut self, slot: SlotId) {
        self.refused.insert(slot);
    }

    /// Returns the slots that wait for the budget.
    pub fn into_refused(self) -> BTreeSet<SlotId> {
        self.refused
    }
}

/// Returns how many of `kept` slots may be out of service. Stop-first needs one, or nothing would ever move.
pub fn unavailable(policy: &Policy, kept: u64) -> u64 {
    let least = u64::from(policy.order == UpdateOrder::StopFirst);
    policy.unavailable.floor(kept).max(least)
}

/// Returns the slots that should serve and do not.
///
/// Compat: Swarm looks at what it changes itself and at nothing else, and so does its profile.
pub fn out_of_service(store: &Store, service: &Service, policy: &Policy) -> impl Iterator<Item = Slot> {
    let is_swarm = policy.profile == Profile::Swarm;
    // A node that is out of reach keeps its own, and nobody waits for it; what ended for good is not missed.
    let is_missed = move |slot: &Slot| {
        slot.last_holder().is_none()
            && !is_tolerated(store, service, slot.id)
            && global::takes_part(store, service, slot.id)
    };
    let slots = store.slots_idle(service.id).map(|id| slot::load(store, service.id, id));
    slots.filter(move |slot| match is_swarm {
        true => is_changing(store, slot),
        false => is_missed(slot),
    })
}

/// Returns whether the slot's replacement failed, and its rollout goes on all the same.
fn is_tolerated(store: &Store, service: &Service, slot: SlotId) -> bool {
    store.rollout(service.id).is_some_and(|rollout| rollout.is_running())
        && store.step(service.id, slot).is_some_and(|step| step.failed)
}

/// Returns whether an idle slot is out of service for the moment only, because it changes hands or starts.
fn is_changing(store: &Store, slot: &Slot) -> bool {
    let comes_up = |task: &Arc<Task>| {
        let is_lost = task.node_id.is_some_and(|id| slot::is_down(store, id));
        !task.is_restart() && !is_lost && task.status.state != TaskState::Pending && !task.is_over()
    };
    slot.live().any(comes_up)
}

/// Returns how many tasks run, or are stopping, beyond one for each slot, up to `most`, and when the first of those that
/// stop is not waited for any more.
fn surplus(
    store: &Store,
    service: &Service,
    policy: &Policy,
    most: u64,
    now: Timestamp,
) -> (u64, Option<Timestamp>) {
    if most == u64::MAX {
        return (0, None);
    }
    let stopping = store.slots_stopping(service.id).filter(|_| policy.counts_terminating);
    let slots: BTreeSet<_> = store.slots_contested(service.id).chain(stopping).collect();
    let (mut surplus, mut wake_at) = (0, None);
    for id in slots.into_iter().filter(|id| !is_tolerated(store, service, *id)) {
        // More of them make no difference: what frees the others is an event that comes here again.
        if surplus >= most {
            break;
        }
        let slot = slot::load(store, service.id, id);
        // What a node that is down has is out of reach, and nobody waits for it.
        let is_lost = |task: &Task| task.node_id.is_some_and(|id| slot::is_down(store, id));
        let is_started =
            |task: &&Arc<Task>| task.desired == Desired::Running && !task.is_over() && !is_lost(task);
        let mut count = slot.live().filter(is_started).count() as u64;
        // What did not begin to start never runs.
        let began = slot.tasks.iter().filter(|task| task.status.state >= TaskState::Starting);
        let ends = began.filter_map(|task| slot::stops_by(store, task));
        for until in ends.filter(|until| policy.counts_terminating && *until > now) {
            count += 1;
            wake_at = earlier(wake_at, Some(until));
        }
        surplus += count.saturating_sub(u64::from(slot.is_kept()));
    }
    (surplus, wake_at)
}
