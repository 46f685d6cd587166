//! Follows the writes of a pass, and opens the groups that may profit from them.

use std::sync::Arc;

use skep_model::placement::Affinity;
use skep_model::{Node, NodeId, ServiceId, Task};

use super::Scheduler;
use super::amount::Amount;
use super::filter::Field;
use super::load::host_ports;
use super::waiting::{GroupKey, Reach, Want};
use crate::store::Store;
use crate::store::draft::Move;

impl Scheduler {
    /// Takes in writes; `store` holds them already.
    pub fn follow(&mut self, store: &Store, moves: &[Move]) {
        for one in moves {
            match one {
                Move::Task { old, new } => self.follow_task(store, old.as_ref(), new.as_ref()),
                Move::Node { old, new } => self.follow_node(store, old.as_deref(), new.as_ref()),
                Move::Service(id) => self.follow_service(store, *id),
                // Which node is the best is another matter than whether there is one.
                Move::Cluster => {
                    self.fleet.follow_cluster(store);
                    store.services().for_each(|service| self.recount(store, service.id));
                }
            }
        }
    }

    fn follow_task(&mut self, store: &Store, old: Option<&Arc<Task>>, new: Option<&Arc<Task>>) {
        let Some(any) = new.or(old) else { return };
        self.note_failures(any.id, old.map(|old| &**old), new);
        let waits = |task: &&Arc<Task>| task.node_id.is_none() && task.is_live();
        match (old.filter(waits), new.filter(waits)) {
            (None, Some(new)) => self.waiting.add(new),
            (Some(old), None) => self.waiting.remove(old),
            // What it asks for is that of another revision: its place is in another group.
            (Some(old), Some(new)) if old.revision != new.revision => {
                self.waiting.remove(old);
                self.waiting.add(new);
            }
            // It may stand by no more, or say something else than it should.
            (Some(old), Some(new)) if (old.desired, &old.status) != (new.desired, &new.status) => {
                self.waiting.retry(new);
            }
            _ => {}
        }
        let holds = |task: &&Arc<Task>| task.node_id.is_some() && !task.is_over();
        let (old, new) = (old.filter(holds), new.filter(holds));
        let is_ready = |task: &Arc<Task>| task.desired == skep_model::task::Desired::Ready;
        // A change in place may let it reserve more or less, and what has to leave keeps no room for a successor.
        let mark = |task: &Arc<Task>| (task.is_live(), is_ready(task), task.revision, task.leaves.is_some());
        if old.map(mark) == new.map(mark) {
            return;
        }
        old.into_iter().for_each(|old| self.fleet.remove(old));
        new.into_iter().for_each(|new| self.fleet.add(store, new));
        if self.waiting.is_empty() {
            return;
        }
        let Some(node_id) = any.node_id else { return };
        if let Some(old) = old {
            self.freed(store, old, node_id);
        }
        if new.is_some() {
            self.came(store, any.service_id, node_id);
        }
        let siblings = store.tasks_in(any.service_id, any.slot).filter(|task| task.node_id.is_none());
        siblings.for_each(|sibling| self.waiting.retry(sibling));
    }

    /// Opens the groups that what this task had is enough for.
    fn freed(&mut self, store: &Store, task: &Task, node_id: NodeId) {
        let mut wants: Vec<_> = host_ports(task).map(Want::Port).collect();
        wants.push(Want::Leaving(task.service_id));
        self.offer_to(store, &wants, node_id);
        let amount = Amount::of(&task.spec);
        if let Some(load) = self.fleet.get(node_id).filter(|_| !amount.is_nothing()) {
            let free = load.free();
            for key in self.waiting.who_fits(&amount, &free) {
                self.offer(store, key, node_id);
            }
        }
        self.waiting.retry_on(node_id);
    }

    /// Opens the groups that wait for a task of this service to come to a node. What waits for this node alone may
    /// have another reason now.
    pub(super) fn came(&mut self, store: &Store, service: ServiceId, node_id: NodeId) {
        self.offer_to(store, &[Want::Coming(service)], node_id);
        self.waiting.retry_on(node_id);
    }

    /// Offers a node to the groups that want one of these, which it has now.
    fn offer_to(&mut self, store: &Store, wants: &[Want], node_id: NodeId) {
        for key in self.waiting.who_wants(wants) {
            self.offer(store, key, node_id);
        }
    }

    fn follow_node(&mut self, store: &Store, old: Option<&Node>, new: Option<&Arc<Node>>) {
        let Some(new) = new else {
            old.into_iter().for_each(|old| self.fleet.remove_node(old.id));
            return;
        };
        let decides = |node: &Node| {
            let (spec, description, status) = (&node.spec, &node.description, &node.status);
            (spec.clone(), description.clone(), status.state, status.addr.clone())
        };
        let is_news = old.is_none_or(|old| decides(old) != decides(new));
        self.fleet.put_node(new.clone());
        if !is_news {
            return;
        }
        self.waiting.retry_on(new.id);
        let stuck: Vec<GroupKey> = self.waiting.stuck_on_some().collect();
        for key in stuck {
            self.offer(store, key, new.id);
        }
    }

    /// Opens a stuck group to a node that can take its tasks now, or notes what that lacks.
    fn offer(&mut self, store: &Store, key: GroupKey, id: NodeId) {
        let stuck = self.waiting.stuck(key);
        let (Some(stuck), Some(load)) = (stuck, self.fleet.get(id)) else { return };
        let field = Field { store, fleet: &self.fleet, demand: &stuck.demand };
        match field.miss(load, None) {
            None => self.waiting.open(key, Reach::Nodes([id].into())),
            Some(miss) => self.waiting.want_more(key, miss),
        }
    }

    /// Takes in that tasks of a service may follow each other in another manner, or keep other company.
    fn follow_service(&mut self, store: &Store, id: ServiceId) {
        self.recount(store, id);
        let is_new = self.note_affinity(store, id);
        if let Some(service) = store.service(id).filter(|_| is_new) {
            let named = self.waiting.who_wants(&[Want::Named(service.spec.name.to_ascii_lowercase())]);
            named.into_iter().for_each(|key| self.waiting.reconsider(key));
        }
        // Whether a task stands by is up to its service.
        for key in self.waiting.groups_of(id) {
            self.waiting.retry_with_others(key);
        }
    }

    /// Takes in that tasks of a service may follow each other in another manner.
    fn recount(&mut self, store: &Store, id: ServiceId) {
        for task in &self.fleet.miscounted(store, id) {
            self.fleet.remove(task);
            self.fleet.add(store, task);
            self.freed(store, task, task.node_id.expect("a counted task has a node"));
        }
    }

    /// Takes in which services a service must be near to or keep away from. Returns whether it could matter to
    /// others that wait for it by name.
    pub(super) fn note_affinity(&mut self, store: &Store, id: ServiceId) -> bool {
        let service = store.service(id);
        let of = |service: &Arc<skep_model::Service>| {
            Affinity::of(&service.spec.name, &service.spec.labels).unwrap_or_default()
        };
        let new = service.map(of).unwrap_or_default();
        let old = match new == Affinity::default() {
            true => self.affinities.remove(&id),
            false => self.affinities.insert(id, new.clone()),
        };
        let old = old.unwrap_or_default();
        if old != new {
            let named = old.far.iter().chain(&new.far).filter_map(|name| store.service_named(name));
            for id in named.map(|service| service.id).chain([id]) {
                for key in self.waiting.groups_of(id) {
                    self.waiting.reconsider(key);
                }
            }
        }
        service.is_some_and(|service| service.meta.created_at == service.meta.updated_at)
    }
}
