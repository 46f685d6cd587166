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
        let id = load.id;
        let (first, second) = match field.demand.packs(field.fleet.strategy()) {
            false => (field.fleet.tasks_of(field.demand.service_id, id).into(), load.task_count.into()),
            true => (u64::MAX - load.share(), u64::MAX - u64::from(load.task_count)),
        };
        Rank { failures: failures.get(&id).copied().unwrap_or(0), first, second, id }
    }
}
