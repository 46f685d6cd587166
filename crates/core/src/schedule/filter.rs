//! Which nodes can take a task at all: Swarm's filters in Swarm's order, the first miss counts.
//!
//! The room of a task that ends before this one starts (the one it is to replace, stop-first) counts as
//! free: otherwise a full node could never be updated.

use std::sync::Arc;

use skep_model::constraint::{Constraint, architecture};
use skep_model::service::UpdateOrder;
use skep_model::template::{Platform, Reservations};
use skep_model::{ServiceId, Task};

use super::node_load::Load;
use crate::orchestrate::rollout::config_in_force;
use crate::store::Store;

/// What a task asks of a node.
pub struct Demand {
    pub service_id: ServiceId,
    reserved: Reservations,
    /// `None` where a constraint cannot be parsed: no node fulfils it.
    constraints: Option<Vec<Constraint>>,
    platforms: Vec<Platform>,
    max_replicas: u64,
    /// Tasks that are over before this one starts.
    makes_room: Vec<Arc<Task>>,
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

impl Demand {
    pub fn of(store: &Store, task: &Task) -> Demand {
        let placement = &task.spec.placement;
        Demand {
            service_id: task.service_id,
            reserved: task.spec.resources.reservations.clone().unwrap_or_default(),
            constraints: placement.constraints.iter().map(|text| Constraint::parse(text).ok()).collect(),
            platforms: placement.platforms.clone(),
            max_replicas: placement.max_replicas,
            makes_room: makes_room(store, task),
        }
    }

    /// Returns the first reason why the node cannot take the task.
    pub fn miss(&self, load: &Load) -> Option<Miss> {
        let node = &load.node;
        let mut freed = Load::empty(node.clone());
        let here = self.makes_room.iter().filter(|task| task.node_id == Some(node.id));
        here.for_each(|task| freed.add(task));
        let free_cpus = node.description.nano_cpus - load.nano_cpus + freed.nano_cpus;
        let free_memory = node.description.memory_bytes - load.memory_bytes + freed.memory_bytes;
        let fits = |wanted: i64, free: i64| wanted == 0 || wanted <= free;
        let replicas = load.tasks_of(self.service_id).saturating_sub(freed.task_count);
        if !node.takes_tasks() {
            Some(Miss::NotAvailable)
        } else if !fits(self.reserved.nano_cpus, free_cpus) || !fits(self.reserved.memory_bytes, free_memory)
        {
            Some(Miss::Resources)
        } else if !self.constraints.as_ref().is_some_and(|all| all.iter().all(|one| one.matches(node))) {
            Some(Miss::Constraint)
        } else if !self.runs_on(&node.description.platform) {
            Some(Miss::Platform)
        } else if self.max_replicas > 0 && replicas >= self.max_replicas {
            Some(Miss::MaxReplicas)
        } else {
            None
        }
    }

    fn runs_on(&self, node: &Platform) -> bool {
        let same = |wanted: &str, has: &str| {
            wanted.is_empty() || has.is_empty() || architecture(wanted) == architecture(has)
        };
        self.platforms.is_empty()
            || self
                .platforms
                .iter()
                .any(|wanted| same(&wanted.architecture, &node.architecture) && same(&wanted.os, &node.os))
    }
}

/// Returns the tasks of the slot that end before `task` starts.
fn makes_room(store: &Store, task: &Task) -> Vec<Arc<Task>> {
    let rollout = store.rollout(task.service_id).map(|rollout| &**rollout);
    let is_stop_first = store
        .service(task.service_id)
        .is_some_and(|service| config_in_force(service, rollout).order == UpdateOrder::StopFirst);
    let ends_first = |other: &&Arc<Task>| {
        other.id != task.id && other.node_id.is_some() && (is_stop_first || !other.is_live())
    };
    store.tasks_in(task.service_id, task.slot).filter(ends_first).cloned().collect()
}
