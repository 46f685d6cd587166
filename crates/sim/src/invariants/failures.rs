//! Every failure of a replaced task within its monitor period is counted, whenever it is told, and too many of them
//! stop the rollout at once.

use std::collections::{BTreeMap, BTreeSet};

use skep_core::Store;
use skep_core::orchestrate::rollout;
use skep_model::service::FailureAction;
use skep_model::task::{Desired, TaskState};
use skep_model::{NodeId, Rollout, Task, TaskId, Timestamp};

use super::{Invariant, Moment, task_writes};
use crate::machine::Machine;

#[derive(Default)]
pub struct FailuresAreCounted {
    /// Replacements that failed, by the policy of that time.
    failed: BTreeSet<TaskId>,
}

impl Invariant for FailuresAreCounted {
    fn name(&self) -> &'static str {
        "failures_are_counted"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        match moment {
            Moment::Committed { before, after, changes, machines } => {
                let failed = task_writes(before, changes).filter(|(known, task)| {
                    known.is_some_and(|known| has_failed(known, task)) && is_in_time(after, machines, task)
                });
                self.failed.extend(failed.map(|(_, task)| task.id));
                Ok(())
            }
            Moment::Idle { store, .. } => {
                let mut running = store.rollouts().filter(|rollout| rollout.is_running());
                running.try_for_each(|rollout| self.count(store, rollout))
            }
            _ => Ok(()),
        }
    }
}

impl FailuresAreCounted {
    fn count(&self, store: &Store, rollout: &Rollout) -> Result<(), String> {
        let Some(service) = store.service(rollout.service_id) else { return Ok(()) };
        let name = &service.spec.name;
        let mut missed = store.steps_of(service.id).filter(|step| !step.failed);
        if let Some(step) = missed.find(|step| self.failed.contains(&step.task_id)) {
            return Err(format!("{name}.{} failed and was not counted", step.slot));
        }
        let policy = rollout::policy(store, service, Some(rollout));
        let share = rollout.failed_count as f32 / rollout.slot_count.max(1) as f32;
        if policy.failure_action != FailureAction::Continue && share > policy.max_failure_ratio {
            return Err(format!(
                "{} of {} slots failed and {name} goes on",
                rollout.failed_count, rollout.slot_count
            ));
        }
        Ok(())
    }
}

/// Returns whether a task ended by itself. What was told to stop before, or was lost with its node, did not.
fn has_failed(known: &Task, task: &Task) -> bool {
    let ended = known.status.state <= TaskState::Running && task.status.state > TaskState::Running;
    let is_own_end = !matches!(task.status.state, TaskState::Shutdown | TaskState::Orphaned);
    ended && is_own_end && known.desired < Desired::Shutdown
}

/// Returns whether a task is a replacement in a running rollout that had not run for the monitor period.
fn is_in_time(store: &Store, machines: &BTreeMap<NodeId, Machine>, task: &Task) -> bool {
    let Some(rollout) = store.rollout(task.service_id).filter(|rollout| rollout.is_running()) else {
        return false;
    };
    let Some(service) = store.service(task.service_id) else { return false };
    let Some(step) = store.step(task.service_id, task.slot) else { return false };
    let monitor = rollout::policy(store, service, Some(rollout)).monitor;
    let is_due = |settled_at| task.status.applied_at <= settled_at + monitor;
    // It was settled no earlier than its process began.
    let machine = task.node_id.and_then(|id| machines.get(&id));
    let ran_for = machine.and_then(|machine| machine.engine.container(task.id)?.ran_for);
    let was_short = ran_for.is_some_and(|ran_for| ran_for <= monitor);
    step.task_id == task.id && (was_short || step.settled_at.is_none_or(is_due))
}
