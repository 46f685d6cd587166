//! Tentative changes on top of a committed store: planners read their own writes, and what remains at
//! the end of the pass is proposed as one change set.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use skep_model::{Cluster, Node, Rollout, Service, ServiceId, Task, TaskId, Timestamp};

use super::change::Key;
use super::{Change, ChangeSet, Store, weight};

/// A store with uncommitted writes. Reads go to the [`Store`] underneath by dereference.
#[derive(Debug)]
pub struct Draft {
    store: Store,
    now: Timestamp,
    // Invariant: holds the last write per object only.
    changes: BTreeMap<Key, Change>,
    touched: BTreeSet<ServiceId>,
    /// About the bytes of the changes, overwritten ones included.
    weight: usize,
}

/// A draft of about this many bytes takes no more: what is left is planned after the commit. Half of what
/// the log takes in one entry, so that what is begun can be finished.
const WEIGHT_MAX: usize = 4 << 20;

impl Deref for Draft {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Draft {
    pub fn new(store: &Store, now: Timestamp) -> Self {
        Draft { store: store.clone(), now, changes: BTreeMap::new(), touched: BTreeSet::new(), weight: 0 }
    }

    /// Returns the instant of this pass: the time of every write in it.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub fn put_cluster(&mut self, mut cluster: Cluster) {
        cluster.meta.updated_at = self.now;
        self.write(Change::PutCluster(Arc::new(cluster)));
    }

    pub fn put_node(&mut self, mut node: Node) {
        node.meta.updated_at = self.now;
        self.write(Change::PutNode(Arc::new(node)));
    }

    pub fn put_service(&mut self, mut service: Service) {
        service.meta.updated_at = self.now;
        self.touched.insert(service.id);
        self.write(Change::PutService(Arc::new(service)));
    }

    pub fn delete_service(&mut self, id: ServiceId) {
        self.touched.insert(id);
        self.write(Change::DeleteService(id));
    }

    pub fn put_task(&mut self, mut task: Task) {
        task.meta.updated_at = self.now;
        self.touched.insert(task.service_id);
        self.write(Change::PutTask(Arc::new(task)));
    }

    /// Changes a task in place; does nothing if it is gone.
    pub fn change_task(&mut self, id: TaskId, change: impl FnOnce(&mut Task)) {
        if let Some(task) = self.store.task(id) {
            let mut task = Task::clone(task);
            change(&mut task);
            self.put_task(task);
        }
    }

    pub fn delete_task(&mut self, id: TaskId) {
        if let Some(task) = self.store.task(id) {
            let (service_id, node_id) = (task.service_id, task.node_id);
            self.touched.insert(service_id);
            self.write(Change::DeleteTask { id, service_id, node_id });
        }
    }

    pub fn put_rollout(&mut self, rollout: Rollout) {
        self.touched.insert(rollout.service_id);
        self.write(Change::PutRollout(Arc::new(rollout)));
    }

    pub fn delete_rollout(&mut self, id: ServiceId) {
        if self.store.rollout(id).is_some() {
            self.touched.insert(id);
            self.write(Change::DeleteRollout(id));
        }
    }

    fn write(&mut self, change: Change) {
        self.store.write(&change, None);
        self.weight += weight::of(&change);
        self.changes.insert(change.key(), change);
    }

    /// Returns the services written to since the last call.
    pub fn take_touched(&mut self) -> BTreeSet<ServiceId> {
        std::mem::take(&mut self.touched)
    }

    /// Returns whether this object was written to.
    pub fn has_written(&self, key: Key) -> bool {
        self.changes.contains_key(&key)
    }

    /// Returns whether planners should stop and leave the rest to the next pass.
    pub fn is_full(&self) -> bool {
        self.weight >= WEIGHT_MAX
    }

    /// Returns whether anything was written.
    pub fn is_clean(&self) -> bool {
        self.changes.is_empty()
    }

    /// Returns what was written, to be proposed.
    pub fn finish(self) -> ChangeSet {
        self.changes.into_values().collect()
    }
}
