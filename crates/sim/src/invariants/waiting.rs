//! A task that follows a failure is started no earlier than its restart delay allows, and the delay grows
//! only with what failed again and again.

use std::time::Duration;

use skep_model::task::Desired;
use skep_model::template::RestartPolicy;
use skep_model::{Task, Timestamp, limits};

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
                    let is_started = known.desired == Desired::Ready && task.is_started();
                    if is_started && known.start_after > decided_at {
                        let early = known.start_after.since(decided_at);
                        return Err(format!("{} is started {early:?} too early", task.name()));
                    }
                }
                None if task.is_restart() => {
                    let count = task.failures_in_a_row;
                    let before_it = || slot_of(before, task).chain(slot_of(after, task));
                    let is_one_more = |other: &Task| count <= other.failures_in_a_row + 1;
                    if count > 0 && !before_it().any(|other| other.id != task.id && is_one_more(other)) {
                        return Err(format!("{} counts {count} failures in a row", task.name()));
                    }
                    let delay = task.start_after.since(task.meta.created_at);
                    let policies = before_it().map(|other| other.spec.restart_policy());
                    let mut allowed = policies.flat_map(|policy| pauses(&policy, count));
                    // A task made under the clock of an earlier leader may seem younger than it is.
                    if !allowed.any(|allowed| delay.abs_diff(allowed) <= self.slack) {
                        return Err(format!("{} is to wait {delay:?}, as no policy says", task.name()));
                    }
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// Returns the pauses that a policy may lead to after so many failures in a row: the fixed one, or the doubled
/// one where nothing else bounds a crash loop.
fn pauses(policy: &RestartPolicy, failures: u32) -> [Duration; 2] {
    let fixed = policy.delay.unwrap_or(limits::RESTART_DELAY_DEFAULT);
    let mut grown = fixed;
    if policy.max_attempts == 0 && failures > 1 {
        grown = fixed.max(limits::RESTART_BACKOFF_MIN);
        for _ in 1..failures {
            grown = (2 * grown).min(fixed.max(limits::RESTART_BACKOFF_MAX));
        }
    }
    [fixed, grown]
}
