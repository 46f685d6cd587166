//! Takes in what became of the successors a rollout made, and acts when too many failed.

use std::sync::Arc;

use skep_model::rollout::{Clock, Direction, Phase};
use skep_model::service::FailureAction;
use skep_model::task::{Desired, TaskState};
use skep_model::{Policy, Rollout, Service, ServiceId, Step, Task, Timestamp, span};

use super::{back, deadlines};
use crate::orchestrate::why;
use crate::store::{Draft, Scope, Store};

/// Longest excerpt of a task's error in the message of a rollout, in characters.
const REASON_LENGTH_MAX: usize = 200;

/// Updates the steps in `scope` of a running rollout and pauses or reverses it when its failures exceed the ratio.
///
/// Failures arrive as statuses, and the end of the monitor period is a deadline of [`super::advance()`].
pub fn judge(draft: &mut Draft, id: ServiceId, scope: &Scope) {
    let Some(rollout) = draft.rollout(id).cloned() else { return };
    if rollout.phase == Phase::Paused {
        return deadlines::hold(draft, &rollout);
    }
    let Some(service) = draft.service(id).filter(|_| rollout.is_running()).cloned() else { return };
    let policy = super::policy(draft, &service, Some(&rollout));
    let mut judged = Rollout::clone(&rollout);
    for step in steps_in(draft, id, scope, &policy) {
        if is_void(draft, &step) {
            draft.delete_step(id, step.slot);
            continue;
        }
        let now_so = take_in(draft, &step, &policy);
        if now_so != *step {
            count(&mut judged, &step, &now_so, draft.now());
            draft.put_step(now_so);
        }
    }
    if let Some(cause) = failure(draft, &judged, &policy) {
        act(draft, &service, judged, &policy, &cause);
    } else if judged != *rollout {
        draft.put_rollout(judged);
    }
}

/// Returns the steps to look at: those in scope, because what becomes of a task is written in its slot, and those
/// whose clocks may say something by themselves.
fn steps_in(draft: &Draft, id: ServiceId, scope: &Scope, policy: &Policy) -> Vec<Arc<Step>> {
    if scope.all {
        return draft.steps_of(id).cloned().collect();
    }
    let is_timed = |step: &&Arc<Step>| {
        let stands = step.clock.running_since.is_none();
        step.settled_at.is_none() && (stands || deadlines::is_missed(step, policy, draft.now()))
    };
    let mut slots = scope.slots.clone();
    if policy.start_deadline.is_some() {
        slots.extend(draft.steps_open(id).filter(is_timed).map(|step| step.slot));
    }
    slots.into_iter().filter_map(|slot| draft.step(id, slot).cloned()).collect()
}

/// Returns why the rollout must not go on, in words that follow Swarm's "paused due to".
fn failure(draft: &Draft, rollout: &Rollout, policy: &Policy) -> Option<String> {
    let id = rollout.service_id;
    if exceeds_ratio(rollout, policy) {
        let failed = draft.steps_of(id).filter(|step| step.failed);
        return Some(match failed.max_by_key(|step| step.settled_at) {
            Some(step) => {
                let reason = reason(draft, step, policy);
                format!("failure or early termination of task {}{reason}", step.task_id)
            }
            None => "failure or early termination of a task that is gone".to_owned(),
        });
    }
    let missed = deadlines::missed(rollout, policy, draft.now())?;
    match why::obstacles(draft, id, draft.now()).first() {
        Some(wait) => Some(format!("{missed}: {}", wait.text)),
        None => Some(missed),
    }
}

/// Counts what became of a step, once.
fn count(rollout: &mut Rollout, was: &Step, is: &Step, now: Timestamp) {
    if was.settled_at.is_none() && is.settled_at.is_some() {
        rollout.settled_count += 1;
        rollout.last_settled_at = rollout.last_settled_at.max(is.settled_at);
        if !is.failed {
            // That was progress.
            rollout.spent = Clock::default().run(rollout.spent.running_since.is_some(), now);
        }
    }
    rollout.failed_count += u64::from(is.failed && !was.failed);
}

/// Returns whether a step came to nothing, because its replacement was given up before it ran (a later write
/// superseded it): the slot is to be taken up again.
fn is_void(store: &Store, step: &Step) -> bool {
    let is_given_up = |task: &Arc<Task>| {
        task.ran_at.is_none() && task.desired >= Desired::Shutdown && task.status.state <= TaskState::Shutdown
    };
    step.settled_at.is_none() && store.task_of_step(step).is_none_or(is_given_up)
}

/// Returns a step brought up to date. A failure is judged by the time at which it was told.
fn take_in(draft: &Draft, step: &Step, policy: &Policy) -> Step {
    let mut step = step.clone();
    let Some(task) = draft.task_of_step(&step) else {
        // Reaped long after it was judged.
        return step;
    };
    let at = task.status.applied_at;
    match task.status.state {
        state if state < TaskState::Running => {}
        TaskState::Running => {
            step.settled_at.get_or_insert(at);
        }
        // Its node is lost, which says nothing about it: the slot's next task takes the step over.
        TaskState::Orphaned => {}
        // It was told to stop, which is nobody's failure.
        state if state == TaskState::Shutdown || task.desired >= Desired::Shutdown => {
            step.settled_at.get_or_insert(at);
        }
        _ => {
            let in_time = step.settled_at.is_none_or(|settled_at| at <= settled_at + policy.monitor);
            step.settled_at.get_or_insert(at);
            step.failed |= in_time;
        }
    }
    if deadlines::is_missed(&step, policy, draft.now()) {
        step.settled_at = Some(draft.now());
        step.failed = true;
    }
    step.clock = deadlines::of_step(draft, &step, policy, draft.now());
    step
}

fn exceeds_ratio(rollout: &Rollout, policy: &Policy) -> bool {
    if policy.failure_action == FailureAction::Continue {
        return false;
    }
    let share = rollout.failed_count as f32 / rollout.slot_count.max(1) as f32;
    share > policy.max_failure_ratio
}

fn act(draft: &mut Draft, service: &Service, mut rollout: Rollout, policy: &Policy, cause: &str) {
    let goes_back = rollout.direction == Direction::Back;
    let mut stays = "";
    if policy.failure_action == FailureAction::Rollback && !goes_back {
        if back::give_up(draft, service, &rollout, &format!("update rolled back due to {cause}")) {
            return back::note_failure(draft, service.id, service.revision);
        }
        // A rollout to what was missed leads away from nothing.
        if rollout.from.is_some() {
            stays = "; no other revision is known to work, so there is none to go back to";
        }
    }
    let what = if goes_back { "rollback" } else { "update" };
    rollout.phase = Phase::Paused;
    rollout.message = format!("{what} paused due to {cause}{stays}");
    deadlines::hold(draft, &rollout);
}

/// Returns the words of the task that failed, to follow Swarm's sentence; of one that did not come up, what it
/// waits for.
fn reason(draft: &Draft, step: &Step, policy: &Policy) -> String {
    let task = draft.task_of_step(step);
    if task.is_some_and(|task| task.status.state < TaskState::Running)
        && let Some(limit) = policy.start_deadline
    {
        let blocker =
            why::of_step(draft, step, draft.now()).map(|wait| format!(": {}", wait.text)).unwrap_or_default();
        return format!(": not up within {}{blocker}", span::render(limit));
    }
    match task.map(|task| task.status.err.trim()) {
        Some(err) if !err.is_empty() => {
            format!(": {}", err.chars().take(REASON_LENGTH_MAX).collect::<String>())
        }
        _ => String::new(),
    }
}
