//! As many slots as replicas: makes the missing ones, gives up the surplus.

use std::collections::{BTreeMap, BTreeSet};

use skep_model::policy::Profile;
use skep_model::rollout::{Direction, Phase};
use skep_model::task::{Desired, SlotId};
use skep_model::{NodeId, Rollout, Service};

use super::current::goes_on;
use super::slot::{self, Slot};
use super::{Blueprint, new_task, rollout};
use crate::random::Random;
use crate::store::{Draft, Store};

/// Makes the slots that are missing.
pub fn plan(draft: &mut Draft, random: &mut Random, service: &Service) {
    let Some(replicas) = service.spec.replicas() else { return };
    let count = draft.tally(service.id).kept;
    if count < replicas {
        make_slots(draft, random, service, replicas - count);
    }
}

/// Gives up the surplus.
pub fn give_up(draft: &mut Draft, service: &Service) {
    let Some(replicas) = service.spec.replicas() else { return };
    if draft.tally(service.id).kept <= replicas {
        return;
    }
    let slots: Vec<_> = draft.slots_kept(service.id).map(|id| slot::load(draft, service.id, id)).collect();
    let keeps_running = rollout::policy(draft, service, None).profile != Profile::Swarm;
    let wanted = usize::try_from(replicas).unwrap_or(usize::MAX);
    for slot in surplus(&slots, wanted, keeps_running) {
        if draft.is_full() {
            return;
        }
        for task in slot.tasks.iter().filter(|task| task.desired != Desired::Remove) {
            draft.change_task(task.id, |task| task.desired = Desired::Remove);
        }
        draft.delete_step(service.id, slot.id);
    }
}

/// Makes slots with the lowest free numbers. A number is free when no task holds it, not even one that
/// is still stopping: its successor would share the name.
fn make_slots(draft: &mut Draft, random: &mut Random, service: &Service, count: u64) {
    let taken: BTreeSet<SlotId> = draft.tasks_of(service.id).map(|task| task.slot).collect();
    let rollout = draft.rollout(service.id).cloned();
    let is_first = draft.tally(service.id).kept == 0;
    let free = (1u64..).map(SlotId::Number).filter(|slot| !taken.contains(slot));
    for slot in free.take(usize::try_from(count).unwrap_or(usize::MAX)) {
        if draft.is_full() {
            return;
        }
        // A failure under a number that is used again was another slot's.
        draft.delete_step(service.id, slot);
        let made_from = blueprint(draft, service, rollout.as_deref(), is_first);
        let task = new_task(draft, random, service, slot, made_from, Desired::Running);
        draft.put_task(task);
    }
}

/// Returns what new slots are made from: what ran before while the new revision is unproven, unless there is
/// nothing that could be disturbed and nothing against the new one.
pub(super) fn blueprint(
    store: &Store,
    service: &Service,
    rollout: Option<&Rollout>,
    is_first: bool,
) -> Blueprint {
    let before = rollout
        .filter(|rollout| rollout.direction == Direction::Forward && rollout.phase != Phase::Completed)
        .and_then(|rollout| rollout.from)
        // What would adopt the new revision as soon as it stands somewhere is made from it.
        .filter(|from| {
            !store.revision(service.id, *from).is_some_and(|known| goes_on(store, service, &known.template))
        });
    let is_paused = rollout.is_some_and(|rollout| rollout.phase == Phase::Paused);
    match before {
        Some(before) if !is_first || is_paused => Blueprint::of_revision(store, service, before),
        _ => Blueprint::of(store, service),
    }
}

/// Returns the slots to give up, in Swarm's order: those without a node or in mid-update first, then
/// those on the most crowded nodes, of these the ones that do not run and the highest numbers.
///
/// `keeps_running`: and before all of them, those that do not run, so that no more goes out of service than has to.
fn surplus(slots: &[Slot], wanted: usize, keeps_running: bool) -> Vec<&Slot> {
    let mut ordered: Vec<&Slot> = slots.iter().collect();
    ordered.sort_by_key(|slot| (!slot.is_running(), slot.id));
    let mut on_node: BTreeMap<NodeId, u64> = BTreeMap::new();
    let mut ranked: Vec<(u64, &Slot)> = Vec::with_capacity(ordered.len());
    for slot in ordered {
        let mut live = slot.live();
        let rank = match (live.next().and_then(|task| task.node_id), live.next()) {
            (Some(node_id), None) => {
                let nth = on_node.entry(node_id).or_default();
                *nth += 1;
                *nth
            }
            _ => u64::MAX,
        };
        ranked.push((rank, slot));
    }
    // The sort is stable, so what was decided above holds among equals.
    ranked.sort_by_key(|(rank, slot)| (keeps_running && !slot.is_running(), *rank));
    ranked.drain(..wanted.min(ranked.len()));
    ranked.into_iter().map(|(_, slot)| slot).collect()
}
