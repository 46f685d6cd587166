//! All nodes with what they hold, and the queues in which they stand to be asked. Kept up to date write by write, and all of it
//! follows from the store, so that it may be dropped and counted anew at any time; but for the seats, which decide
//! between nodes that are equally good in all else: those are taken in the order in which nodes come.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use skep_model::placement::Strategy;
use skep_model::task::Desired;
use skep_model::{Node, NodeId, ServiceId, Task, TaskId};

use super::load::Load;
use super::queues::Queues;
use super::requirements::Requirements;
use super::room::Manner;
use super::seats::{Seat, Seats};
use crate::orchestrate::rollout;
use crate::store::Store;

/// The nodes.
#[derive(Debug, Default)]
pub struct Fleet {
    seats: Seats<NodeId, Load>,
    queues: Queues,
    counts: Seats<ServiceId, Counts>,
    /// The service that was counted for last, and where its counts are: it is asked for again and again.
    recent: Option<(ServiceId, Seat)>,
    /// Placed tasks that are wanted ready, and how each of them is counted.
    ready: BTreeMap<(ServiceId, TaskId), Manner>,
    /// Whether a service's tasks start only when the others of their slots are over, as of when that was looked at last.
    exclusive: BTreeMap<ServiceId, bool>,
    /// Rises with every change of a node or of what it holds.
    version: u64,
}

/// The live tasks of one service on nodes that are there.
#[derive(Debug, Default)]
struct Counts {
    by_seat: BTreeMap<Seat, u32>,
    /// How many nodes have so many, but for those that have none.
    levels: BTreeMap<u32, usize>,
}

impl Fleet {
    /// Counts everything there is.
    pub fn count(store: &Store) -> Fleet {
        let mut fleet = Fleet { queues: Queues::new(strategy(store)), ..Fleet::default() };
        store.nodes().for_each(|node| fleet.put_node(node.clone()));
        store.tasks().for_each(|task| fleet.add(store, task));
        fleet
    }

    pub fn get(&self, id: NodeId) -> Option<&Load> {
        self.seats.at(self.seats.seat(id)?)
    }

    pub fn at(&self, seat: Seat) -> Option<&Load> {
        self.seats.at(seat)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Load> {
        self.seats.iter()
    }

    pub fn len(&self) -> usize {
        self.seats.len()
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn strategy(&self) -> Strategy {
        self.queues.strategy()
    }

    /// Returns how many live tasks of the service the node has.
    pub fn tasks_of(&self, service: ServiceId, node: Seat) -> u32 {
        self.counts_of(service).and_then(|counts| counts.by_seat.get(&node)).copied().unwrap_or(0)
    }

    /// Returns the nodes that have live tasks of the service.
    pub fn nodes_of(&self, service: ServiceId) -> impl Iterator<Item = (NodeId, u32)> {
        let counts = self.counts_of(service).into_iter().flat_map(|counts| &counts.by_seat);
        counts.filter_map(|(seat, count)| Some((self.seats.at(*seat)?.id, *count)))
    }

    /// Returns how many live tasks of the service nodes have, the fewest first; there may be no node with none.
    pub fn levels_of(&self, service: ServiceId) -> impl Iterator<Item = u32> {
        let counts = self.counts_of(service);
        let known = counts.map_or(0, |counts| counts.by_seat.len());
        let has_none = known < self.seats.len();
        let levels = counts.into_iter().flat_map(|counts| counts.levels.keys().copied());
        has_none.then_some(0).into_iter().chain(levels)
    }

    fn counts_of(&self, service: ServiceId) -> Option<&Counts> {
        match self.recent {
            Some((recent, seat)) if recent == service => self.counts.at(seat),
            _ => self.counts.at(self.counts.seat(service)?),
        }
    }

    /// Sees to it that nodes are found fast that meet these requirements.
    pub fn expect(&mut self, requirements: &Requirements) {
        self.queues.keep(requirements, self.seats.iter());
    }

    /// Returns the queues in which nodes stand.
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// Takes in a node, new or changed.
    pub fn put_node(&mut self, node: Arc<Node>) {
        let seat = match self.seats.seat(node.id) {
            Some(seat) => {
                self.change(seat, |load| load.update(node));
                seat
            }
            None => self.add_node(node),
        };
        self.queues.reconsider(self.seats.at(seat).expect("it has a seat"));
    }

    fn add_node(&mut self, node: Arc<Node>) -> Seat {
        self.version += 1;
        let seat = self.seats.seat_or_add(node.id, |seat| Load::new(node, seat));
        let load = self.seats.at(seat).expect("it has just got its seat");
        self.queues.moved(None, Some(self.queues.places(load)));
        seat
    }

    pub fn remove_node(&mut self, id: NodeId) {
        if let Some(load) = self.seats.remove(id) {
            self.version += 1;
            self.recent = None;
            self.counts.retain(|counts| {
                counts.forget(load.seat);
                !counts.by_seat.is_empty()
            });
            self.queues.moved(Some(self.queues.places(&load)), None);
        }
    }

    /// Counts a task, if it is placed and not over.
    pub fn add(&mut self, store: &Store, task: &Task) {
        if let Some(node_id) = task.node_id.filter(|_| !task.is_over()) {
            self.give(store, task, node_id);
        }
    }

    /// Counts a task that is not over on the node that it gets, if that is there.
    fn give(&mut self, store: &Store, task: &Task, node_id: NodeId) {
        match self.seats.seat(node_id) {
            Some(seat) => self.give_at(store, task, seat),
            None => self.version += 1,
        }
    }

    /// Counts a task that is not over on the node at this seat.
    pub fn give_at(&mut self, store: &Store, task: &Task, seat: Seat) {
        debug_assert!(!task.is_over(), "what is over takes no place");
        let manner = manner(store, task);
        if task.desired == Desired::Ready {
            self.ready.insert((task.service_id, task.id), manner);
        }
        if task.is_live() {
            self.add_to_count(task.service_id, seat);
        }
        self.change(seat, |load| load.add(task, manner));
    }

    /// Takes back what was counted for a task.
    pub fn remove(&mut self, task: &Task) {
        let Some(node_id) = task.node_id.filter(|_| !task.is_over()) else { return };
        self.ready.remove(&(task.service_id, task.id));
        let Some(seat) = self.seats.seat(node_id) else { return };
        if task.is_live() {
            self.take_from_count(task.service_id, seat);
        }
        self.change(seat, |load| load.remove(task));
    }

    fn add_to_count(&mut self, service: ServiceId, seat: Seat) {
        let counts = match self.recent {
            Some((recent, counts)) if recent == service => counts,
            _ => self.counts.seat_or_add(service, |_| Counts::default()),
        };
        self.recent = Some((service, counts));
        self.counts.at_mut(counts).expect("a service that is counted has counts").add(seat);
    }

    fn take_from_count(&mut self, service: ServiceId, seat: Seat) {
        let counts = self.counts.seat(service).and_then(|counts| self.counts.at_mut(counts));
        let Some(counts) = counts else { return };
        counts.remove(seat);
        if counts.by_seat.is_empty() {
            self.counts.remove(service);
            self.recent = None;
        }
    }

    /// Returns the placed tasks of a service that are counted in another manner than they should be.
    pub fn miscounted(&mut self, store: &Store, service: ServiceId) -> Vec<Arc<Task>> {
        // What decides it is hardly ever written, beside all else that is of a service and its rollout.
        let is_so = is_exclusive(store, service);
        let before = match store.service(service) {
            Some(_) => self.exclusive.insert(service, is_so),
            None => self.exclusive.remove(&service),
        };
        if before == Some(is_so) {
            return Vec::new();
        }
        let all = (service, TaskId::default())..=(service, last_task());
        let wrong = self.ready.range(all).filter_map(|((_, id), counted)| {
            let task = store.task(*id)?;
            (manner(store, task) != *counted).then(|| task.clone())
        });
        wrong.collect()
    }

    /// Takes in that the cluster's policies may be others.
    pub fn follow_cluster(&mut self, store: &Store) {
        let strategy = strategy(store);
        if strategy == self.queues.strategy() {
            return;
        }
        self.queues = Queues::new(strategy);
        for load in self.seats.iter() {
            self.queues.moved(None, Some(self.queues.places(load)));
        }
    }

    /// Changes what a node holds, and keeps the queues.
    fn change(&mut self, seat: Seat, change: impl FnOnce(&mut Load)) {
        self.version += 1;
        let Some(load) = self.seats.at_mut(seat) else { return };
        let before = self.queues.places(load);
        change(load);
        let after = self.queues.places(load);
        if before != after {
            self.queues.moved(Some(before), Some(after));
        }
    }
}

impl Counts {
    fn add(&mut self, node: Seat) {
        let count = self.by_seat.entry(node).or_default();
        let before = *count;
        *count += 1;
        self.shift(before, before + 1);
    }

    fn remove(&mut self, node: Seat) {
        let Entry::Occupied(mut entry) = self.by_seat.entry(node) else { return };
        let before = *entry.get();
        match before {
            1 => drop(entry.remove()),
            _ => *entry.get_mut() -= 1,
        }
        self.shift(before, before - 1);
    }

    /// Takes in that the node is gone.
    fn forget(&mut self, node: Seat) {
        if let Some(count) = self.by_seat.remove(&node) {
            self.shift(count, 0);
        }
    }

    fn shift(&mut self, from: u32, to: u32) {
        if let Entry::Occupied(mut nodes) = self.levels.entry(from) {
            *nodes.get_mut() -= 1;
            if *nodes.get() == 0 {
                nodes.remove();
            }
        }
        if to > 0 {
            *self.levels.entry(to).or_default() += 1;
        }
    }
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
