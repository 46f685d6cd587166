//! What the cluster knows: tables and their indexes, as persistent maps.
//!
//! A clone costs a few reference counts, so readers, snapshots and tentative changes each hold their
//! own version and nobody waits for anybody. Only [`Store::apply`] writes; it never fails, because
//! whatever could be wrong was judged before the change was proposed.
//!
//! Next: [`change`] (what is proposed), [`draft`] (tentative changes on top of a store).

pub mod change;
pub mod draft;
pub(crate) mod weight;

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Serialize};
use skep_model::{Cluster, Node, NodeId, Rollout, Service, ServiceId, Task, TaskId, Timestamp};

pub use change::{Change, ChangeSet, Key};
pub use draft::Draft;

/// One version of everything the managers agreed on.
#[derive(Clone, Debug, Default)]
pub struct Store {
    index: u64,
    cluster: Option<Arc<Cluster>>,
    nodes: OrdMap<NodeId, Arc<Node>>,
    services: OrdMap<ServiceId, Arc<Service>>,
    tasks: OrdMap<TaskId, Arc<Task>>,
    rollouts: OrdMap<ServiceId, Arc<Rollout>>,
    // Invariant: the indexes below are functions of the tables above; `put` and `delete` keep them so.
    services_by_name: OrdMap<String, ServiceId>,
    tasks_by_slot: OrdSet<(ServiceId, u64, TaskId)>,
    tasks_by_node: OrdSet<(NodeId, TaskId)>,
    tasks_unplaced: OrdSet<TaskId>,
}

impl Store {
    /// Returns the index of the log entry applied last.
    pub fn index(&self) -> u64 {
        self.index
    }

    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        self.cluster.as_ref()
    }

    pub fn node(&self, id: NodeId) -> Option<&Arc<Node>> {
        self.nodes.get(&id)
    }

    pub fn nodes(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values()
    }

    pub fn service(&self, id: ServiceId) -> Option<&Arc<Service>> {
        self.services.get(&id)
    }

    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }

    /// Returns the service of this name, without regard to case.
    pub fn service_named(&self, name: &str) -> Option<&Arc<Service>> {
        self.services.get(self.services_by_name.get(&name.to_ascii_lowercase())?)
    }

    pub fn rollout(&self, id: ServiceId) -> Option<&Arc<Rollout>> {
        self.rollouts.get(&id)
    }

    pub fn task(&self, id: TaskId) -> Option<&Arc<Task>> {
        self.tasks.get(&id)
    }

    pub fn tasks(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks.values()
    }

    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// Returns the tasks of a service in the order of their slots.
    pub fn tasks_of(&self, id: ServiceId) -> impl Iterator<Item = &Arc<Task>> {
        let all = (id, u64::MIN, TaskId::default())..=(id, u64::MAX, last_task_id());
        self.tasks_by_slot.range(all).map(|(_, _, task_id)| self.indexed(*task_id))
    }

    /// Returns the tasks of one slot of a service.
    pub fn tasks_in(&self, id: ServiceId, slot: u64) -> impl Iterator<Item = &Arc<Task>> {
        let all = (id, slot, TaskId::default())..=(id, slot, last_task_id());
        self.tasks_by_slot.range(all).map(|(_, _, task_id)| self.indexed(*task_id))
    }

    /// Returns the tasks that were given to a node.
    pub fn tasks_on(&self, id: NodeId) -> impl Iterator<Item = &Arc<Task>> {
        let all = (id, TaskId::default())..=(id, last_task_id());
        self.tasks_by_node.range(all).map(|(_, task_id)| self.indexed(*task_id))
    }

    /// Returns the live tasks that have no node yet.
    pub fn tasks_unplaced(&self) -> impl Iterator<Item = &Arc<Task>> {
        self.tasks_unplaced.iter().map(|task_id| self.indexed(*task_id))
    }

    fn indexed(&self, id: TaskId) -> &Arc<Task> {
        self.tasks.get(&id).expect("an index names only tasks in the table")
    }

    /// Writes a committed change set. `index` is that of its log entry and becomes the version of each
    /// object written.
    pub fn apply(&mut self, index: u64, changes: &ChangeSet) {
        self.index = index;
        for change in changes.iter() {
            self.write(change, Some(index));
        }
    }

    /// Writes one change; `version` is `None` while it is tentative.
    fn write(&mut self, change: &Change, version: Option<u64>) {
        match change {
            Change::PutCluster(cluster) => {
                self.cluster = Some(stamped(cluster, version, |cluster| &mut cluster.meta));
            }
            Change::PutNode(node) => {
                self.nodes.insert(node.id, stamped(node, version, |node| &mut node.meta));
            }
            Change::PutService(service) => self.put_service(stamped(service, version, |s| &mut s.meta)),
            Change::DeleteService(id) => self.delete_service(*id),
            Change::PutTask(task) => self.put_task(stamped(task, version, |task| &mut task.meta)),
            Change::DeleteTask { id, .. } => self.delete_task(*id),
            Change::PutRollout(rollout) => {
                self.rollouts.insert(rollout.service_id, rollout.clone());
            }
            Change::DeleteRollout(id) => {
                self.rollouts.remove(id);
            }
        }
    }

    fn put_service(&mut self, service: Arc<Service>) {
        self.services_by_name.insert(service.spec.name.to_ascii_lowercase(), service.id);
        self.services.insert(service.id, service);
    }

    fn delete_service(&mut self, id: ServiceId) {
        if let Some(service) = self.services.remove(&id) {
            let name = service.spec.name.to_ascii_lowercase();
            // A service made in the same change set may have taken the name over.
            if self.services_by_name.get(&name) == Some(&id) {
                self.services_by_name.remove(&name);
            }
        }
    }

    fn put_task(&mut self, task: Arc<Task>) {
        // A task never changes its slot, and its node only from none to one.
        self.tasks_by_slot.insert((task.service_id, task.slot, task.id));
        if let Some(node_id) = task.node_id {
            self.tasks_by_node.insert((node_id, task.id));
        }
        if task.node_id.is_none() && task.is_live() {
            self.tasks_unplaced.insert(task.id);
        } else {
            self.tasks_unplaced.remove(&task.id);
        }
        self.tasks.insert(task.id, task);
    }

    fn delete_task(&mut self, id: TaskId) {
        if let Some(task) = self.tasks.remove(&id) {
            self.tasks_by_slot.remove(&(task.service_id, task.slot, id));
            self.tasks_unplaced.remove(&id);
            if let Some(node_id) = task.node_id {
                self.tasks_by_node.remove(&(node_id, id));
            }
        }
    }

    /// Returns everything as plain data, for a snapshot of the log.
    pub fn dump(&self) -> Dump {
        Dump {
            index: self.index,
            cluster: self.cluster.clone(),
            nodes: self.nodes.values().cloned().collect(),
            services: self.services.values().cloned().collect(),
            tasks: self.tasks.values().cloned().collect(),
            rollouts: self.rollouts.values().cloned().collect(),
        }
    }

    /// Rebuilds a store from its dump.
    pub fn restore(dump: Dump) -> Store {
        let mut store = Store { index: dump.index, cluster: dump.cluster, ..Store::default() };
        store.nodes = dump.nodes.into_iter().map(|node| (node.id, node)).collect();
        store.rollouts = dump.rollouts.into_iter().map(|rollout| (rollout.service_id, rollout)).collect();
        dump.services.into_iter().for_each(|service| store.put_service(service));
        dump.tasks.into_iter().for_each(|task| store.put_task(task));
        store
    }
}

/// The content of a store without its indexes.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Dump {
    pub index: u64,
    pub cluster: Option<Arc<Cluster>>,
    pub nodes: Vec<Arc<Node>>,
    pub services: Vec<Arc<Service>>,
    pub tasks: Vec<Arc<Task>>,
    pub rollouts: Vec<Arc<Rollout>>,
}

fn last_task_id() -> TaskId {
    use skep_model::Id;
    TaskId::from_number(u128::MAX)
}

/// Returns the object with its version set, if there is one to set.
fn stamped<T: Clone>(
    object: &Arc<T>,
    version: Option<u64>,
    meta: impl FnOnce(&mut T) -> &mut skep_model::Meta,
) -> Arc<T> {
    let mut object = object.clone();
    if let Some(version) = version {
        meta(Arc::make_mut(&mut object)).version = version;
    }
    object
}

/// The earlier of two deadlines, where either may be absent.
pub(crate) fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
