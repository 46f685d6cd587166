//! Which slots a rollout has yet to take up, found through the indexes: a slot that has what it should costs
//! nothing to anybody.

use std::cmp::Reverse;
use std::sync::Arc;

use skep_model::task::SlotId;
use skep_model::{Service, Task};

use crate::orchestrate::current::is_current;
use crate::orchestrate::global;
use crate::orchestrate::slot::{self, Slot};
use crate::store::Store;

/// Returns the slots that are outdated and not taken up, in the order in which they are taken up: those that
/// serve nobody come first, because to replace them costs nothing; then the newest revision, which is what a
/// superseded rollout left unproven.
pub fn outdated(store: &Store, service: &Service) -> impl Iterator<Item = Slot> {
    // A slot that was moved and is outdated once more (its node is not what it was) has another turn.
    let is_free = |slot: &SlotId| {
        store.step(service.id, *slot).is_none_or(|step| step.settled_at.is_some() && !step.failed)
    };
    let load = |slot: SlotId| slot::load(store, service.id, slot);
    let idle = store.slots_idle(service.id).filter(is_free).map(load);
    let revisions = store.revisions_live(service.id).filter(|revision| *revision != service.revision);
    let others = revisions.flat_map(|revision| store.tasks_of_revision(service.id, revision));
    // A slot may have several of these tasks; it is named by the first.
    let is_first = |slot: &Slot, task: &Task| {
        let others = slot.live().filter(|other| other.revision != service.revision);
        others.map(|other| (Reverse(other.revision), other.id)).min().map(|(_, id)| id) == Some(task.id)
    };
    let serving = others.filter(move |task| is_free(&task.slot)).filter_map(move |task| {
        let slot = load(task.slot);
        (slot.is_running() && is_first(&slot, task)).then_some(slot)
    });
    // A node that is out of reach has its turn when it is back.
    let takes_part = |slot: &Slot| global::takes_part(store, service, slot.id);
    idle.chain(serving).filter(move |slot| takes_part(slot) && is_outdated(store, service, slot))
}

/// A slot is outdated when its live task is, or when it has none and the one that ended last is.
fn is_outdated(store: &Store, service: &Service, slot: &Slot) -> bool {
    let is_current = |task: &Arc<Task>| is_current(store, service, task);
    match slot.live().next() {
        None => !slot.last_holder().is_some_and(is_current),
        Some(_) => !slot.live().all(is_current),
    }
}
