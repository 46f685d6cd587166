//! Where the tasks of a service stand less evenly than they could, and which move would better that.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

use skep_model::placement::Relocation;
use skep_model::task::TaskState;
use skep_model::{Service, Task, TaskId};

use super::demand::Demand;
use super::filter::Field;
use super::load::Load;
use super::{Failures, Scheduler};
use crate::store::Store;

impl Scheduler {
    /// Returns the move that levels a service out most: from the node with most of its tasks to the one with fewest that
    /// can take one more, if that has two fewer at least. After each such move the tasks stand more evenly, so
    /// they come to an end.
    ///
    /// What spreads over preferences, or is packed, is left alone: even is something else there.
    ///
    /// `gone`: tasks that are supposed to have moved already.
    pub fn uneven(&self, store: &Store, service: &Service, gone: &BTreeSet<TaskId>) -> Option<Relocation> {
        let id = service.id;
        let (from, most) = self.fleet.nodes_of(id).max_by_key(|(node, count)| (*count, Reverse(*node)))?;
        if most < 2 {
            return None;
        }
        let movable = |task: &&Arc<Task>| {
            let is_wanted = task.is_live() && task.leaves.is_none() && !gone.contains(&task.id);
            task.service_id == id && is_wanted && task.status.state == TaskState::Running
        };
        let newest = |task: &&Arc<Task>| (task.meta.created_at, task.id);
        let task = store.tasks_on(from).filter(movable).max_by_key(newest)?;
        let demand = Demand::of(store, task);
        if !demand.preferences.is_empty() || demand.packs(self.fleet.strategy()) {
            return None;
        }
        let field = Field { store, fleet: &self.fleet, demand: &demand };
        let failures: Failures = self.failures_of((id, task.revision), task.meta.updated_at);
        let is_better =
            |load: &Load| self.fleet.tasks_of(id, load.seat) + 2 <= most && !failures.contains_key(&load.id);
        let fitting = self.fleet.iter().filter(|load| is_better(load) && field.miss(load, None).is_none());
        let to =
            fitting.min_by_key(|load| (self.fleet.tasks_of(id, load.seat), load.task_count, load.node.id))?;
        Some(Relocation { task: task.clone(), from, to: to.node.id })
    }

    /// Takes in that a task was moved, to see what would be next.
    pub fn suppose(&mut self, store: &Store, made: &Relocation) {
        self.fleet.remove(&made.task);
        self.fleet.add(store, &Task { node_id: Some(made.to), ..Task::clone(&made.task) });
    }
}
