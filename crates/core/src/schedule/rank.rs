//! Which of the nodes that can take a task should: the one with the fewest tasks of the service, then
//! the fewest tasks, then the lowest id.

use std::collections::BTreeMap;

use skep_model::NodeId;

use super::filter::{Demand, Miss};
use super::node_load::Loads;

/// Returns the best node, or how many nodes missed for which reason.
pub fn best(loads: &Loads, demand: &Demand<'_>) -> Result<NodeId, BTreeMap<Miss, u64>> {
    let mut misses = BTreeMap::new();
    let mut best = None;
    for load in loads.iter() {
        if !demand.may_go_to(load.node.id) {
            continue;
        }
        if let Some(miss) = demand.miss(load) {
            *misses.entry(miss).or_default() += 1;
            continue;
        }
        let rank = (load.tasks_of(demand.task.service_id), load.task_count, load.node.id);
        if best.is_none_or(|best| rank < best) {
            best = Some(rank);
        }
    }
    best.map(|(_, _, node_id)| node_id).ok_or(misses)
}
