//! A task that follows a failure is started no earlier than its restart delay allows.

use std::time::Duration;

use skep_model::task::Desired;
use skep_model::{Timestamp, limits};

use super::{Invariant, Moment, slot_of, task_writes};

pub struct RestartsWaitForTheirDelay {
    /// The clocks of two leaders may differ by this much.
    pub slack: Duration,
}

impl Invariant for RestartsWaitForTheirDelay {
    fn name(&self) -> &'static str {
        "restarts_wait_for_their_delay"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Committed { before, after, changes, .. } = moment else { return Ok(()) };
        for (known, task) in task_writes(before, changes) {
            let decided_at = task.meta.updated_at;
            match known {
                Some(known) => {
                    let is_started = known.desired == Desired::Ready && task.desired == Desired::Running;
                    if is_started && known.start_after > decided_at {
                        let early = known.start_after.since(decided_at);
                        return Err(format!("{} is started {early:?} too early", task.name()));
                    }
                }
                None if task.start_after != Timestamp::default() => {
                    let mut delays = slot_of(before, task).chain(slot_of(after, task)).map(|other| {
                        other.spec.restart_policy().delay.unwrap_or(limits::RESTART_DELAY_DEFAULT)
                    });
                    let delay = task.start_after.since(task.meta.created_at);
                    // A task made under the clock of an earlier leader may seem younger than it is.
                    if !delays.any(|allowed| delay.abs_diff(allowed) <= self.slack) {
                        return Err(format!("{} is to wait {delay:?}, as no policy says", task.name()));
                    }
                }
                None => {}
            }
        }
        Ok(())
    }
}
