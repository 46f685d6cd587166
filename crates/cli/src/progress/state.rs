//! Task states in the order of a task's life, as far as progress cares.

use skep_api::wire::Task;

const STATES: [&str; 13] = [
    "new",
    "allocated",
    "pending",
    "assigned",
    "accepted",
    "preparing",
    "ready",
    "starting",
    "running",
    "complete",
    "shutdown",
    "failed",
    "rejected",
];

/// The step at which a service task has arrived.
pub(super) const RUNNING: u64 = 9;

/// The step at which a job's task has arrived.
pub(super) const COMPLETE: u64 = 10;

/// The length of the longest state that a bar stands beside.
const LONGEST: usize = 9;

/// The step of a state, from 1; 0 if progress does not know it.
pub(super) fn step(state: &str) -> u64 {
    STATES.iter().position(|known| *known == state).map_or(0, |index| index as u64 + 1)
}

/// Tells whether a state comes after running.
pub(super) fn is_over(state: &str) -> bool {
    step(state) > RUNNING
}

/// Tells whether both states of a task are known.
pub(super) fn is_known(task: &Task) -> bool {
    step(&task.desired_state) != 0 && step(&task.status.state) != 0
}

/// Tells whether a task runs and is meant to.
pub(super) fn is_running(task: &Task) -> bool {
    !is_over(&task.desired_state) && task.status.state == "running"
}

/// The observed state, padded so that bars align.
pub(super) fn padded(task: &Task) -> String {
    format!("{:LONGEST$}", task.status.state)
}

/// The error of a task on one line of at most 75 bytes.
pub(super) fn short_error(error: &str) -> String {
    const BYTES_MAX: usize = 75;
    let line = error.replace('\n', " ");
    if line.len() <= BYTES_MAX {
        line
    } else {
        format!("{}…", &line[..line.floor_char_boundary(BYTES_MAX - 1)])
    }
}
