//! The nodes among which the tasks of a service and revision are shared out: a heap of those that were asked,
//! filled from a queue of all nodes as far as is needed.
//!
//! Of the nodes that have equally many tasks of the service, the best is the first in the queue of the fleet. So
//! that queue is gone through for those that have the fewest, and again for those that have more only when
//! these are exhausted: placing a few tasks on a large fleet asks a few nodes, however many tasks the service
//! has.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::collections::binary_heap::{BinaryHeap, PeekMut};

use super::filter::Field;
use super::load::Load;
use super::queues::Standing;
use super::rank::{Failures, Rank};
use super::seats::Seat;

/// Candidates, the best of them first.
#[derive(Debug, Default)]
pub struct Pool {
    heap: BinaryHeap<Reverse<Rank>>,
    /// `None`: the heap is all there is.
    walk: Option<Walk>,
}

/// Where in the queue of the fleet the next node comes from.
#[derive(Debug, Default)]
struct Walk {
    /// So many tasks of the service have the nodes that are looked for; what comes later follows. Empty: any
    /// number.
    levels: VecDeque<u32>,
    after: Option<Standing>,
    ahead: VecDeque<Seat>,
    /// Those ahead are known to be what is required.
    are_suited: bool,
    is_exhausted: bool,
    /// The node taken from the queue last, until it gets a task; and the version of the fleet at which it could.
    drawn: Option<(Rank, u64)>,
}

/// Nodes fetched from the queue at a time.
const FETCH: usize = 64;

impl Pool {
    /// Returns a pool of all nodes.
    pub fn of_all(field: &Field<'_>, failures: &Failures) -> Pool {
        let levels = field.fleet.levels_of(field.demand.service_id).filter(|_| !packs(field)).collect();
        // Those that failed it come last, wherever they stand.
        let failed = failures.keys().filter_map(|id| field.fleet.get(*id));
        let mut pool = Pool::of(field, failures, failed);
        pool.walk = Some(Walk { levels, ..Walk::default() });
        pool
    }

    /// Returns a pool of these nodes.
    pub fn of<'l>(field: &Field<'_>, failures: &Failures, loads: impl Iterator<Item = &'l Load>) -> Pool {
        let ranks: Vec<_> = loads.map(|load| Reverse(Rank::of(field, failures, load))).collect();
        Pool { heap: ranks.into(), walk: None }
    }

    /// Returns the best node that can take a task; `None`: no node can.
    pub fn best(&mut self, field: &Field<'_>, failures: &Failures) -> Option<Rank> {
        loop {
            self.draw(field, failures);
            let Reverse(rank) = *self.heap.peek()?;
            let drawn = self.walk.as_ref().and_then(|walk| walk.drawn);
            let holds = |load| {
                // A node that got a task since it was ranked is in the heap once more.
                Rank::of(field, failures, load) == rank && field.miss(load, None).is_none()
            };
            if drawn == Some((rank, field.fleet.version())) || field.fleet.at(rank.seat()).is_some_and(holds)
            {
                return Some(rank);
            }
            self.drop_best();
        }
    }

    /// Takes in that the node got a task.
    pub fn placed(&mut self, field: &Field<'_>, failures: &Failures, load: &Load) {
        let is_best = |best: &PeekMut<'_, Reverse<Rank>>| best.0.seat() == load.seat;
        let rank = Reverse(Rank::of(field, failures, load));
        if let Some(mut best) = self.heap.peek_mut().filter(is_best) {
            *best = rank;
        } else {
            // Where it stands in the heap already, that is found to be out of date when its turn comes.
            self.heap.push(rank);
            return;
        }
        self.forget_drawn(load.seat);
    }

    fn drop_best(&mut self) {
        if let Some(Reverse(dropped)) = self.heap.pop() {
            self.forget_drawn(dropped.seat());
        }
    }

    fn forget_drawn(&mut self, seat: Seat) {
        if let Some(walk) =
            self.walk.as_mut().filter(|walk| walk.drawn.is_some_and(|(drawn, _)| drawn.seat() == seat))
        {
            walk.drawn = None;
        }
    }

    /// Sees to it that the next node of the queue is in the heap.
    fn draw(&mut self, field: &Field<'_>, failures: &Failures) {
        let Some(walk) = &mut self.walk else { return };
        while walk.drawn.is_none()
            && let Some(seat) = walk.next(field)
        {
            let count = field.fleet.tasks_of(field.demand.service_id, seat);
            let has_its_turn = walk.levels.front().is_none_or(|level| *level == count);
            let Some(load) = field.fleet.at(seat).filter(|_| has_its_turn) else { continue };
            let is_ranked_already = failures.contains_key(&load.id);
            let can_take = || match walk.are_suited {
                true => field.takes_suited(load),
                false => field.miss(load, None).is_none(),
            };
            if !is_ranked_already && can_take() {
                let rank = Rank::with(field, failures, load, count);
                self.heap.push(Reverse(rank));
                walk.drawn = Some((rank, field.fleet.version()));
            }
        }
    }
}

impl Walk {
    fn next(&mut self, field: &Field<'_>) -> Option<Seat> {
        if self.ahead.is_empty() && self.is_exhausted && self.levels.len() > 1 {
            self.levels.pop_front();
            (self.after, self.is_exhausted) = (None, false);
        }
        if self.ahead.is_empty() && !self.is_exhausted {
            let requirements = &field.demand.requirements;
            let fetched = field.fleet.queues().next(requirements, packs(field), self.after, FETCH);
            self.is_exhausted = fetched.standings.len() < FETCH;
            self.after = fetched.standings.last().copied().or(self.after);
            self.are_suited = fetched.are_suited;
            self.ahead.extend(fetched.standings.into_iter().map(Standing::seat));
        }
        self.ahead.pop_front()
    }
}

fn packs(field: &Field<'_>) -> bool {
    field.demand.packs(field.fleet.strategy())
}
