//! Deadlines of rollouts, as time spent: a clock runs while something could be done about what it measures, and
//! stands still while the rollout is held. What is spent is stored, so no change of leader gives it back.

use skep_model::rollout::{Clock, Phase};
use skep_model::task::{Desired, TaskState};
use skep_model::{Policy, Rollout, Step, Task, Timestamp, span};

use crate::store::{Draft, Store, earlier};

/// Stops all clocks of a rollout that is paused.
pub fn hold(draft: &mut Draft, rollout: &Rollout) {
    let now = draft.now();
    let running = draft.steps_open(rollout.service_id).filter(|step| step.clock.running_since.is_some());
    let running: Vec<Step> = running.map(|step| Step::clone(step)).collect();
    for step in running {
        draft.put_step(Step { clock: step.clock.run(false, now), ..step });
    }
    let held = Rollout {
        spent: rollout.spent.run(false, now),
        elapsed: rollout.elapsed.run(false, now),
        held_since: Some(rollout.held_since.unwrap_or(now)),
        ..rollout.clone()
    };
    if held != *rollout {
        draft.put_rollout(held);
    }
}

/// Returns the clock of a step at `now`.
pub fn of_step(store: &Store, step: &Step, policy: &Policy, now: Timestamp) -> Clock {
    let is_coming_up = step.settled_at.is_none() && store.task_of_step(step).is_some_and(|task| counts(task));
    step.clock.run(policy.start_deadline.is_some() && is_coming_up, now)
}

/// Returns whether a task that does not run yet is to blame for it. Its node fetches the image while it prepares
/// the task, and what is ready waits for others until it is started.
fn counts(task: &Task) -> bool {
    match task.status.state {
        TaskState::Preparing => false,
        TaskState::Ready => task.desired > Desired::Ready,
        state => state < TaskState::Running,
    }
}

/// Returns whether a replacement took too long to come up.
pub fn is_missed(step: &Step, policy: &Policy, now: Timestamp) -> bool {
    step.settled_at.is_none() && policy.start_deadline.is_some_and(|limit| step.clock.read(now) >= limit)
}

/// Lets the clocks of a running rollout run. `is_blocked`: a slot is in change that only an event moves on.
pub fn run(rollout: &mut Rollout, policy: &Policy, is_blocked: bool, now: Timestamp) {
    let is_running = rollout.phase == Phase::Running;
    rollout.spent = rollout.spent.run(is_running && is_blocked && policy.progress_deadline.is_some(), now);
    rollout.elapsed = rollout.elapsed.run(is_running && policy.max_duration.is_some(), now);
}

/// Stops the clocks of a rollout that has nothing left to do.
pub fn stop(rollout: &mut Rollout, now: Timestamp) {
    rollout.spent = rollout.spent.run(false, now);
    rollout.elapsed = rollout.elapsed.run(false, now);
}

/// Returns when the next deadline of the rollout itself passes.
pub fn next(rollout: &Rollout, policy: &Policy) -> Option<Timestamp> {
    let progress = policy.progress_deadline.and_then(|limit| rollout.spent.spends_at(limit));
    earlier(progress, policy.max_duration.and_then(|limit| rollout.elapsed.spends_at(limit)))
}

/// Returns the deadline that the rollout missed, in words.
pub fn missed(rollout: &Rollout, policy: &Policy, now: Timestamp) -> Option<String> {
    let is_over = |clock: &Clock, limit: &std::time::Duration| clock.read(now) >= *limit;
    if let Some(limit) = policy.progress_deadline.filter(|limit| is_over(&rollout.spent, limit)) {
        return Some(format!("its progress deadline: no slot came up within {}", span::render(limit)));
    }
    let limit = policy.max_duration.filter(|limit| is_over(&rollout.elapsed, limit))?;
    Some(format!("its longest duration of {}", span::render(limit)))
}
