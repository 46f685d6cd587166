//! A store as plain data, for a snapshot of the log.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use skep_model::{Cluster, Node, Revision, Rollout, Service, Step, Task};

use super::Store;

/// The content of a store without its indexes, tasks without their templates.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Dump {
    pub index: u64,
    pub cluster: Option<Arc<Cluster>>,
    pub nodes: Vec<Arc<Node>>,
    pub revisions: Vec<Arc<Revision>>,
    pub services: Vec<Arc<Service>>,
    pub tasks: Vec<Arc<Task>>,
    pub rollouts: Vec<Arc<Rollout>>,
    pub steps: Vec<Arc<Step>>,
}

impl Store {
    /// Returns everything as plain data.
    pub fn dump(&self) -> Dump {
        Dump {
            index: self.index,
            cluster: self.cluster.clone(),
            nodes: self.nodes.values().cloned().collect(),
            revisions: self.revisions.values().cloned().collect(),
            services: self.services.values().cloned().collect(),
            tasks: self.tasks.values().cloned().collect(),
            rollouts: self.rollouts.values().cloned().collect(),
            steps: self.steps.values().cloned().collect(),
        }
    }

    /// Rebuilds a store from its dump.
    pub fn restore(dump: Dump) -> Store {
        let Dump { index, cluster, nodes, revisions, services, tasks, rollouts, steps } = dump;
        let mut store = Store { index, cluster, ..Store::default() };
        store.nodes = nodes.into_iter().map(|node| (node.id, node)).collect();
        let numbered =
            revisions.into_iter().map(|revision| ((revision.service_id, revision.number), revision));
        store.revisions = numbered.collect();
        store.rollouts = rollouts.into_iter().map(|rollout| (rollout.service_id, rollout)).collect();
        steps.into_iter().for_each(|step| store.put_step(step));
        services.into_iter().for_each(|service| store.put_service(service));
        tasks.into_iter().for_each(|task| drop(store.put_task(task)));
        store
    }
}
