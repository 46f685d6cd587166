//! Moves tasks to nodes that joined or came back, where the cluster asks for it (`skep.rebalance=on`).
//!
//! One task at a time in the whole cluster, of a service that is at rest: everything runs, no rollout and no move is under
//! way, and nothing came or went for a while. Which move would help is the scheduler's to say
//! ([`Scheduler::uneven`]); it is made like any other ([`super::relocate`]), within the service's budget. A move that
//! finds no place is taken back.

use std::collections::BTreeSet;

use skep_model::placement::{self, Relocation};
use skep_model::policy::Profile;
use skep_model::rollout::Phase;
use skep_model::service::Mode;
use skep_model::task::{Leave, LeaveCause, TaskState};
use skep_model::{Service, ServiceId, Task, Timestamp, limits};

use super::{rollout, slot};
use crate::schedule::Scheduler;
use crate::store::{Draft, Store, earlier};

/// Returns whether the cluster asks for it.
pub fn is_asked_for(store: &Store) -> bool {
    // What is wrong was refused when it was written.
    store.cluster().is_some_and(|cluster| placement::rebalances(&cluster.spec.labels).unwrap_or_default())
}

/// Marks the next task to move, of a service in `uneven`; those that stand evenly are taken out of it. Returns when to
/// look again.
pub fn plan(draft: &mut Draft, scheduler: &Scheduler, uneven: &mut BTreeSet<ServiceId>) -> Option<Timestamp> {
    if !is_asked_for(draft) {
        uneven.clear();
        return None;
    }
    if uneven.is_empty() {
        return None;
    }
    let mut wake_at = None;
    for id in uneven.clone() {
        give_up(draft, id);
        let Some(service) = draft.service(id).filter(|service| may_move(draft, service)).cloned() else {
            uneven.remove(&id);
            continue;
        };
        match rest(draft, &service) {
            // It is looked at again when something of it changes.
            None => drop(uneven.remove(&id)),
            Some(at) if at > draft.now() => wake_at = earlier(wake_at, Some(at)),
            Some(_) if is_moving(draft) => return wake_at,
            Some(_) => match scheduler.uneven(draft, &service) {
                None => drop(uneven.remove(&id)),
                Some(Relocation { task, .. }) => {
                    let leaves = Leave { cause: LeaveCause::Rebalance, since: draft.now() };
                    draft.change_task(task.id, |task| task.leaves = Some(leaves));
                    return wake_at;
                }
            },
        }
    }
    wake_at
}

/// Returns what rebalancing would move, were it asked for, in its order; at most [`limits::REBALANCE_MOVES_TOLD`].
pub fn proposals(store: &Store) -> Vec<Relocation> {
    let (mut scheduler, mut moves) = (Scheduler::new(store), Vec::new());
    for service in store.services().filter(|service| may_move(store, service)) {
        let mut told = BTreeSet::new();
        while moves.len() < limits::REBALANCE_MOVES_TOLD
            && let Some(next) = scheduler.uneven(store, service)
            && told.insert(next.task.id)
        {
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

/// Returns when the service will have been at rest for long enough; `None`: it is not at rest.
fn rest(store: &Store, service: &Service) -> Option<Timestamp> {
    let (id, tally) = (service.id, store.tally(service.id));
    let is_at_rest = store.rollout(id).is_none_or(|rollout| rollout.phase == Phase::Completed)
        && tally.running == tally.kept
        && store.slots_contested(id).next().is_none()
        && store.slots_stopping(id).next().is_none()
        && store.slots_leaving(id).next().is_none();
    let last = |task: &Task| task.meta.created_at.max(task.ran_at.unwrap_or_default());
    is_at_rest.then(|| {
        store.tasks_of(id).map(|task| last(task)).max().unwrap_or_default() + limits::REBALANCE_PAUSE
    })
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

/// Takes back a move whose successor finds no node.
fn give_up(draft: &mut Draft, id: ServiceId) {
    let slots: Vec<_> = draft.slots_leaving(id).map(|slot| slot::load(draft, id, slot)).collect();
    for slot in slots {
        let finds_none = slot.moved().is_some_and(|moved| moved.status.state == TaskState::Pending);
        for task in slot.live().filter(|task| finds_none && is_rebalanced(task)) {
            draft.change_task(task.id, |task| task.leaves = None);
        }
    }
}
