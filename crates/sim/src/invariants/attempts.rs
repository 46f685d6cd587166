//! A slot is restarted no more often than its policy allows. The loss of a node is no attempt, nor is what is tried
//! elsewhere while the task that has to leave goes on; and a rollout or another policy begins anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use skep_core::Store;
use skep_model::{Task, TaskId, Timestamp};

use super::{Invariant, Moment, slot_of, task_writes};

#[derive(Default)]
pub struct AttemptsAreBounded {
    attempts: BTreeMap<TaskId, u64>,
}

impl Invariant for AttemptsAreBounded {
    fn name(&self) -> &'static str {
        "attempts_are_bounded"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Committed { before, after, changes, .. } = moment else { return Ok(()) };
        for (known, task) in task_writes(before, changes) {
            if let Some(known) = known {
                if known.spec.restart_policy() != task.spec.restart_policy() {
                    self.attempts.insert(task.id, 0);
                }
                continue;
            }
            let attempts = self.count(before, after, task);
            self.attempts.insert(task.id, attempts);
            let policy = task.spec.restart_policy();
            if policy.window.is_none() && policy.max_attempts > 0 && attempts > policy.max_attempts {
                return Err(format!("attempt {attempts} of {} at {}", policy.max_attempts, task.name()));
            }
        }
        Ok(())
    }
}

impl AttemptsAreBounded {
    /// Returns how often the slot was restarted with this template, this task included.
    fn count(&self, before: &Store, after: &Store, task: &Task) -> u64 {
        let step = after.step(task.service_id, task.slot);
        let is_step = step.is_some_and(|step| step.task_id == task.id);
        let is_same = |other: &&Arc<Task>| {
            other.is_live() && (other.revision, other.iteration) == (task.revision, task.iteration)
        };
        let same: Vec<_> = slot_of(before, task).filter(is_same).collect();
        // It stands in for a task that has to leave, and knows of as many restarts as that.
        let is_followed = |other: &Arc<Task>| !other.is_over() && other.leaves.is_some();
        let is_attempt = task.is_restart()
            && !same.iter().any(|other| is_followed(other) && other.restarts == task.restarts);
        match same.iter().filter_map(|other| self.attempts.get(&other.id)).max() {
            // Only what failed is made to wait; a rollout's own tasks are not.
            Some(earlier) if !is_step => earlier + u64::from(is_attempt),
            Some(_) | None => 0,
        }
    }
}
