//! The queues in which nodes stand to be asked: by how many tasks they have, or by how little of them is free. One of all
//! nodes, and one for each of a few [`Requirements`] that are asked for, so that placing a task does not ask
//! the nodes that will never do.

use std::collections::BTreeSet;
use std::ops::Bound;

use skep_model::placement::Strategy;

use super::load::Load;
use super::requirements::Requirements;
use super::seats::Seat;

/// A place in a queue: smaller ones are asked first. One number, the seat its lower half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing(u64);

/// Requirements that have a queue of their own. Each costs a little with every task that is placed; what is
/// asked for beside them is looked for among all nodes.
const KEPT_MAX: usize = 4;

/// The queues of a fleet.
#[derive(Debug, Default)]
pub struct Queues {
    strategy: Strategy,
    all: Queue,
    /// The ones asked for last come first.
    // Invariant: in each stand the nodes that meet its requirements, and no other: the fleet has every node that is
    // written reconsidered.
    kept: Vec<(Requirements, Queue)>,
}

#[derive(Debug, Default)]
struct Queue {
    by_count: BTreeSet<Standing>,
    /// Empty unless the cluster packs.
    by_share: BTreeSet<Standing>,
}

/// A node's places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    count: Standing,
    share: Option<Standing>,
}

/// Nodes that follow each other in a queue.
#[derive(Debug)]
pub struct Fetched {
    pub standings: Vec<Standing>,
    /// All of them meet the requirements.
    pub are_suited: bool,
}

impl Standing {
    fn new(rank: u32, seat: Seat) -> Standing {
        Standing(u64::from(rank) << 32 | u64::from(seat.number()))
    }

    pub fn seat(self) -> Seat {
        Seat::from_number(self.0 as u32)
    }
}

impl Queues {
    pub fn new(strategy: Strategy) -> Queues {
        Queues { strategy, ..Queues::default() }
    }

    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    pub fn places(&self, load: &Load) -> Places {
        let packs = self.strategy == Strategy::Binpack;
        Places {
            count: Standing::new(load.task_count, load.seat),
            share: packs.then(|| Standing::new(u32::MAX - load.share(), load.seat)),
        }
    }

    /// Sees to it that there is a queue of the nodes that meet these requirements.
    pub fn keep<'l>(&mut self, requirements: &Requirements, loads: impl Iterator<Item = &'l Load>) {
        if requirements.is_nothing() {
            return;
        }
        if let Some(index) = self.kept.iter().position(|(known, _)| known == requirements) {
            self.kept[..=index].rotate_right(1);
            return;
        }
        let mut queue = Queue::default();
        for load in loads.filter(|load| requirements.miss(&load.node).is_none()) {
            queue.insert(self.places(load));
        }
        self.kept.truncate(KEPT_MAX - 1);
        self.kept.insert(0, (requirements.clone(), queue));
    }

    /// Returns up to `limit` nodes that follow `after`, among them all that meet the requirements.
    pub fn next(
        &self,
        requirements: &Requirements,
        packs: bool,
        after: Option<Standing>,
        limit: usize,
    ) -> Fetched {
        let kept = self.kept.iter().find(|(known, _)| known == requirements).map(|(_, queue)| queue);
        let are_suited = kept.is_some() || requirements.is_nothing();
        let queue = kept.unwrap_or(&self.all);
        let queue = if packs { &queue.by_share } else { &queue.by_count };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let standings = queue.range((start, Bound::Unbounded)).take(limit).copied().collect();
        Fetched { standings, are_suited }
    }

    /// Takes in that a node is new, that it changed, or what it holds.
    pub fn moved(&mut self, before: Option<Places>, after: Option<Places>) {
        let kept = self.kept.iter_mut().map(|(_, queue)| queue);
        for queue in kept {
            queue.replace(before, after);
        }
        if let Some(before) = before {
            self.all.remove(before);
        }
        if let Some(after) = after {
            self.all.insert(after);
        }
    }

    /// Takes in that a node may meet other requirements than before. It stands where it says.
    pub fn reconsider(&mut self, load: &Load) {
        let places = self.places(load);
        for (requirements, queue) in &mut self.kept {
            match requirements.miss(&load.node) {
                None => queue.insert(places),
                Some(_) => queue.remove(places),
            }
        }
    }
}

impl Queue {
    fn insert(&mut self, places: Places) {
        self.by_count.insert(places.count);
        self.by_share.extend(places.share);
    }

    fn remove(&mut self, places: Places) {
        self.by_count.remove(&places.count);
        if let Some(share) = places.share {
            self.by_share.remove(&share);
        }
    }

    /// Moves a node that stands in the queue; leaves out one that does not.
    fn replace(&mut self, before: Option<Places>, after: Option<Places>) {
        let Some(before) = before.filter(|before| self.by_count.remove(&before.count)) else { return };
        if let Some(share) = before.share {
            self.by_share.remove(&share);
        }
        after.into_iter().for_each(|after| self.insert(after));
    }
}
