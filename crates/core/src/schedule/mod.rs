//! Gives each task without a node one, or says why there is none.
//!
//! A pass looks at all live tasks that wait, oldest first. What a node offers is counted once per pass
//! from the tasks it holds; resources and places are held until a task is observed to be over.

mod explain;
mod filter;
mod node_load;
mod rank;

use std::sync::Arc;

use skep_model::task::TaskState;
use skep_model::{NodeId, Task};

use crate::store::draft::Move;
use crate::store::{Draft, Store};
use filter::Demand;
use node_load::Loads;

/// What is known of the nodes between passes. It holds nothing that a new leader could not rebuild.
#[derive(Debug)]
pub struct Scheduler {}

impl Scheduler {
    pub fn new(_store: &Store) -> Self {
        Scheduler {}
    }

    /// Takes in writes to tasks and nodes.
    pub fn follow(&mut self, _moves: &[Move]) {}

    /// Places what can be placed; writes the reason into what cannot.
    pub fn plan(&mut self, draft: &mut Draft) {
        plan(draft);
    }
}

/// Places what can be placed; writes the reason into what cannot.
fn plan(draft: &mut Draft) {
    let mut waiting: Vec<Arc<Task>> = draft.tasks_unplaced().cloned().collect();
    if waiting.is_empty() {
        return;
    }
    waiting.sort_by_key(|task| (task.meta.created_at, task.service_id, task.slot, task.id));
    let mut loads = Loads::count(draft);
    for task in waiting {
        if draft.is_full() {
            return;
        }
        let demand = Demand::of(draft, &task);
        match rank::best(&loads, &demand) {
            Ok(node_id) => {
                loads.add(node_id, &task);
                assign(draft, &task, node_id);
            }
            Err(misses) => wait(draft, &task, explain::sentence(&misses)),
        }
    }
}

fn assign(draft: &mut Draft, task: &Task, node_id: NodeId) {
    let now = draft.now();
    draft.change_task(task.id, |task| {
        task.node_id = Some(node_id);
        task.status.state = TaskState::Assigned;
        task.status.message = "scheduler assigned task to node".to_owned();
        task.status.err.clear();
        (task.status.at, task.status.applied_at) = (now, now);
    });
}

/// Leaves the task waiting; writes only when the reason is another than before.
fn wait(draft: &mut Draft, task: &Task, reason: String) {
    if task.status.state == TaskState::Pending && task.status.err == reason {
        return;
    }
    let now = draft.now();
    draft.change_task(task.id, |task| {
        task.status.state = TaskState::Pending;
        task.status.message = "pending task scheduling".to_owned();
        task.status.err = reason;
        (task.status.at, task.status.applied_at) = (now, now);
    });
}
