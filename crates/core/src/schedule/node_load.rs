//! What each node holds at the moment, counted from the tasks given to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use skep_model::{Node, NodeId, ServiceId, Task};

use crate::store::Store;

/// All nodes with their loads.
pub struct Loads(BTreeMap<NodeId, Load>);

/// One node and what its tasks take of it.
pub struct Load {
    pub node: Arc<Node>,
    /// Billionths of a CPU reserved.
    pub nano_cpus: i64,
    /// Bytes reserved.
    pub memory_bytes: i64,
    /// Live tasks.
    pub task_count: u64,
    /// Live tasks by service.
    pub by_service: BTreeMap<ServiceId, u64>,
}

impl Loads {
    pub fn count(store: &Store) -> Loads {
        let mut loads = Loads(BTreeMap::new());
        for node in store.nodes() {
            let mut load = Load::empty(node.clone());
            store.tasks_on(node.id).for_each(|task| load.add(task));
            loads.0.insert(node.id, load);
        }
        loads
    }

    /// Counts a task given to a node.
    pub fn add(&mut self, node_id: NodeId, task: &Task) {
        if let Some(load) = self.0.get_mut(&node_id) {
            load.add(task);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Load> {
        self.0.values()
    }
}

impl Load {
    /// Returns the load of a node without tasks.
    pub fn empty(node: Arc<Node>) -> Load {
        Load { node, nano_cpus: 0, memory_bytes: 0, task_count: 0, by_service: BTreeMap::new() }
    }

    /// Counts a task, unless it is over.
    pub fn add(&mut self, task: &Task) {
        if task.is_over() {
            return;
        }
        if let Some(reserved) = &task.spec.resources.reservations {
            self.nano_cpus = self.nano_cpus.saturating_add(reserved.nano_cpus);
            self.memory_bytes = self.memory_bytes.saturating_add(reserved.memory_bytes);
        }
        if task.is_live() {
            self.task_count += 1;
            *self.by_service.entry(task.service_id).or_default() += 1;
        }
    }

    /// Returns how many live tasks of the service the node has.
    pub fn tasks_of(&self, id: ServiceId) -> u64 {
        self.by_service.get(&id).copied().unwrap_or(0)
    }
}
