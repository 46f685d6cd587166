//! What the tasks of one slot take of a node together.
//!
//! Those that follow each other take the room of the larger one: what *stands by* uses nothing yet, and what it follows is
//! gone when it starts. On a node that holds more than it has, a successor may have the room of a task that stays there,
//! and not that of one that has to leave.

use skep_model::task::SlotId;
use skep_model::{ServiceId, TaskId};

use super::amount::Amount;

pub type Slot = (ServiceId, SlotId);

/// Whether a task uses what it has, or starts only when the others of its slot are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    InUse,
    StandingBy,
}

/// The slots that reserve something of a node, in their order. A list, for there are few of them on most nodes.
#[derive(Clone, Debug, Default)]
pub struct Rooms(Vec<(Slot, Room)>);

/// What one task takes of the room of its slot.
#[derive(Clone, Debug)]
pub struct Stake {
    pub id: TaskId,
    pub amount: Amount,
    pub manner: Manner,
    /// Whether it is wanted, and wanted here.
    pub stays: bool,
}

/// The stakes of the tasks of one slot; hardly ever more than one.
#[derive(Clone, Debug)]
pub struct Room {
    first: Stake,
    others: Vec<Stake>,
}

/// What a slot takes before and after it gets one more task.
pub struct Growth {
    pub before: Amount,
    /// What it may take however much the node lacks: what its tasks have that stay.
    pub kept: Amount,
    pub after: Amount,
}

impl Rooms {
    pub fn get(&self, slot: Slot) -> Option<&Room> {
        Some(&self.0[self.place(slot).ok()?].1)
    }

    fn place(&self, slot: Slot) -> Result<usize, usize> {
        self.0.binary_search_by_key(&slot, |(slot, _)| *slot)
    }

    /// Takes in a task; keeps `reserved`, the sum of all rooms.
    pub fn enter(&mut self, reserved: &mut Amount, slot: Slot, stake: Stake) {
        match self.place(slot) {
            Err(place) => {
                reserved.add(&stake.amount);
                self.0.insert(place, (slot, Room { first: stake, others: Vec::new() }));
            }
            Ok(place) => {
                let room = &mut self.0[place].1;
                reserved.subtract(&room.size());
                room.others.push(stake);
                reserved.add(&room.size());
            }
        }
    }

    /// Takes back what was taken in for a task.
    pub fn leave(&mut self, reserved: &mut Amount, slot: Slot, id: TaskId) {
        let Ok(place) = self.place(slot) else { return };
        let room = &mut self.0[place].1;
        reserved.subtract(&room.size());
        room.others.retain(|one| one.id != id);
        if room.first.id == id {
            match room.others.pop() {
                Some(other) => room.first = other,
                None => return drop(self.0.remove(place)),
            }
        }
        reserved.add(&room.size());
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
    pub fn with(&self, amount: &Amount, manner: Manner) -> Growth {
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
