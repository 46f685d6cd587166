//! Which nodes can take a task at all: Swarm's filters in Swarm's order, the first miss counts.

use skep_model::constraint::{Constraint, architecture};
use skep_model::template::{Platform, Reservations};
use skep_model::{ServiceId, Task};

use super::node_load::Load;

/// What a task asks of a node.
pub struct Demand {
    pub service_id: ServiceId,
    reserved: Reservations,
    /// `None` where a constraint cannot be parsed: no node fulfils it.
    constraints: Option<Vec<Constraint>>,
    platforms: Vec<Platform>,
    max_replicas: u64,
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
    pub fn of(task: &Task) -> Demand {
        let placement = &task.spec.placement;
        Demand {
            service_id: task.service_id,
            reserved: task.spec.resources.reservations.clone().unwrap_or_default(),
            constraints: placement.constraints.iter().map(|text| Constraint::parse(text).ok()).collect(),
            platforms: placement.platforms.clone(),
            max_replicas: placement.max_replicas,
        }
    }

    /// Returns the first reason why the node cannot take the task.
    pub fn miss(&self, load: &Load) -> Option<Miss> {
        let node = &load.node;
        let free_cpus = node.description.nano_cpus - load.nano_cpus;
        let free_memory = node.description.memory_bytes - load.memory_bytes;
        let fits = |wanted: i64, free: i64| wanted == 0 || wanted <= free;
        if !node.takes_tasks() {
            Some(Miss::NotAvailable)
        } else if !fits(self.reserved.nano_cpus, free_cpus) || !fits(self.reserved.memory_bytes, free_memory)
        {
            Some(Miss::Resources)
        } else if !self.constraints.as_ref().is_some_and(|all| all.iter().all(|one| one.matches(node))) {
            Some(Miss::Constraint)
        } else if !self.runs_on(&node.description.platform) {
            Some(Miss::Platform)
        } else if self.max_replicas > 0 && load.tasks_of(self.service_id) >= self.max_replicas {
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
