//! One task on each node that can take it: the slots of such a service are the nodes.
//!
//! A node's slot is planned like any other ([`super::slot`]); here is decided which nodes have one. Nobody
//! but its node can run such a task, so a node that is out of reach keeps its own: it may well run, and
//! going on with it is better than to replace it when the node is back, as Swarm does. What is out of date
//! there is left to a rollout, at its pace.

use std::sync::Arc;

use skep_model::constraint::Constraint;
use skep_model::node::{Availability, NodeState};
use skep_model::rollout::{Direction, Phase};
use skep_model::task::{Desired, SlotId};
use skep_model::{Node, NodeId, Rollout, Service, Step, Task, Timestamp};

use super::budget::Purse;
use super::current::is_current;
use super::handover::is_held;
use super::slot::{self, Slot};
use super::{Blueprint, attempt, new_task, replicated, rollout};
use crate::random::Random;
use crate::store::{Draft, Store};

/// What a node has to offer to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The node was removed.
    Gone,
    /// It is drained, or does not meet the service's constraints: nothing may stay.
    Closed,
    /// It is paused or out of reach: what is there stays, nothing comes.
    Kept,
    /// It takes a task.
    Open,
}

/// Returns what a node has to offer to a service.
pub fn place(store: &Store, service: &Service, id: NodeId) -> Place {
    let Some(node) = store.node(id) else { return Place::Gone };
    match () {
        () if node.spec.availability == Availability::Drain || !matches(service, node) => Place::Closed,
        () if node.takes_tasks() => Place::Open,
        () => Place::Kept,
    }
}

fn matches(service: &Service, node: &Node) -> bool {
    let constraints = &service.spec.task.placement.constraints;
    constraints.iter().all(|text| Constraint::parse(text).is_ok_and(|constraint| constraint.matches(node)))
}

/// Returns whether a new task of the slot could be placed: always, where any node may do.
pub fn takes_task(store: &Store, service: &Service, slot: SlotId) -> bool {
    match slot {
        SlotId::Number(_) => true,
        SlotId::Node(id) => place(store, service, id) == Place::Open,
    }
}

/// Returns whether a rollout has to move the slot. It does not wait for nodes that are paused or down, but it
/// does for one that a new leader has yet to hear of.
pub fn takes_part(store: &Store, service: &Service, slot: SlotId) -> bool {
    let SlotId::Node(id) = slot else { return true };
    let is_awaited =
        |node: &Node| node.spec.availability == Availability::Active && node.status.state != NodeState::Down;
    match place(store, service, id) {
        Place::Open => true,
        Place::Kept => store.node(id).is_some_and(|node| is_awaited(node)),
        Place::Closed | Place::Gone => false,
    }
}

/// Plans the slot that the service has on a node. Returns the next deadline.
pub fn plan(
    draft: &mut Draft,
    random: &mut Random,
    purse: &mut Purse,
    service: &Service,
    slot: &Slot,
) -> Option<Timestamp> {
    let SlotId::Node(node_id) = slot.id else { return None };
    let place = place(draft, service, node_id);
    match place {
        Place::Gone => {
            forget(draft, service, slot);
            // A share of fewer slots is less.
            purse.recount();
            return None;
        }
        Place::Closed => close(draft, service, slot),
        Place::Kept => give_way(draft, service, slot, node_id),
        Place::Open => {}
    }
    let wake_at = slot::plan(draft, random, purse, service, &slot::load(draft, service.id, slot.id));
    let slot = slot::load(draft, service.id, slot.id);
    match place {
        // Of two that were to start, one may have become the slot's.
        Place::Kept => give_way(draft, service, &slot, node_id),
        Place::Open if is_vacant(&slot) => fill(draft, random, service, &slot),
        Place::Open => ask_for_rollout(draft, service, &slot, node_id),
        Place::Gone | Place::Closed => {}
    }
    wake_at
}

/// Forgets everything about a slot whose node was removed.
pub(super) fn forget(draft: &mut Draft, service: &Service, slot: &Slot) {
    slot.tasks.iter().for_each(|task| draft.delete_task(task.id));
    draft.delete_step(service.id, slot.id);
}

/// Ends what there is. A rollout does not wait for it.
pub(super) fn close(draft: &mut Draft, service: &Service, slot: &Slot) {
    slot::shut_down(draft, slot.live());
    leave_rollout(draft, service, slot.id);
}

/// The node takes nothing for the moment: a rollout does not wait for it, and what it prepared there and
/// cannot finish is dropped. Not so in favour of what a rollout holds back, which would start in its place.
fn give_way(draft: &mut Draft, service: &Service, slot: &Slot, id: NodeId) {
    let is_down = draft.node(id).is_some_and(|node| node.status.state == NodeState::Down);
    let is_stuck = |task: &&Arc<Task>| !task.is_started() && (task.node_id.is_none() || is_down);
    let stuck: Vec<_> = slot.live().filter(is_stuck).collect();
    let has_stuck_step =
        draft.step(service.id, slot.id).is_some_and(|step| stuck.iter().any(|task| task.id == step.task_id));
    let rollout = draft.rollout(service.id).map(|rollout| &**rollout);
    if slot.live().any(|task| !is_stuck(&task) && !is_held(draft, rollout, task)) {
        slot::shut_down(draft, stuck);
    }
    if is_down || has_stuck_step {
        leave_rollout(draft, service, slot.id);
    }
}

fn leave_rollout(draft: &mut Draft, service: &Service, slot: SlotId) {
    if draft.step(service.id, slot).is_some_and(|step| step.settled_at.is_none()) {
        draft.delete_step(service.id, slot);
    }
}

/// Returns whether nothing is live in the slot, and nothing tells that this is as it should be.
pub(super) fn is_vacant(slot: &Slot) -> bool {
    slot.live().next().is_none() && slot.last_holder().is_none()
}

/// Makes the slot's task; it starts when what was there before has ended.
fn fill(draft: &mut Draft, random: &mut Random, service: &Service, slot: &Slot) {
    let made_from = blueprint(draft, service, slot);
    let desired = match slot::still_stopping(draft, slot) {
        Some(until) if until > draft.now() => Desired::Ready,
        _ => Desired::Running,
    };
    let mut task = new_task(draft, random, service, slot.id, made_from, desired);
    if let Some(before) = slot.tasks.last().filter(|before| before.revision == task.revision) {
        attempt::inherit(&mut task, before);
    }
    draft.put_task(task);
}

/// Returns what a task that comes back to its node is made from: what was there before, while a rollout is
/// on its way that will move it.
fn blueprint(store: &Store, service: &Service, slot: &Slot) -> Blueprint {
    let rollout = store.rollout(service.id);
    let moving = rollout
        .filter(|rollout| rollout.phase != Phase::Completed && rollout.direction == Direction::Forward);
    let is_moved = |step: &&Arc<Step>| step.settled_at.is_some() && !step.failed;
    let moved_to = store.step(service.id, slot.id).filter(is_moved).map(|_| service.revision);
    // What was prepared there and never ran had no part in it.
    let holder = slot.tasks.iter().rfind(|task| task.ran_at.is_some()).or(slot.tasks.last());
    let had = moved_to.or(holder.map(|task| task.revision));
    match (moving, had) {
        // Of the two revisions that may be live, no third.
        (Some(rollout), Some(had)) if had == rollout.revision || Some(had) == rollout.from => {
            Blueprint::of_revision(store, service, had)
        }
        _ => {
            let is_first = store.tally(service.id).kept == 0;
            replicated::blueprint(store, service, rollout.map(|rollout| &**rollout), is_first)
        }
    }
}

/// A node came back with a task that is out of date, and the rollout that should have moved it is over:
/// another one does. What the rollout tried there, and failed, is not tried again.
fn ask_for_rollout(draft: &mut Draft, service: &Service, slot: &Slot, node_id: NodeId) {
    let node = draft.node(node_id).map(|node| node.meta.updated_at).unwrap_or_default();
    let was_missed = |rollout: &Rollout| {
        let came_back_later = rollout.completed_at.is_some_and(|completed_at| node > completed_at);
        rollout.phase == Phase::Completed && (rollout.failed_count == 0 || came_back_later)
    };
    let is_over = draft.rollout(service.id).is_none_or(|rollout| was_missed(rollout));
    let is_outdated = |task: &Arc<Task>| !is_current(draft, service, task);
    if is_over && slot.live().chain(slot.last_holder()).any(is_outdated) {
        rollout::ask_again(draft, service);
    }
}
