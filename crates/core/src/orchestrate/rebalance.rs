//! Moves tasks to nodes that joined or came back, where the cluster asks for it (`skep.rebalance=on`).
//!
//! One task at a time in the whole cluster, of a service that is at rest (`super::rest`), where no move is under way
//! either, and nothing came or went for a while. Which move would help is the scheduler's to say
//! ([`Scheduler::uneven`]); it is made like any other ([`super::relocate`]), within the service's budget. A move that
//! finds no place is taken back.

use std::collections::{BTreeMap, BTreeSet};

use skep_model::placement::{self, Relocation};
use skep_model::policy::Profile;
use skep_model::service::Mode;
use skep_model::task::{Leave, LeaveCause, TaskState};
use skep_model::{Service, ServiceId, Task, Timestamp, limits};

use super::{rest, rollout, slot};
use crate::schedule::Scheduler;
use crate::store::{Draft, Store};

/// Returns whether the cluster asks for it.
pub fn is_asked_for(store: &Store) -> bool {
    // What is wrong was refused when it was written.
    store.cluster().is_some_and(|cluster| placement::rebalances(&cluster.spec.labels).unwrap_or_default())
}

/// Marks the next task to move, of a service in `uneven`, which says when each of them is to be looked at. Returns when
/// that is next.
pub fn plan(
    draft: &mut Draft,
    scheduler: &Scheduler,
    uneven: &mut BTreeMap<ServiceId, Timestamp>,
) -> Option<Timestamp> {
    if !is_asked_for(draft) {
        let services = std::mem::take(uneven).into_keys();
        services.for_each(|id| take_back(draft, id, |_| true));
        return None;
    }
    let now = draft.now();
    let due: Vec<_> = uneven.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect();
    for id in due {
        take_back(draft, id, |moved| moved.status.state == TaskState::Pending);
        let service = draft.service(id).filter(|service| may_move(draft, service)).cloned();
        let rests_at = service.as_ref().and_then(|service| rests_at(draft, service));
        match (service, rests_at) {
            (Some(_), Some(at)) if at > now => drop(uneven.insert(id, at)),
            (Some(service), Some(_)) => {
                if is_moving(draft) {
                    // The end of that move comes here again.
                    break;
                }
                // Room, and what failed where, changes without a word to this service.
                uneven.insert(id, now + limits::REBALANCE_AGAIN);
                if let Some(next) = scheduler.uneven(draft, &service, &BTreeSet::new()) {
                    let leaves = Leave { cause: LeaveCause::Rebalance, since: now };
                    draft.change_task(next.task.id, |task| task.leaves = Some(leaves));
                    break;
                }
            }
            // It comes to rest by a change of it.
            (_, None) | (None, _) => drop(uneven.remove(&id)),
        }
    }
    uneven.values().copied().filter(|at| *at > now).min()
}

/// Returns what rebalancing would move, were it asked for, in its order; at most [`limits::REBALANCE_MOVES_TOLD`].
pub fn proposals(store: &Store) -> Vec<Relocation> {
    let (mut scheduler, mut moves) = (Scheduler::new(store), Vec::new());
    for service in store.services().filter(|service| may_move(store, service)) {
        let mut told = BTreeSet::new();
        while moves.len() < limits::REBALANCE_MOVES_TOLD
            && let Some(next) = scheduler.uneven(store, service, &told)
        {
            told.insert(next.task.id);
            scheduler.suppose(store, &next);
            moves.push(next);
        }
    }
    moves
}

/// Returns whether tasks of the service may be moved for no other reason than evenness: one can start before the other
/// ends.
fn may_move(store: &Store, service: &Service) -> bool {
    matches!(service.spec.mode, Mode::Replicated { .. })
        && rollout::policy(store, service, None).profile != Profile::Swarm
}

/// Returns when the service will have been at rest for long enough; `None`: it is not at rest, or something leaves or
/// stops.
fn rests_at(store: &Store, service: &Service) -> Option<Timestamp> {
    let id = service.id;
    // A node that is down is not waited for.
    let is_stopping = || {
        store
            .slots_stopping(id)
            .any(|slot| slot::still_stopping(store, &slot::load(store, id, slot)).is_some())
    };
    let is_at_rest =
        rest::is_at_rest(store, id) && store.slots_leaving(id).next().is_none() && !is_stopping();
    let last = || store.tasks_of(id).map(|task| task.meta.updated_at).max().unwrap_or_default();
    is_at_rest.then(|| last() + limits::REBALANCE_PAUSE)
}

/// Returns whether a task anywhere is on its way to a less loaded node.
fn is_moving(store: &Store) -> bool {
    let mut slots = store.services().flat_map(|service| {
        store.slots_leaving(service.id).flat_map(|slot| store.tasks_in(service.id, slot))
    });
    slots.any(|task| task.is_live() && is_rebalanced(task))
}

fn is_rebalanced(task: &Task) -> bool {
    task.leaves.as_ref().is_some_and(|leave| leave.cause == LeaveCause::Rebalance)
}

/// Takes back the moves of a service whose successors are so.
fn take_back(draft: &mut Draft, id: ServiceId, is_so: impl Fn(&Task) -> bool) {
    let slots: Vec<_> = draft.slots_leaving(id).map(|slot| slot::load(draft, id, slot)).collect();
    for slot in slots {
        let is_due = slot.moved().is_none_or(|moved| is_so(moved));
        for task in slot.live().filter(|task| is_due && is_rebalanced(task)) {
            draft.change_task(task.id, |task| task.leaves = None);
        }
    }
}
