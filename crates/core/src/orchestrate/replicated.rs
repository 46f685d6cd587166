//! As many slots as replicas: makes the missing ones, gives up the surplus.

use std::collections::{BTreeMap, BTreeSet};

use skep_model::rollout::{Direction, Phase};
use skep_model::task::Desired;
use skep_model::{NodeId, Rollout, Service};

use super::slot::{self, Slot};
use super::{Blueprint, new_task};
use crate::random::Random;
use crate::store::Draft;

/// Brings the number of slots to the number of replicas.
pub fn plan(draft: &mut Draft, random: &mut Random, service: &Service) {
    let slots: Vec<_> = slot::of_service(draft, service.id).into_iter().filter(Slot::is_kept).collect();
    let wanted = usize::try_from(service.spec.replicas()).unwrap_or(usize::MAX);
    if slots.len() < wanted {
        make_slots(draft, random, service, &slots, wanted - slots.len());
    } else {
        for slot in surplus(&slots, wanted) {
            if draft.is_full() {
                return;
            }
            for task in slot.tasks.iter().filter(|task| task.desired != Desired::Remove) {
                draft.change_task(task.id, |task| task.desired = Desired::Remove);
            }
        }
    }
}

/// Makes slots with the lowest free numbers. A number is free when no task holds it, not even one that
/// is still stopping: its successor would share the name.
fn make_slots(draft: &mut Draft, random: &mut Random, service: &Service, slots: &[Slot], count: usize) {
    let taken: BTreeSet<u64> = draft.tasks_of(service.id).map(|task| task.slot).collect();
    let rollout = draft.rollout(service.id).cloned();
    let free: Vec<u64> = (1u64..).filter(|number| !taken.contains(number)).take(count).collect();
    forget_steps(draft, rollout.as_deref(), &free);
    for number in free {
        if draft.is_full() {
            return;
        }
        let made_from = blueprint(service, rollout.as_deref(), slots.is_empty());
        let task = new_task(draft, random, service, number, made_from, Desired::Running);
        draft.put_task(task);
    }
}

/// A failure under a number that is used again was another slot's.
fn forget_steps(draft: &mut Draft, rollout: Option<&Rollout>, numbers: &[u64]) {
    if let Some(rollout) = rollout.filter(|rollout| numbers.iter().any(|n| rollout.steps.contains_key(n))) {
        let mut rollout = Rollout::clone(rollout);
        rollout.steps.retain(|number, _| !numbers.contains(number));
        draft.put_rollout(rollout);
    }
}

/// Returns what new slots are made from: the proven template while the new one is not, unless there is
/// nothing that could be disturbed and nothing against the new one.
fn blueprint(service: &Service, rollout: Option<&Rollout>, is_first: bool) -> Blueprint {
    let unproven = rollout
        .filter(|rollout| rollout.direction == Direction::Forward && rollout.phase != Phase::Completed)
        .and_then(|rollout| rollout.proven.as_ref());
    let is_paused = rollout.is_some_and(|rollout| rollout.phase == Phase::Paused);
    match unproven {
        Some(proven) if !is_first || is_paused => {
            Blueprint { spec: proven.task.clone(), revision: proven.revision }
        }
        _ => Blueprint::of(service),
    }
}

/// Returns the slots to give up, in Swarm's order: those without a node or in mid-update first, then
/// those on the most crowded nodes, of these the ones that do not run and the highest numbers.
fn surplus(slots: &[Slot], wanted: usize) -> Vec<&Slot> {
    let mut ordered: Vec<&Slot> = slots.iter().collect();
    ordered.sort_by_key(|slot| (!slot.is_running(), slot.number));
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
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.drain(..wanted.min(ranked.len()));
    ranked.into_iter().map(|(_, slot)| slot).collect()
}
