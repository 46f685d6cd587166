//! What one node holds, counted from the tasks given to it until they are observed to be over.
//!
//! Tasks of one slot that follow each other on a node take the room of the larger one, and may open the same
//! port: what *stands by* uses nothing yet, and what it follows is gone when it starts. On a node that holds more than
//! it has, a successor may have the room of a task that stays there, and not that of one that has to leave.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use skep_model::endpoint::Protocol;
use skep_model::task::SlotId;
use skep_model::{Node, NodeId, ServiceId, Task, TaskId};

use super::amount::Amount;
use super::filter::{Absence, absence};
use super::seats::Seat;

/// A port of the node.
pub type HostPort = (Protocol, u16);
type Slot = (ServiceId, SlotId);

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
    /// Slots that reserve something.
    rooms: BTreeMap<Slot, Room>,
    ports: BTreeMap<HostPort, Vec<(Slot, TaskId, Manner)>>,
    /// Live tasks.
    pub task_count: u32,
}

/// Whether a task uses what it has, or starts only when the others of its slot are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    InUse,
    StandingBy,
}

/// What one task takes of the room of its slot.
#[derive(Clone, Debug)]
struct Stake {
    id: TaskId,
    amount: Amount,
    manner: Manner,
    /// Whether it is wanted, and wanted here.
    stays: bool,
}

/// The stakes of the tasks of one slot; hardly ever more than one.
#[derive(Clone, Debug)]
struct Room {
    first: Stake,
    others: Vec<Stake>,
}

/// What a slot takes before and after it gets one more task.
struct Growth {
    before: Amount,
    /// What it may take however much the node lacks: what its tasks have that stay.
    kept: Amount,
    after: Amount,
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
            rooms: BTreeMap::new(),
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
        let slot = (task.service_id, task.slot);
        let amount = Amount::of(&task.spec);
        if !amount.is_nothing() {
            let stays = task.is_live() && task.leaves.is_none();
            self.enter(slot, Stake { id: task.id, amount, manner, stays });
        }
        for port in host_ports(task) {
            self.ports.entry(port).or_default().push((slot, task.id, manner));
        }
    }

    /// Takes back what was counted for a task.
    pub fn remove(&mut self, task: &Task) {
        self.task_count = self.task_count.saturating_sub(u32::from(task.is_live()));
        if !Amount::of(&task.spec).is_nothing() {
            self.leave((task.service_id, task.slot), task.id);
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

    fn enter(&mut self, slot: Slot, stake: Stake) {
        match self.rooms.entry(slot) {
            Entry::Vacant(room) => {
                self.reserved.add(&stake.amount);
                room.insert(Room { first: stake, others: Vec::new() });
            }
            Entry::Occupied(mut room) => {
                let room = room.get_mut();
                self.reserved.subtract(&room.size());
                room.others.push(stake);
                self.reserved.add(&room.size());
            }
        }
    }

    fn leave(&mut self, slot: Slot, id: TaskId) {
        let Entry::Occupied(mut entry) = self.rooms.entry(slot) else { return };
        let room = entry.get_mut();
        self.reserved.subtract(&room.size());
        room.others.retain(|one| one.id != id);
        if room.first.id == id {
            match room.others.pop() {
                Some(other) => room.first = other,
                None => return drop(entry.remove()),
            }
        }
        self.reserved.add(&room.size());
    }

    /// Returns the first resource of which too little is free for one more task of the slot; `None` for the
    /// slot of a task that has nothing here.
    pub fn lacks(&self, amount: &Amount, slot: Option<(Slot, Manner)>) -> Option<Resource> {
        if amount.is_nothing() {
            return None;
        }
        let room = slot.and_then(|(slot, manner)| Some((self.rooms.get(&slot)?, manner)));
        let room = match room {
            Some((room, manner)) => room.with(amount, manner),
            None => Growth { before: Amount::default(), kept: Amount::default(), after: amount.clone() },
        };
        let fits = |of: &dyn Fn(&Amount) -> i64| {
            let (before, after) = (of(&room.before), of(&room.after));
            let reserved = of(&self.reserved).saturating_sub(before).saturating_add(after);
            after <= of(&room.kept) || reserved <= of(&self.offered)
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

impl Room {
    fn stakes(&self) -> impl Iterator<Item = &Stake> {
        std::iter::once(&self.first).chain(&self.others)
    }

    fn size(&self) -> Amount {
        size(self.stakes())
    }

    /// Returns what one more task makes of the room.
    fn with(&self, amount: &Amount, manner: Manner) -> Growth {
        let one_more = Stake { id: TaskId::default(), amount: amount.clone(), manner, stays: true };
        let staying = || self.stakes().filter(|stake| stake.stays);
        let after = match manner {
            // What has to leave is gone when it starts.
            Manner::StandingBy => size(staying().chain([&one_more])),
            Manner::InUse => size(self.stakes().chain([&one_more])),
        };
        Growth { before: self.size(), kept: size(staying()), after }
    }
}

/// Returns what a slot takes: the sum of what is used, or what stands by where that is more.
fn size<'s>(stakes: impl IntoIterator<Item = &'s Stake>) -> Amount {
    let (mut in_use, mut standing_by) = (Amount::default(), Amount::default());
    for stake in stakes {
        match stake.manner {
            Manner::InUse => in_use.add(&stake.amount),
            Manner::StandingBy => standing_by.raise(&stake.amount),
        }
    }
    in_use.raise(&standing_by);
    in_use
}

/// Returns the ports that a task opens on its node, but for those that the node chooses.
pub fn host_ports(task: &Task) -> impl Iterator<Item = HostPort> {
    let chosen = task.spec.host_ports.iter().filter(|port| port.published != 0);
    chosen.map(|port| (port.protocol, port.published))
}
