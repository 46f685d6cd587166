//! Which of two nodes that can take a task should: Swarm's order, or the fullest first where the cluster packs.

use std::collections::BTreeMap;

use skep_model::NodeId;

use super::filter::Field;
use super::load::Load;

/// A node's rank for the tasks of one service and revision; the smallest is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Recent failures of the revision there; 0 where they are few.
    failures: u32,
    first: u64,
    second: u64,
    pub id: NodeId,
}

/// Nodes on which a revision failed often of late, and how often.
pub type Failures = BTreeMap<NodeId, u32>;

impl Rank {
    /// Returns the rank of a node: by failures, then by the fewest tasks of the service and the fewest tasks, or by
    /// the least that is left.
    pub fn of(field: &Field<'_>, failures: &Failures, load: &Load) -> Rank {
        Rank::with(field, failures, load, field.fleet.tasks_of(field.demand.service_id, load.id))
    }

    /// Returns the rank of a node that is known to have so many tasks of the service.
    pub fn with(field: &Field<'_>, failures: &Failures, load: &Load, count: u32) -> Rank {
        let id = load.id;
        let (first, second) = match field.demand.packs(field.fleet.strategy()) {
            false => (count.into(), load.task_count.into()),
            true => (u64::MAX - load.share(), u64::MAX - u64::from(load.task_count)),
        };
        Rank { failures: failures.get(&id).copied().unwrap_or(0), first, second, id }
    }

    /// Returns the rank of the same node when it has got one more task of the service.
    pub fn with_one_more(self, field: &Field<'_>, failures: &Failures, load: &Load) -> Rank {
        match field.demand.packs(field.fleet.strategy()) {
            false => Rank { first: self.first + 1, second: load.task_count.into(), ..self },
            true => Rank::of(field, failures, load),
        }
    }
}
