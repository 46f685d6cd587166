//! The end of a task is told as it was: by its container's exit, and never while it still runs. Managers give
//! up what nobody can tell of any more: where the node is not theirs, or was down for too long.

use skep_model::node::NodeState;
use skep_model::task::TaskState;
use skep_model::{Task, Timestamp};

use super::{Invariant, Moment, task_writes};
use crate::engine::{Container, State};

pub struct EndsAreToldTruly;

impl Invariant for EndsAreToldTruly {
    fn name(&self) -> &'static str {
        "ends_are_told_truly"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Committed { before, after, changes, machines } = moment else { return Ok(()) };
        for (known, task) in task_writes(before, changes) {
            let ends = known.is_some_and(|known| known.status.state <= TaskState::Running)
                && task.status.state > TaskState::Running;
            if ends && task.status.state == TaskState::Orphaned {
                let node = task.node_id.and_then(|id| after.node(id));
                if node.is_some_and(|node| node.status.state != NodeState::Down) {
                    return Err(format!("{} is given up although its node is there", task.name()));
                }
                continue;
            }
            let machine = task.node_id.filter(|_| ends).and_then(|id| machines.get(&id));
            let container = machine.and_then(|machine| machine.engine.container(task.id));
            if let Some(container) = container.filter(|container| !is_true(task, container)) {
                let (name, status) = (task.name(), &task.status);
                return Err(format!("{name} is {:?} ({}): {:?}", status.state, status.err, container.state));
            }
        }
        Ok(())
    }
}

/// Returns whether the state can be told of the container.
fn is_true(task: &Task, container: &Container) -> bool {
    let state = task.status.state;
    match &container.state {
        State::Running { .. } => false,
        State::Created => state != TaskState::Complete,
        // Who asked for the end is told by the state; the code is not.
        State::Exited(_) if container.was_told_to_stop => state != TaskState::Complete || is_well(container),
        State::Exited(_) if state == TaskState::Shutdown => true,
        State::Exited(_) if is_well(container) => state == TaskState::Complete,
        State::Exited(_) => matches!(state, TaskState::Failed | TaskState::Rejected),
    }
}

fn is_well(container: &Container) -> bool {
    matches!(&container.state, State::Exited(exit) if exit.code == 0 && exit.lost.is_none())
}
