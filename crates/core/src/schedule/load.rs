//! What one node holds, counted from the tasks given to it until they are observed to be over.
//!
//! Tasks of one slot that follow each other on a node share a [`room`](super::room), and may open the same port.

use std::collections::BTreeMap;
use std::sync::Arc;

use skep_model::endpoint::Protocol;
use skep_model::{Node, NodeId, Task, TaskId};

use super::amount::Amount;
use super::filter::{Absence, absence};
use super::room::{Manner, Rooms, Slot};
use super::seats::Seat;

/// A port of the node.
pub type HostPort = (Protocol, u16);

/// One node and what its tasks take of it.
#[derive(Clone, Debug)]
pub struct Load {
    pub id: NodeId,
    /// Where it stands in its fleet.
    pub seat: Seat,
    pub node: Arc<Node>,
    /// Why the node takes no new tasks at all, if so.
    pub absence: Option<Absence>,
    offered: Amount,
    reserved: Amount,
    rooms: Rooms,
    ports: BTreeMap<HostPort, Vec<(Slot, TaskId, Manner)>>,
    /// Live tasks.
    pub task_count: u32,
}

/// A resource that a node may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    Cpus,
    Memory,
    /// The so-many-th of the kinds that are asked for.
    Generic(usize),
}

impl Load {
    /// Returns a node that holds nothing yet.
    pub fn new(node: Arc<Node>, seat: Seat) -> Load {
        Load {
            id: node.id,
            seat,
            offered: Amount::offered(&node.description),
            absence: absence(&node),
            node,
            reserved: Amount::default(),
            rooms: Rooms::default(),
            ports: BTreeMap::new(),
            task_count: 0,
        }
    }

    /// Takes in what was written about the node.
    pub fn update(&mut self, node: Arc<Node>) {
        self.offered = Amount::offered(&node.description);
        self.absence = absence(&node);
        self.node = node;
    }

    /// Counts a task that is not over.
    pub fn add(&mut self, task: &Task, manner: Manner) {
        self.task_count += u32::from(task.is_live());
        if !Amount::of(&task.spec).is_nothing() {
            self.rooms.enter(&mut self.reserved, task, manner);
        }
        for port in host_ports(task) {
            let slot = (task.service_id, task.slot);
            self.ports.entry(port).or_default().push((slot, task.id, manner));
        }
    }

    /// Takes back what was counted for a task.
    pub fn remove(&mut self, task: &Task) {
        self.task_count = self.task_count.saturating_sub(u32::from(task.is_live()));
        if !Amount::of(&task.spec).is_nothing() {
            self.rooms.leave(&mut self.reserved, task);
        }
        for port in host_ports(task) {
            if let Some(holders) = self.ports.get_mut(&port) {
                holders.retain(|(_, id, _)| *id != task.id);
                if holders.is_empty() {
                    self.ports.remove(&port);
                }
            }
        }
    }

    /// Returns the first resource of which too little is free for one more task of the slot; `None` for the
    /// slot of a task that has nothing here.
    pub fn lacks(&self, amount: &Amount, slot: Option<(Slot, Manner)>) -> Option<Resource> {
        if amount.is_nothing() {
            return None;
        }
        let growth = slot.and_then(|(slot, manner)| self.rooms.growth(slot, amount, manner));
        let fits = |of: &dyn Fn(&Amount) -> i64| {
            let (before, kept, after) = match &growth {
                Some(growth) => (of(&growth.before), of(&growth.kept), of(&growth.after)),
                None => (0, 0, of(amount)),
            };
            let reserved = of(&self.reserved).saturating_sub(before).saturating_add(after);
            after <= kept || reserved <= of(&self.offered)
        };
        if !fits(&|amount| amount.nano_cpus) {
            return Some(Resource::Cpus);
        }
        if !fits(&|amount| amount.memory_bytes) {
            return Some(Resource::Memory);
        }
        let of_kind = |amount: &Amount, kind: &str| amount.generic.get(kind).copied().unwrap_or_default();
        let lacking = amount.generic.keys().position(|kind| !fits(&|amount| of_kind(amount, kind)));
        lacking.map(Resource::Generic)
    }

    /// Returns a resource that the task reserves and of which more is reserved than there is.
    pub fn exceeded_with(&self, task: &Task) -> Option<String> {
        let amount = Amount::of(&task.spec);
        if amount.nano_cpus > 0 && self.reserved.nano_cpus > self.offered.nano_cpus {
            return Some("cpus".to_owned());
        }
        if amount.memory_bytes > 0 && self.reserved.memory_bytes > self.offered.memory_bytes {
            return Some("memory".to_owned());
        }
        let of = |amount: &Amount, kind: &String| amount.generic.get(kind).copied().unwrap_or_default();
        amount.generic.keys().find(|kind| of(&self.reserved, kind) > of(&self.offered, kind)).cloned()
    }

    /// Returns whether a task of the slot may open the port here.
    pub fn has_port(&self, port: HostPort, slot: Option<(Slot, Manner)>) -> bool {
        let Some(holders) = self.ports.get(&port) else { return true };
        holders.iter().all(|(held_by, _, manner)| {
            slot.is_some_and(|(slot, own)| {
                slot == *held_by && (own == Manner::StandingBy || *manner == Manner::StandingBy)
            })
        })
    }

    /// Returns what is not reserved.
    pub fn free(&self) -> Amount {
        let mut free = self.offered.clone();
        free.subtract(&self.reserved);
        free
    }

    /// Returns the share that is reserved of what is reserved most, in parts of a million.
    pub fn share(&self) -> u32 {
        let share = |reserved: i64, offered: i64| {
            let (reserved, offered) = (reserved.max(0) as u128, offered.max(1) as u128);
            u32::try_from(reserved * 1_000_000 / offered).unwrap_or(u32::MAX)
        };
        share(self.reserved.nano_cpus, self.offered.nano_cpus)
            .max(share(self.reserved.memory_bytes, self.offered.memory_bytes))
    }
}

/// Returns the ports that a task opens on its node, but for those that the node chooses.
pub fn host_ports(task: &Task) -> impl Iterator<Item = HostPort> {
    let chosen = task.spec.host_ports.iter().filter(|port| port.published != 0);
    chosen.map(|port| (port.protocol, port.published))
}
