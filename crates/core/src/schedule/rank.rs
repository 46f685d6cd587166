//! Which of two nodes that can take a task should: Swarm's order, or the fullest first where the cluster packs.

use std::collections::BTreeMap;

use skep_model::NodeId;

use super::filter::Field;
use super::load::Load;
use super::seats::Seat;

/// A node's rank for the tasks of one service and revision; the smallest is the best. One number, so that ranks are
/// compared in one step: recent failures of the revision there (0 where they are few), what counts first, what
/// counts second, and the seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(u128);

/// Nodes on which a revision failed often of late, and how often.
pub type Failures = BTreeMap<NodeId, u32>;

impl Rank {
    /// Returns the rank of a node: by failures, then by the fewest tasks of the service and the fewest tasks, or by
    /// the least that is left.
    pub fn of(field: &Field<'_>, failures: &Failures, load: &Load) -> Rank {
        Rank::with(field, failures, load, field.fleet.tasks_of(field.demand.service_id, load.seat))
    }

    /// Returns the rank of a node that is known to have so many tasks of the service.
    pub fn with(field: &Field<'_>, failures: &Failures, load: &Load, count: u32) -> Rank {
        let (first, second) = match field.demand.packs(field.fleet.strategy()) {
            false => (count, load.task_count),
            true => (u32::MAX - load.share(), u32::MAX - load.task_count),
        };
        Rank::new([failures.get(&load.id).copied().unwrap_or(0), first, second, load.seat.number()])
    }

    pub fn seat(self) -> Seat {
        Seat::from_number(self.0 as u32)
    }

    fn new([failures, first, second, seat]: [u32; 4]) -> Rank {
        let pair = |high: u32, low: u32| u128::from(high) << 32 | u128::from(low);
        Rank(pair(failures, first) << 64 | pair(second, seat))
    }
}
