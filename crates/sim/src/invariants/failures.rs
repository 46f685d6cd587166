//! Every failure of a replaced task within its monitor period is counted, and too many of them stop the
//! rollout at once.

use skep_core::Store;
use skep_core::orchestrate::rollout::config_in_force;
use skep_model::service::FailureAction;
use skep_model::task::TaskState;
use skep_model::{Rollout, Timestamp};

use super::{Invariant, Moment};

pub struct FailuresAreCounted;

impl Invariant for FailuresAreCounted {
    fn name(&self) -> &'static str {
        "failures_are_counted"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Idle { store, .. } = moment else { return Ok(()) };
        let rollouts = store.services().filter_map(|service| store.rollout(service.id));
        rollouts.filter(|rollout| rollout.is_running()).try_for_each(|rollout| count(store, rollout))
    }
}

fn count(store: &Store, rollout: &Rollout) -> Result<(), String> {
    let service = store.service(rollout.service_id).expect("a rollout has a service");
    let config = config_in_force(service, Some(rollout));
    for step in store.steps_of(service.id) {
        let Some(task) = store.task(step.task_id) else { continue };
        let at = task.status.applied_at;
        let has_failed = task.status.state > TaskState::Running && task.status.state != TaskState::Shutdown;
        let in_time = step.settled_at.is_none_or(|settled_at| at <= settled_at + config.monitor);
        if has_failed && in_time && !step.failed {
            return Err(format!("{}.{} failed and was not counted", service.spec.name, step.slot));
        }
    }
    let share = rollout.failed_count as f32 / rollout.slot_count.max(1) as f32;
    if config.failure_action != FailureAction::Continue && share > config.max_failure_ratio {
        let failed = rollout.failed_count;
        return Err(format!("{failed} of {} slots failed and it goes on", rollout.slot_count));
    }
    Ok(())
}
