//! Which slots a rollout has yet to take up, found through the indexes: a slot that has what it should costs
//! nothing to anybody.

use std::sync::Arc;

use skep_model::task::SlotId;
use skep_model::{Service, Task};

use crate::orchestrate::current::is_current;
use crate::orchestrate::global;
use crate::orchestrate::slot::{self, Slot};
use crate::store::Store;

/// Returns the slots that are outdated and not taken up, in the order in which they are taken up: those that
/// serve nobody come first, because to replace them costs nothing; then what another rollout, or a move, left in
/// mid-change; then what has to leave its node; then the newest revision, which is what a superseded rollout left
/// unproven.
pub fn outdated<'s>(store: &'s Store, service: &'s Service) -> impl Iterator<Item = Slot> + use<'s> {
    // A slot that was moved and is outdated once more (its node is not what it was) has another turn.
    let is_free = |slot: &SlotId| {
        store.step(service.id, *slot).is_none_or(|step| step.settled_at.is_some() && !step.failed)
    };
    let load = |slot: SlotId| slot::load(store, service.id, slot);
    let idle = store.slots_idle(service.id).filter(is_free).map(load);
    let contested = store.slots_contested(service.id).filter(is_free).map(load).filter(Slot::is_running);
    let is_alone = |slot: &Slot| slot.is_running() && slot.live().nth(1).is_none();
    let leaving = store.slots_leaving(service.id).filter(is_free).map(load).filter(is_alone);
    let revisions = store.revisions_live(service.id).filter(|revision| *revision != service.revision);
    let others = revisions.flat_map(|revision| store.tasks_of_revision(service.id, revision));
    let stays = move |task: &&'s Arc<Task>| task.leaves.is_none() && is_free(&task.slot);
    let serving = others.filter(stays).map(move |task| load(task.slot)).filter(is_alone);
    // A node that is out of reach has its turn when it is back.
    let takes_part = |slot: &Slot| global::takes_part(store, service, slot.id);
    let all = idle.chain(contested).chain(leaving).chain(serving);
    all.filter(move |slot| takes_part(slot) && is_outdated(store, service, slot))
}

/// A slot is outdated when its live task is, or when it has none and the one that ended last is.
fn is_outdated(store: &Store, service: &Service, slot: &Slot) -> bool {
    let is_current = |task: &Arc<Task>| is_current(store, service, task);
    match slot.live().next() {
        None => !slot.last_holder().is_some_and(is_current),
        Some(_) => !slot.live().all(is_current),
    }
}
