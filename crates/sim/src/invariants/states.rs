//! What a task was observed to be never goes back, and an end is the end.

use std::time::Duration;

use skep_model::Timestamp;
use skep_model::task::TaskState;

use super::{Invariant, Moment, task_writes};

pub struct StatesNeverGoBack {
    /// The clocks of two leaders may differ by this much.
    pub slack: Duration,
}

impl Invariant for StatesNeverGoBack {
    fn name(&self) -> &'static str {
        "states_never_go_back"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Committed { before, changes, .. } = moment else { return Ok(()) };
        for (known, task) in task_writes(before, changes) {
            let Some(known) = known else { continue };
            let (was, is) = (known.status.state, task.status.state);
            if is < was || (was > TaskState::Running && is != was) {
                return Err(format!("task {} was {was:?} and becomes {is:?}", task.id));
            }
            if task.status.applied_at + self.slack < known.status.applied_at {
                return Err(format!("the status of task {} becomes older", task.id));
            }
        }
        Ok(())
    }
}
