//! All nodes with what they hold, and the orders in which they are asked. Kept up to date write by write: a
//! function of the store, so that it may be dropped and counted anew at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use skep_model::placement::Strategy;
use skep_model::task::Desired;
use skep_model::{Node, NodeId, ServiceId, Task, TaskId};

use super::load::{Load, Manner};
use crate::orchestrate::rollout;
use crate::store::Store;

/// A place in an order of nodes: smaller ones are asked first.
pub type Standing = (u64, NodeId);

/// The nodes.
#[derive(Debug, Default)]
pub struct Fleet {
    loads: BTreeMap<NodeId, Load>,
    /// Nodes by how many live tasks they have.
    by_count: BTreeSet<Standing>,
    /// Nodes by how little of them is free; empty unless the cluster packs.
    by_share: BTreeSet<Standing>,
    strategy: Strategy,
    /// Live tasks of each service by node.
    counts: BTreeMap<ServiceId, BTreeMap<NodeId, u32>>,
    /// Placed tasks that are wanted ready, and how each of them is counted.
    ready: BTreeMap<(ServiceId, TaskId), Manner>,
    /// Rises with every change of a node or of what it holds.
    version: u64,
}

impl Fleet {
    /// Counts everything there is.
    pub fn count(store: &Store) -> Fleet {
        let mut fleet = Fleet { strategy: strategy(store), ..Fleet::default() };
        store.nodes().for_each(|node| fleet.put_node(node.clone()));
        store.tasks().for_each(|task| fleet.add(store, task));
        fleet
    }

    pub fn get(&self, id: NodeId) -> Option<&Load> {
        self.loads.get(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Load> {
        self.loads.values()
    }

    pub fn len(&self) -> usize {
        self.loads.len()
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// Returns how many live tasks of the service the node has.
    pub fn tasks_of(&self, service: ServiceId, node: NodeId) -> u32 {
        self.counts.get(&service).and_then(|nodes| nodes.get(&node)).copied().unwrap_or(0)
    }

    /// Returns the nodes that have live tasks of the service.
    pub fn nodes_of(&self, service: ServiceId) -> impl Iterator<Item = (NodeId, u32)> {
        self.counts.get(&service).into_iter().flatten().map(|(id, count)| (*id, *count))
    }

    /// Returns up to `limit` nodes that follow `after` in the order of the strategy.
    pub fn next_nodes(&self, packs: bool, after: Option<Standing>, limit: usize) -> Vec<Standing> {
        let order = if packs { &self.by_share } else { &self.by_count };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        order.range((start, Bound::Unbounded)).take(limit).copied().collect()
    }

    /// Takes in a node, new or changed.
    pub fn put_node(&mut self, node: Arc<Node>) {
        let id = node.id;
        self.change(id, |loads| match loads.get_mut(&id) {
            Some(load) => load.update(node),
            None => drop(loads.insert(id, Load::new(node))),
        });
    }

    pub fn remove_node(&mut self, id: NodeId) {
        self.change(id, |loads| drop(loads.remove(&id)));
    }

    /// Counts a task, if it is placed and not over.
    pub fn add(&mut self, store: &Store, task: &Task) {
        let Some(node_id) = task.node_id.filter(|_| !task.is_over()) else { return };
        let manner = manner(store, task);
        if task.desired == Desired::Ready {
            self.ready.insert((task.service_id, task.id), manner);
        }
        if task.is_live() {
            *self.counts.entry(task.service_id).or_default().entry(node_id).or_default() += 1;
        }
        self.change(node_id, |loads| {
            if let Some(load) = loads.get_mut(&node_id) {
                load.add(task, manner);
            }
        });
    }

    /// Takes back what was counted for a task.
    pub fn remove(&mut self, task: &Task) {
        let Some(node_id) = task.node_id.filter(|_| !task.is_over()) else { return };
        self.ready.remove(&(task.service_id, task.id));
        if task.is_live() {
            self.take_from_count(task.service_id, node_id);
        }
        self.change(node_id, |loads| {
            if let Some(load) = loads.get_mut(&node_id) {
                load.remove(task);
            }
        });
    }

    fn take_from_count(&mut self, service: ServiceId, node: NodeId) {
        let Some(nodes) = self.counts.get_mut(&service) else { return };
        if let Some(count) = nodes.get_mut(&node) {
            *count -= 1;
            if *count == 0 {
                nodes.remove(&node);
            }
        }
        if nodes.is_empty() {
            self.counts.remove(&service);
        }
    }

    /// Returns the placed tasks of a service that are counted in another manner than they should be.
    pub fn miscounted(&self, store: &Store, service: ServiceId) -> Vec<Arc<Task>> {
        let all = (service, TaskId::default())..=(service, last_task());
        let wrong = self.ready.range(all).filter_map(|((_, id), counted)| {
            let task = store.task(*id)?;
            (manner(store, task) != *counted).then(|| task.clone())
        });
        wrong.collect()
    }

    /// Takes in that the cluster's policies may be others. Returns whether they are.
    pub fn follow_cluster(&mut self, store: &Store) -> bool {
        let strategy = strategy(store);
        if strategy == self.strategy {
            return false;
        }
        self.strategy = strategy;
        self.by_share.clear();
        if strategy == Strategy::Binpack {
            self.by_share = self.loads.values().map(by_share).collect();
        }
        true
    }

    /// Changes a node's load and keeps the orders.
    fn change(&mut self, id: NodeId, change: impl FnOnce(&mut BTreeMap<NodeId, Load>)) {
        self.version += 1;
        let packs = self.strategy == Strategy::Binpack;
        let standing = |loads: &BTreeMap<NodeId, Load>| {
            loads.get(&id).map(|load| (by_count(load), packs.then(|| by_share(load))))
        };
        let before = standing(&self.loads);
        change(&mut self.loads);
        let after = standing(&self.loads);
        if before == after {
            return;
        }
        if let Some((count, share)) = before {
            self.by_count.remove(&count);
            if let Some(share) = share {
                self.by_share.remove(&share);
            }
        }
        if let Some((count, share)) = after {
            self.by_count.insert(count);
            self.by_share.extend(share);
        }
    }
}

fn by_count(load: &Load) -> Standing {
    (u64::from(load.task_count), load.node.id)
}

fn by_share(load: &Load) -> Standing {
    (u64::MAX - load.share(), load.node.id)
}

fn strategy(store: &Store) -> Strategy {
    let labels = store.cluster().map(|cluster| &cluster.spec.labels);
    // What is wrong was refused when it was written.
    labels.and_then(|labels| Strategy::of(labels).ok()).unwrap_or_default()
}

/// Returns whether the task uses what it reserves, or waits for the others of its slot to be over.
pub fn manner(store: &Store, task: &Task) -> Manner {
    match task.desired == Desired::Ready && is_exclusive(store, task.service_id) {
        true => Manner::StandingBy,
        false => Manner::InUse,
    }
}

/// Returns whether a task of the service starts only when the others of its slot are over.
pub fn is_exclusive(store: &Store, service: ServiceId) -> bool {
    use skep_model::service::UpdateOrder;
    let known = store.rollout(service).map(|rollout| &**rollout);
    let order = store.service(service).map(|service| rollout::policy(store, service, known).order);
    order == Some(UpdateOrder::StopFirst)
}

fn last_task() -> TaskId {
    skep_model::Id::from_number(u128::MAX)
}
