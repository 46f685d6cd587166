//! Which nodes can take a task at all: Swarm's filters in Swarm's order, the first miss counts.
//!
//! A task that only starts when its predecessor on the node is over needs no room beside it; otherwise
//! a full node could never be updated.

use std::collections::{BTreeMap, BTreeSet};

use skep_model::constraint::{Constraint, architecture};
use skep_model::service::UpdateOrder;
use skep_model::task::{Desired, SlotId};
use skep_model::template::Platform;
use skep_model::{NodeId, Task};

use super::node_load::Load;
use crate::orchestrate::rollout::config_in_force;
use crate::store::Store;

/// What a task asks of a node.
pub struct Demand<'t> {
    pub task: &'t Task,
    /// The others of its slot are over before it starts.
    is_exclusive: bool,
    /// `None` where a constraint cannot be parsed: no node fulfils it.
    constraints: Option<Vec<Constraint>>,
    /// Slots of the service on each node; empty where there is no limit to them.
    slots: BTreeMap<NodeId, BTreeSet<SlotId>>,
}

/// Why a node cannot take a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Miss {
    NotAvailable,
    Resources,
    Constraint,
    Platform,
    MaxReplicas,
}

impl<'t> Demand<'t> {
    pub fn of(store: &Store, task: &'t Task) -> Self {
        let placement = &task.spec.placement;
        let constraints = placement.constraints.iter().map(|text| Constraint::parse(text).ok()).collect();
        // Where each node has one task there is nothing to limit.
        let is_limited = placement.max_replicas > 0 && matches!(task.slot, SlotId::Number(_));
        let slots = if is_limited { slots_by_node(store, task) } else { BTreeMap::new() };
        Demand { task, is_exclusive: is_exclusive(store, task), constraints, slots }
    }

    /// Returns whether the node is one to ask: a task that belongs to a node may run on no other.
    pub fn may_go_to(&self, id: NodeId) -> bool {
        match self.task.slot {
            SlotId::Node(own) => own == id,
            SlotId::Number(_) => true,
        }
    }

    /// Returns the first reason why the node cannot take the task.
    pub fn miss(&self, load: &Load) -> Option<Miss> {
        let node = &load.node;
        if !node.takes_tasks() {
            Some(Miss::NotAvailable)
        } else if !load.has_room_for(self.task, self.stands_by()) {
            Some(Miss::Resources)
        } else if !self.constraints.as_ref().is_some_and(|all| all.iter().all(|one| one.matches(node))) {
            Some(Miss::Constraint)
        } else if !self.runs_on(&node.description.platform) {
            Some(Miss::Platform)
        } else if !self.has_place_on(node.id) {
            Some(Miss::MaxReplicas)
        } else {
            None
        }
    }

    /// Returns whether the task starts only when the others of its slot are over.
    pub fn stands_by(&self) -> bool {
        self.is_exclusive && self.task.desired == Desired::Ready
    }

    fn runs_on(&self, node: &Platform) -> bool {
        let same = |wanted: &str, has: &str| {
            wanted.is_empty() || has.is_empty() || architecture(wanted) == architecture(has)
        };
        let runs = |platform: &Platform| {
            same(&platform.architecture, &node.architecture) && same(&platform.os, &node.os)
        };
        let platforms = &self.task.spec.placement.platforms;
        platforms.is_empty() || platforms.iter().any(runs)
    }

    /// Returns whether the node may hold one more replica. A replica in mid-change is one, not two.
    fn has_place_on(&self, id: NodeId) -> bool {
        let Some(slots) = self.slots.get(&id) else { return true };
        let is_here = self.is_exclusive && slots.contains(&self.task.slot);
        let taken = slots.len() as u64 - u64::from(is_here);
        taken < self.task.spec.placement.max_replicas
    }
}

fn is_exclusive(store: &Store, task: &Task) -> bool {
    let rollout = store.rollout(task.service_id).map(|rollout| &**rollout);
    let order = store.service(task.service_id).map(|service| config_in_force(service, rollout).order);
    order == Some(UpdateOrder::StopFirst)
}

fn slots_by_node(store: &Store, task: &Task) -> BTreeMap<NodeId, BTreeSet<SlotId>> {
    let mut slots: BTreeMap<NodeId, BTreeSet<SlotId>> = BTreeMap::new();
    for other in store.tasks_of(task.service_id).filter(|other| other.is_live() && !other.is_over()) {
        if let Some(node_id) = other.node_id {
            slots.entry(node_id).or_default().insert(other.slot);
        }
    }
    slots
}
