//! One slot of a service: the tasks that hold it, dead or alive.
//!
//! A slot may hold history, and while it changes hands two live tasks. What follows the end of a task is
//! decided in [`super::restart`], how one task takes over from another in `handover`.

use std::collections::BTreeMap;
use std::sync::Arc;

use skep_model::node::NodeState;
use skep_model::rollout::{Direction, Phase};
use skep_model::task::{Desired, SlotId, TaskState};
use skep_model::{NodeId, Rollout, Service, ServiceId, Task, Timestamp, limits};

use super::budget::Purse;
use super::{handover, restart};
use crate::random::Random;
use crate::store::{Draft, Store, earlier};

/// The tasks of one slot, oldest first.
#[derive(Clone, Debug)]
pub struct Slot {
    pub id: SlotId,
    pub tasks: Vec<Arc<Task>>,
}

impl Slot {
    /// Returns the tasks that managers still want.
    pub fn live(&self) -> impl DoubleEndedIterator<Item = &Arc<Task>> {
        self.tasks.iter().filter(|task| task.is_live())
    }

    /// Returns whether the slot belongs to the service: scaled-down slots only wait for their end.
    pub fn is_kept(&self) -> bool {
        self.tasks.iter().any(|task| task.desired != Desired::Remove)
    }

    /// Returns the task that tells why the slot is empty, if it is and is to stay so.
    pub fn last_holder(&self) -> Option<&Arc<Task>> {
        let is_empty = self.live().next().is_none();
        self.tasks.iter().rfind(|task| task.keeps_slot && is_empty)
    }

    /// Returns the task that was made elsewhere to take over from one that has to leave its node.
    pub fn moved(&self) -> Option<&Arc<Task>> {
        let leaves = self.live().rfind(|task| task.leaves.is_some())?;
        let is_later = |task: &&Arc<Task>| {
            (task.meta.created_at, task.id) > (leaves.meta.created_at, leaves.id) && task.leaves.is_none()
        };
        self.live().rfind(|task| is_later(task) && task.revision == leaves.revision && !task.is_over())
    }

    /// Returns whether a task of the slot runs and is wanted to.
    pub fn is_running(&self) -> bool {
        self.live().any(|task| task.status.state == TaskState::Running)
    }
}

/// Returns a service's slots in the order of their numbers.
pub fn of_service(store: &Store, id: ServiceId) -> Vec<Slot> {
    let mut slots: BTreeMap<SlotId, Vec<Arc<Task>>> = BTreeMap::new();
    for task in store.tasks_of(id) {
        slots.entry(task.slot).or_default().push(task.clone());
    }
    let into_slot = |(id, mut tasks): (SlotId, Vec<Arc<Task>>)| {
        tasks.sort_by_key(|task| (task.meta.created_at, task.id));
        Slot { id, tasks }
    };
    slots.into_iter().map(into_slot).collect()
}

/// Returns one slot as it is in the store.
pub fn load(store: &Store, service_id: ServiceId, id: SlotId) -> Slot {
    let mut tasks: Vec<_> = store.tasks_in(service_id, id).cloned().collect();
    tasks.sort_by_key(|task| (task.meta.created_at, task.id));
    Slot { id, tasks }
}

/// Answers what ended in the slot and hands it over where that is due. Returns the next deadline.
pub fn plan(
    draft: &mut Draft,
    random: &mut Random,
    purse: &mut Purse,
    service: &Service,
    slot: &Slot,
) -> Option<Timestamp> {
    let rollout = draft.rollout(service.id).cloned();
    let (ended, wake_at) = end_tasks(draft, slot);
    if !ended.is_empty() {
        restart::plan(draft, random, service, rollout.as_deref(), slot, &ended);
        purse.recount();
    }
    let slot = if ended.is_empty() { slot } else { &load(draft, service.id, slot.id) };
    earlier(wake_at, handover::plan(draft, purse, service, rollout.as_deref(), slot))
}

/// Returns whether there is an end to answer in the slot, or the end of the slot itself: its node is gone.
pub(super) fn has_ended(store: &Store, service_id: ServiceId, id: SlotId) -> bool {
    if matches!(id, SlotId::Node(node_id) if store.node(node_id).is_none()) {
        return true;
    }
    let mut live = store.tasks_in(service_id, id).filter(|task| task.is_live());
    live.any(|task| is_ended(store, task))
}

/// Returns whether a live task is over, or its node gives it up.
fn is_ended(store: &Store, task: &Task) -> bool {
    task.is_over() || restart::is_given_up(store, task)
}

/// Gives up the live tasks that are over or whose node gives them up. Returns them, oldest first, and
/// the instant at which an end may be answered that came too early.
pub(super) fn end_tasks(draft: &mut Draft, slot: &Slot) -> (Vec<Arc<Task>>, Option<Timestamp>) {
    let (mut ended, mut wake_at) = (Vec::new(), None);
    for task in slot.live() {
        if !is_ended(draft, task) {
            continue;
        }
        // A task that ends before it was even due to start (its image is missing, say) must not be
        // replaced faster than the restart delay allows.
        if task.start_after > draft.now() && task.desired == Desired::Ready && task.is_over() {
            wake_at = earlier(wake_at, Some(task.start_after));
            continue;
        }
        draft.change_task(task.id, |task| task.desired = Desired::Shutdown);
        ended.push(task.clone());
    }
    (ended, wake_at)
}

/// Tells tasks to stop; their records stay.
pub(super) fn shut_down<'t>(draft: &mut Draft, tasks: impl IntoIterator<Item = &'t Arc<Task>>) {
    for task in tasks {
        draft.change_task(task.id, |task| task.desired = Desired::Shutdown);
    }
}

/// Returns until when to wait for tasks of the slot that were told to stop and have not yet.
pub(super) fn still_stopping(store: &Store, slot: &Slot) -> Option<Timestamp> {
    slot.tasks.iter().filter_map(|task| stops_by(store, task)).max()
}

/// Returns by when a task that was told to stop is over, or is not waited for any more; `None` where it is over, or not
/// to stop.
///
/// The bound is the task's own grace period and a minute more: a node that hangs does not keep the slot empty for
/// ever. A node that is down is not waited for.
pub(super) fn stops_by(store: &Store, task: &Task) -> Option<Timestamp> {
    let is_awaited = !task.is_live() && !task.is_over() && task.node_id.is_some_and(|id| !is_down(store, id));
    is_awaited.then(|| task.meta.updated_at + task.spec.container.stop_grace() + limits::OLD_TASK_WAIT_MAX)
}

/// Returns when a task is over that is waited for until `bound` (see [`stops_by`]): when its grace period ends, and when
/// it did not keep to that, at the bound.
pub(super) fn expected_by(bound: Timestamp, now: Timestamp) -> Timestamp {
    Some(bound - limits::OLD_TASK_WAIT_MAX).filter(|ends_at| *ends_at > now).unwrap_or(bound)
}

/// Returns whether a node is down, or gone.
pub(super) fn is_down(store: &Store, id: NodeId) -> bool {
    store.node(id).is_none_or(|node| node.status.state == NodeState::Down)
}

/// Returns whether the service's rollout, if any, goes back to an earlier template.
pub(super) fn goes_back(rollout: Option<&Rollout>) -> bool {
    rollout.is_some_and(|rollout| rollout.direction == Direction::Back && rollout.phase != Phase::Completed)
}
