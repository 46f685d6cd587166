//! Takes in what became of the successors a rollout made, and acts when too many failed.

use std::sync::Arc;
use std::time::Duration;

use skep_model::rollout::{Direction, Phase};
use skep_model::service::{FailureAction, UpdateConfig};
use skep_model::task::TaskState;
use skep_model::{Rollout, Service, ServiceId, Step, Task, TaskId, Timestamp};

use super::config_in_force;
use crate::store::{Draft, Store};

/// Longest excerpt of a task's error in the message of a rollout, in characters.
const REASON_LENGTH_MAX: usize = 200;

/// Updates the steps of a running rollout and pauses or reverses it when its failures exceed the ratio.
///
/// Failures arrive as statuses, and the end of the monitor period is a deadline of [`super::advance()`].
pub fn judge(draft: &mut Draft, id: ServiceId) {
    let Some(rollout) = draft.rollout(id).filter(|rollout| rollout.is_running()).cloned() else { return };
    let Some(service) = draft.service(id).cloned() else { return };
    let config = config_in_force(&service, Some(&rollout));
    let steps: Vec<_> = draft.steps_of(id).cloned().collect();
    for step in steps {
        let mut judged = Step::clone(&step);
        take_in(draft, &mut judged, config.monitor);
        if judged != *step {
            draft.put_step(judged);
        }
    }
    let mut judged = Rollout::clone(&rollout);
    judged.failed_count = draft.steps_of(id).filter(|step| step.failed).count() as u64;
    let failed = draft.steps_of(id).filter(|step| step.failed);
    let last = failed.max_by_key(|step| step.settled_at).map(|step| step.task_id);
    if let Some(last) = last.filter(|_| exceeds_ratio(&judged, &config)) {
        act(draft, &service, judged, &config, last);
    } else if judged != *rollout {
        draft.put_rollout(judged);
    }
}

/// Brings one step up to date.
fn take_in(store: &Store, step: &mut Step, monitor: Duration) {
    let Some(task) = store.task(step.task_id) else {
        // Scaled down, or reaped long after it was judged.
        step.settled_at.get_or_insert(Timestamp::default());
        return;
    };
    let at = task.status.applied_at;
    match task.status.state {
        state if state < TaskState::Running => {}
        TaskState::Running => {
            step.settled_at.get_or_insert(at);
        }
        // It was told to stop, which is nobody's failure.
        TaskState::Shutdown => {
            step.settled_at.get_or_insert(at);
        }
        _ => {
            let in_time = step.settled_at.is_none_or(|settled_at| at <= settled_at + monitor);
            step.settled_at.get_or_insert(at);
            step.failed |= in_time;
        }
    }
}

fn exceeds_ratio(rollout: &Rollout, config: &UpdateConfig) -> bool {
    if config.failure_action == FailureAction::Continue {
        return false;
    }
    let share = rollout.failed_count as f32 / rollout.slot_count.max(1) as f32;
    share > config.max_failure_ratio
}

fn act(draft: &mut Draft, service: &Service, mut rollout: Rollout, config: &UpdateConfig, failed: TaskId) {
    let reason = reason(draft.task(failed));
    let goes_back = rollout.direction == Direction::Back;
    if config.failure_action == FailureAction::Rollback
        && !goes_back
        && let Some(number) = rollout.return_to
        && let Some(proven) = draft.revision(service.id, number).cloned()
    {
        let message =
            format!("update rolled back due to failure or early termination of task {failed}{reason}");
        super::forget_steps(draft, service.id);
        draft.put_rollout(Rollout {
            direction: Direction::Back,
            message,
            revision: proven.number,
            slot_count: 0,
            settled_count: 0,
            failed_count: 0,
            return_to: None,
            ..rollout
        });
        // Only the template goes back: replicas, labels and the pace stay as the user set them last.
        let mut service = Service::clone(service);
        service.spec.task = proven.template.clone();
        service.revision = proven.number;
        service.previous = None;
        draft.put_service(service);
        return;
    }
    let what = if goes_back { "rollback" } else { "update" };
    rollout.phase = Phase::Paused;
    rollout.message = format!("{what} paused due to failure or early termination of task {failed}{reason}");
    draft.put_rollout(rollout);
}

/// Returns the task's own words, to follow Swarm's sentence.
fn reason(task: Option<&Arc<Task>>) -> String {
    match task.map(|task| task.status.err.trim()) {
        Some(err) if !err.is_empty() => {
            format!(": {}", err.chars().take(REASON_LENGTH_MAX).collect::<String>())
        }
        _ => String::new(),
    }
}
