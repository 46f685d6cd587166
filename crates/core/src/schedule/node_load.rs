//! What each node holds at the moment, counted from the tasks given to it.
//!
//! Tasks of one slot that follow each other on a node take the room of the larger one: what waits for
//! its start uses nothing yet, and what it follows is gone by then.

use std::collections::BTreeMap;
use std::sync::Arc;

use skep_model::task::{Desired, SlotId};
use skep_model::template::Reservations;
use skep_model::{Node, NodeId, ServiceId, Task};

use crate::store::Store;

/// All nodes with their loads.
pub struct Loads(BTreeMap<NodeId, Load>);

/// One node and what its tasks take of it.
pub struct Load {
    pub node: Arc<Node>,
    reserved: Amount,
    /// Slots with reservations.
    slots: BTreeMap<(ServiceId, SlotId), Room>,
    /// Live tasks.
    pub task_count: u64,
    /// Live tasks by service.
    by_service: BTreeMap<ServiceId, u64>,
}

/// Billionths of a CPU, and bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Amount {
    nano_cpus: i64,
    memory_bytes: i64,
}

/// What one slot reserves of a node.
#[derive(Clone, Copy, Default)]
struct Room {
    in_use: Amount,
    standing_by: Amount,
}

impl Amount {
    fn of(task: &Task) -> Amount {
        let Reservations { nano_cpus, memory_bytes, .. } =
            task.spec.resources.reservations.clone().unwrap_or_default();
        Amount { nano_cpus, memory_bytes }
    }

    fn map(self, other: Amount, f: impl Fn(i64, i64) -> i64) -> Amount {
        Amount {
            nano_cpus: f(self.nano_cpus, other.nano_cpus),
            memory_bytes: f(self.memory_bytes, other.memory_bytes),
        }
    }
}

impl Room {
    fn taken(self) -> Amount {
        self.in_use.map(self.standing_by, i64::max)
    }

    fn with(mut self, amount: Amount, stands_by: bool) -> Room {
        if stands_by {
            self.standing_by = self.standing_by.map(amount, i64::max);
        } else {
            self.in_use = self.in_use.map(amount, i64::saturating_add);
        }
        self
    }
}

impl Loads {
    pub fn count(store: &Store) -> Loads {
        let mut loads = Loads(BTreeMap::new());
        for node in store.nodes() {
            let mut load = Load {
                node: node.clone(),
                reserved: Amount::default(),
                slots: BTreeMap::new(),
                task_count: 0,
                by_service: BTreeMap::new(),
            };
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
    /// Counts a task, unless it is over.
    fn add(&mut self, task: &Task) {
        if task.is_over() {
            return;
        }
        if task.is_live() {
            self.task_count += 1;
            *self.by_service.entry(task.service_id).or_default() += 1;
        }
        let amount = Amount::of(task);
        if amount != Amount::default() {
            let room = self.slots.entry((task.service_id, task.slot)).or_default();
            let before = room.taken();
            *room = room.with(amount, task.desired == Desired::Ready);
            self.reserved = grown(self.reserved, before, room.taken());
        }
    }

    /// Returns whether what the task reserves is free. `stands_by`: it starts only when the others of
    /// its slot are over.
    pub fn has_room_for(&self, task: &Task, stands_by: bool) -> bool {
        let room = self.slots.get(&(task.service_id, task.slot)).copied().unwrap_or_default();
        let (before, after) = (room.taken(), room.with(Amount::of(task), stands_by).taken());
        let total = grown(self.reserved, before, after);
        let fits = |before: i64, after: i64, total: i64, has: i64| after <= before || total <= has;
        let has = &self.node.description;
        fits(before.nano_cpus, after.nano_cpus, total.nano_cpus, has.nano_cpus)
            && fits(before.memory_bytes, after.memory_bytes, total.memory_bytes, has.memory_bytes)
    }

    /// Returns how many live tasks of the service the node has.
    pub fn tasks_of(&self, id: ServiceId) -> u64 {
        self.by_service.get(&id).copied().unwrap_or(0)
    }
}

/// Returns the total after one slot's share of it changed.
fn grown(total: Amount, before: Amount, after: Amount) -> Amount {
    total.map(before, i64::saturating_sub).map(after, i64::saturating_add)
}
