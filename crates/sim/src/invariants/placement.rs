//! No task comes to a node that cannot take it, and none waits that some node could take.

use std::sync::Arc;

use skep_core::{ChangeSet, Store};
use skep_model::task::{SlotId, TaskState};
use skep_model::{Task, Timestamp};

use super::{Invariant, Moment, task_writes};
use crate::fit::{self, Obstacle, Room};

pub struct TasksArePlacedWhereTheyFit;

impl Invariant for TasksArePlacedWhereTheyFit {
    fn name(&self) -> &'static str {
        "tasks_are_placed_where_they_fit"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        match moment {
            Moment::Committed { before, after, changes, .. } => {
                // What was given up in the same breath takes nothing.
                let placed: Vec<_> = placed(before, changes).filter(|task| task.is_live()).collect();
                placed.iter().try_for_each(|task| fits(after, task, &placed))
            }
            Moment::Idle { store, .. } => {
                store.tasks_unplaced().try_for_each(|task| waits_rightly(store, task))?;
                store.tasks().try_for_each(|task| is_kept_rightly(store, task))
            }
            _ => Ok(()),
        }
    }
}

/// Returns the tasks that this commit gives to nodes.
fn placed<'a>(before: &'a Store, changes: &'a ChangeSet) -> impl Iterator<Item = &'a Arc<Task>> {
    let was_placed = |known: Option<&Arc<Task>>| known.is_some_and(|known| known.node_id.is_some());
    let writes = task_writes(before, changes);
    writes.filter(move |(known, task)| task.node_id.is_some() && !was_placed(*known)).map(|(_, task)| task)
}

fn fits(store: &Store, task: &Task, placed: &[&Arc<Task>]) -> Result<(), String> {
    let node = task.node_id.and_then(|id| store.node(id));
    let Some(node) = node else { return Err(format!("{} is placed on no node", task.name())) };
    // Tasks of two revisions with different limits, given to a node at once: their order is not known.
    let limit = |one: &Task| (one.service_id, one.spec.placement.max_replicas);
    let is_mixed =
        || placed.iter().any(|other| other.service_id == task.service_id && limit(other) != limit(task));
    match fit::obstacle(store, node, task, Room::Shared) {
        Some(Obstacle::MaxReplicas) if is_mixed() => Ok(()),
        // What it was to be near to may be told to stop in the same breath.
        Some(Obstacle::Near) => Ok(()),
        None => Ok(()),
        Some(obstacle) => {
            Err(format!("{} is placed on {}: {obstacle:?}", task.name(), node.description.hostname))
        }
    }
}

/// A node keeps nothing that its labels forbid, but for what is on its way to another node.
fn is_kept_rightly(store: &Store, task: &Task) -> Result<(), String> {
    let node = task.node_id.and_then(|id| store.node(id)).filter(|node| node.takes_tasks());
    let service = store.service(task.service_id);
    let (Some(node), Some(service)) = (node, service) else { return Ok(()) };
    let is_numbered = matches!(task.slot, SlotId::Number(_));
    let in_force = &service.spec.task.placement.constraints;
    let mut asked = task.spec.placement.constraints.iter().filter(|text| in_force.contains(text));
    match asked.find(|text| !fit::fulfils(node, text)) {
        Some(text) if task.is_live() && !task.is_over() && is_numbered && task.leaves.is_none() => {
            Err(format!("{} stays on {}, which fails {text}", task.name(), node.description.hostname))
        }
        _ => Ok(()),
    }
}

fn waits_rightly(store: &Store, task: &Task) -> Result<(), String> {
    let is_said = task.status.state == TaskState::Pending && !task.status.err.is_empty();
    if !is_said {
        return Err(format!("{} waits and does not say why: {:?}", task.name(), task.status));
    }
    let fitting = store.nodes().find(|node| fit::obstacle(store, node, task, Room::Own).is_none());
    match fitting {
        None => Ok(()),
        Some(node) => {
            let (name, err) = (task.name(), &task.status.err);
            Err(format!("{name} waits ({err}), although {} could take it", node.description.hostname))
        }
    }
}
