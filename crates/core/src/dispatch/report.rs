//! Statuses that nodes report.

use skep_model::task::{Leave, LeaveCause, TaskState, TaskStatus};
use skep_model::{NodeId, Task, TaskId, Timestamp};

use crate::orchestrate::attempt;
use crate::store::Draft;

/// Writes what is news. A state never goes back, and an end is the end: a repeated or late report changes
/// nothing.
/// Returns what the draft had no room for.
pub fn apply(
    draft: &mut Draft,
    node_id: NodeId,
    statuses: Vec<(TaskId, TaskStatus)>,
) -> Vec<(TaskId, TaskStatus)> {
    let now = draft.now();
    let mut statuses = statuses.into_iter();
    while !draft.is_full()
        && let Some((id, mut status)) = statuses.next()
    {
        let Some(task) = draft.task(id).filter(|task| task.node_id == Some(node_id)) else { continue };
        if status.state < task.status.state || task.status.state > TaskState::Running {
            continue;
        }
        // Within a state (a new message, a pid) its clocks keep running: an agent that restarted does
        // not know when it was entered.
        if status.state == task.status.state {
            (status.at, status.applied_at) = (task.status.at, task.status.applied_at);
        } else {
            status.applied_at = entered_at(&task.status, &status, now);
        }
        // Nor does it know why a task was to give way.
        if status.err.is_empty() && matches!(&task.leaves, Some(Leave { cause: LeaveCause::Unfit(_), .. })) {
            status.err.clone_from(&task.status.err);
        }
        // The node does not know that the task waits for its time.
        if status.err.is_empty()
            && let Some(wait) =
                attempt::waiting(draft, &Task { status: status.clone(), ..Task::clone(task) }, now)
        {
            status.err = wait.text;
        }
        if status == task.status {
            continue;
        }
        let runs = status.state == TaskState::Running;
        draft.change_task(id, |task| {
            task.ran_at = task.ran_at.or(runs.then_some(now));
            task.status = status;
        });
    }
    statuses.collect()
}

/// Returns when a task entered the state `is`, told at `now`, by the leader's clock.
///
/// A report may be late: nobody led, or nothing came through. But for how long a task ran its node knows, whatever
/// its clock shows, so that an end is as old as it is.
fn entered_at(was: &TaskStatus, is: &TaskStatus, now: Timestamp) -> Timestamp {
    // A clock that was set back tells nothing.
    let is_known = was.state == TaskState::Running && is.at >= was.at;
    if is_known { now.min(was.applied_at + is.at.since(was.at)) } else { now }
}
