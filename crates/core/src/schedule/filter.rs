//! Which nodes can take a task at all: Swarm's filters in Swarm's order, then affinity; the first miss counts.
//!
//! A task that only starts when its predecessor on the node is over needs no room beside it, nor a port of its
//! own; otherwise a full node could never be updated.

use std::collections::BTreeSet;

use skep_model::node::{Availability, NodeState};
use skep_model::task::SlotId;
use skep_model::{Node, NodeId, ServiceId};

use super::demand::Demand;
use super::fleet::Fleet;
use super::load::{Load, Resource};
use super::room::Manner;
use crate::store::Store;

/// Why a node cannot take a task, in the order in which is looked. Numbers are places in the lists of the
/// [`Demand`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Miss {
    Absent(Absence),
    Lacks(Resource),
    Plugin(usize),
    LogDriver,
    Constraint(usize),
    Platform,
    Port(usize),
    MaxReplicas,
    Near(usize),
    Far(usize),
}

/// Why a node takes no new tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Absence {
    Down,
    Unknown,
    Disconnected,
    Drained,
    Paused,
}

/// The slot that a task is for, and what the others of its slot mean to it. None of them is on most nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub slot: SlotId,
    pub manner: Manner,
    /// The others of its slot are over before it starts, whenever that is.
    pub is_exclusive: bool,
}

/// What is known when a node is judged.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    pub store: &'a Store,
    pub fleet: &'a Fleet,
    pub demand: &'a Demand,
}

impl Field<'_> {
    /// Returns the first reason why the node cannot take a task; `claim`: of a slot that has others there.
    pub fn miss(&self, load: &Load, claim: Option<Claim>) -> Option<Miss> {
        self.first_miss(load, claim, || self.demand.requirements.miss(&load.node))
    }

    /// Returns whether a node that is known to be what is required can take a task.
    pub fn takes_suited(&self, load: &Load) -> bool {
        debug_assert_eq!(
            self.demand.requirements.miss(&load.node),
            None,
            "it was found to be what is required"
        );
        self.first_miss(load, None, || None).is_none()
    }

    fn first_miss(
        &self,
        load: &Load,
        claim: Option<Claim>,
        unsuited: impl FnOnce() -> Option<Miss>,
    ) -> Option<Miss> {
        let demand = self.demand;
        let own = claim.map(|claim| ((demand.service_id, claim.slot), claim.manner));
        if let Some(absence) = load.absence {
            return Some(Miss::Absent(absence));
        }
        if let Some(resource) = load.lacks(&demand.amount, own) {
            return Some(Miss::Lacks(resource));
        }
        if let Some(miss) = unsuited() {
            return Some(miss);
        }
        if let Some(index) = demand.ports.iter().position(|port| !load.has_port(*port, own)) {
            return Some(Miss::Port(index));
        }
        if !self.has_place(load, claim, demand.max_replicas) {
            return Some(Miss::MaxReplicas);
        }
        self.disagrees(load, claim)
    }

    /// Returns whether the node may hold one more replica. A replica in mid-change is one, not two.
    fn has_place(&self, load: &Load, claim: Option<Claim>, max: u64) -> bool {
        let service = self.demand.service_id;
        // Where each node has one task there is nothing to limit.
        let is_bound = claim.is_some_and(|claim| matches!(claim.slot, SlotId::Node(_)));
        if max == 0 || is_bound || u64::from(self.fleet.tasks_of(service, load.seat)) < max {
            return true;
        }
        let slots = self.slots_on(service, load.id);
        let is_own = claim.is_some_and(|claim| claim.is_exclusive && slots.contains(&claim.slot));
        slots.len() as u64 - u64::from(is_own) < max
    }

    // Invariant: who asks the store about the tasks on a node is named in `Demand::counts_slots`, because of a batch none
    // is written before all are chosen.
    fn slots_on(&self, service: ServiceId, node: NodeId) -> BTreeSet<SlotId> {
        let here = self
            .store
            .tasks_on(node)
            .filter(|task| task.service_id == service && task.is_live() && !task.is_over());
        here.map(|task| task.slot).collect()
    }

    /// Returns the first service that should be there and is not, or the other way round.
    fn disagrees(&self, load: &Load, claim: Option<Claim>) -> Option<Miss> {
        let has = |id: ServiceId| self.fleet.tasks_of(id, load.seat) > 0;
        let demand = self.demand;
        if let Some(index) = demand.near.iter().position(|(_, id)| !id.is_some_and(has)) {
            return Some(Miss::Near(index));
        }
        let is_near = |id: ServiceId| match id == demand.service_id {
            true => !self.has_place(load, claim, 1),
            false => has(id),
        };
        demand.far.iter().position(|(_, id)| is_near(*id)).map(Miss::Far)
    }
}

/// Returns why a node takes no new tasks, if so.
pub fn absence(node: &Node) -> Option<Absence> {
    match (node.status.state, node.spec.availability) {
        (NodeState::Down, _) => Some(Absence::Down),
        (NodeState::Unknown, _) => Some(Absence::Unknown),
        (NodeState::Disconnected, _) => Some(Absence::Disconnected),
        (NodeState::Ready, Availability::Drain) => Some(Absence::Drained),
        (NodeState::Ready, Availability::Pause) => Some(Absence::Paused),
        (NodeState::Ready, Availability::Active) => None,
    }
}
