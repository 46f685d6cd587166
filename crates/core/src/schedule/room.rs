//! What the tasks of one slot take of a node together.
//!
//! Those that follow each other take the room of the larger one: what *stands by* uses nothing yet, and what it follows is
//! gone when it starts. On a node that holds more than it has, a successor may have the room of a task that stays there,
//! and not that of one that has to leave.

use std::sync::Arc;

use skep_model::task::SlotId;
use skep_model::{Id, ServiceId, Task, TaskId, TaskSpec};

use super::amount::Amount;

pub type Slot = (ServiceId, SlotId);

/// Whether a task uses what it has, or starts only when the others of its slot are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    InUse,
    StandingBy,
}

/// What tasks take of a node, in no order. Each has a mark of its slot, apart from the rest: on a large fleet no two
/// placements in a row look at the same node, and the marks of one with many tasks are read in a step or two.
#[derive(Clone, Debug, Default)]
pub struct Rooms {
    // Invariant: as long as the stakes, one for one.
    marks: Vec<u32>,
    stakes: Vec<Stake>,
}

/// What one task takes of the room of its slot.
#[derive(Clone, Debug)]
struct Stake {
    slot: Slot,
    id: TaskId,
    /// Says how much.
    spec: Arc<TaskSpec>,
    manner: Manner,
    /// Whether it is wanted, and wanted here.
    stays: bool,
}

/// What a slot takes before and after it gets one more task.
pub struct Growth {
    pub before: Amount,
    /// What it may take however much the node lacks: what its tasks have that stay.
    pub kept: Amount,
    pub after: Amount,
}

impl Rooms {
    /// Takes in a task; keeps `reserved`, the sum of all rooms.
    pub fn enter(&mut self, reserved: &mut Amount, task: &Task, manner: Manner) {
        let slot = (task.service_id, task.slot);
        let stays = task.is_live() && task.leaves.is_none();
        let stake = Stake { slot, id: task.id, spec: task.spec.clone(), manner, stays };
        let others: Vec<&Stake> = self.of(slot).collect();
        reserved.subtract(&size(others.iter().map(|other| other.share())));
        reserved.add(&size(others.into_iter().chain([&stake]).map(Stake::share)));
        self.marks.push(mark(slot));
        self.stakes.push(stake);
    }

    /// Takes back what was taken in for a task.
    pub fn leave(&mut self, reserved: &mut Amount, task: &Task) {
        let slot = (task.service_id, task.slot);
        let Some(place) = self.places(slot).find(|place| self.stakes[*place].id == task.id) else { return };
        reserved.subtract(&self.size(slot));
        self.marks.swap_remove(place);
        self.stakes.swap_remove(place);
        reserved.add(&self.size(slot));
    }

    /// Returns what one more task makes of the room of its slot, if that has one.
    pub fn growth(&self, slot: Slot, amount: &Amount, manner: Manner) -> Option<Growth> {
        let stakes: Vec<&Stake> = self.of(slot).collect();
        if stakes.is_empty() {
            return None;
        }
        let all = || stakes.iter().map(|stake| stake.share());
        let staying = || stakes.iter().filter(|stake| stake.stays).map(|stake| stake.share());
        let one_more = [(amount.clone(), manner)];
        let after = match manner {
            // What has to leave is gone when it starts.
            Manner::StandingBy => size(staying().chain(one_more)),
            Manner::InUse => size(all().chain(one_more)),
        };
        Some(Growth { before: size(all()), kept: size(staying()), after })
    }

    fn places(&self, slot: Slot) -> impl Iterator<Item = usize> {
        let mark = mark(slot);
        let marked = self.marks.iter().enumerate().filter(move |(_, other)| **other == mark);
        marked.map(|(place, _)| place).filter(move |place| self.stakes[*place].slot == slot)
    }

    fn of(&self, slot: Slot) -> impl Iterator<Item = &Stake> {
        self.places(slot).map(|place| &self.stakes[place])
    }

    fn size(&self, slot: Slot) -> Amount {
        size(self.of(slot).map(Stake::share))
    }
}

impl Stake {
    fn share(&self) -> (Amount, Manner) {
        (Amount::of(&self.spec), self.manner)
    }
}

/// Returns a number that is another one for most slots.
fn mark((service, slot): Slot) -> u32 {
    let number = match slot {
        SlotId::Number(number) => number,
        SlotId::Node(id) => id.number() as u64,
    };
    let mixed = (number ^ service.number() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32
}

/// Returns what a slot takes: the sum of what is used, or what stands by where that is more.
fn size(shares: impl IntoIterator<Item = (Amount, Manner)>) -> Amount {
    let (mut in_use, mut standing_by) = (Amount::default(), Amount::default());
    for (amount, manner) in shares {
        match manner {
            Manner::InUse => in_use.add(&amount),
            Manner::StandingBy => standing_by.raise(&amount),
        }
    }
    in_use.raise(&standing_by);
    in_use
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_model::ServiceSpec;
    use skep_model::template::Reservations;

    fn task(service: u128, slot: u64, nano_cpus: i64) -> Task {
        let service = skep_testing::service(ServiceId::from_number(service), ServiceSpec::default());
        let mut template = TaskSpec::default();
        template.resources.reservations = Some(Reservations { nano_cpus, ..Reservations::default() });
        let id = TaskId::from_number(u128::from(slot) << 64 | service.id.number());
        Task { spec: Arc::new(template), ..Task::of(&service, id, SlotId::Number(slot)) }
    }

    #[test]
    fn slots_of_one_mark_have_rooms_of_their_own() {
        let (one, other) = (task(100, 3, 5), task(101, 2, 7));
        let slots = [&one, &other].map(|task| (task.service_id, task.slot));
        assert_eq!(mark(slots[0]), mark(slots[1]), "the test needs two that collide");
        for first_to_leave in [0, 1] {
            let (mut rooms, mut reserved) = (Rooms::default(), Amount::default());
            rooms.enter(&mut reserved, &one, Manner::InUse);
            assert!(rooms.growth(slots[1], &Amount::default(), Manner::InUse).is_none());
            rooms.enter(&mut reserved, &other, Manner::InUse);
            assert_eq!(reserved.nano_cpus, 12);
            let growth =
                rooms.growth(slots[1], &Amount::of(&one.spec), Manner::InUse).expect("it has a room");
            assert_eq!((growth.before.nano_cpus, growth.after.nano_cpus), (7, 12));
            let (first, last) = if first_to_leave == 0 { (&one, &other) } else { (&other, &one) };
            rooms.leave(&mut reserved, first);
            assert_eq!(reserved, Amount::of(&last.spec));
            rooms.leave(&mut reserved, first);
            rooms.leave(&mut reserved, last);
            assert!(reserved.is_nothing());
        }
    }
}
