//! Whether and when a task that ended is tried again: Swarm's restart policy, and longer and longer pauses
//! for what fails again and again.
//!
//! Everything that counts is in the tasks themselves, so a change of leader forgets nothing. What became of
//! a task because of its node is nobody's attempt; that is decided in [`super::restart`].

use std::time::Duration;

use skep_model::policy::Profile;
use skep_model::rollout::{Wait, WaitCode};
use skep_model::task::{Desired, NodeFailure, TaskState};
use skep_model::template::{RestartCondition, RestartPolicy};
use skep_model::{Service, Task, Timestamp, limits, span};

use super::rollout;
use crate::store::Store;

/// How nodes begin to say that a process ended with an error; the code follows, and what caused it, if that is known.
const NON_ZERO_EXIT: &str = "task: non-zero exit (";
/// Longest excerpt of a task's error in the reason of its successor, in characters.
const REASON_LENGTH_MAX: usize = 100;

/// Returns whether the policy wants a successor of a task that ended by itself.
pub fn should_restart(ended: &Task, policy: &RestartPolicy) -> bool {
    let is_job = ended.iteration.is_some();
    let wanted = match policy.condition {
        RestartCondition::None => false,
        // A job is done when it is done.
        RestartCondition::Any if !is_job => true,
        RestartCondition::Any | RestartCondition::OnFailure => ended.status.state != TaskState::Complete,
    };
    wanted && (policy.max_attempts == 0 || attempts(ended, policy) < policy.max_attempts)
}

/// Returns the attempts that count at the moment the task ended.
fn attempts(ended: &Task, policy: &RestartPolicy) -> u64 {
    let end = ended.status.applied_at;
    let counts = |at: &&Timestamp| policy.window.is_none_or(|window| **at > end - window && **at <= end);
    ended.restarts.iter().filter(counts).count() as u64
}

/// Makes `successor`, a new task of the same revision, know what came before it.
pub(super) fn inherit(successor: &mut Task, ended: &Task) {
    successor.restarts.clone_from(&ended.restarts);
    successor.failures_in_a_row = ended.failures_in_a_row;
    successor.node_failures.clone_from(&ended.node_failures);
}

/// Counts the end of `ended` against `successor`, and sets when that may start.
pub(super) fn count(store: &Store, service: &Service, successor: &mut Task, ended: &Task, now: Timestamp) {
    // What is of another revision is no restart: the way back waits for nothing.
    if successor.revision != ended.revision {
        return;
    }
    let policy = ended.spec.restart_policy();
    record(&mut successor.restarts, now, &policy);
    successor.failures_in_a_row = match failed_quickly(ended, &policy) {
        true => ended.failures_in_a_row.saturating_add(1),
        false => 0,
    };
    note_node(&mut successor.node_failures, ended, now);
    let is_fixed = rollout::policy(store, service, None).profile == Profile::Swarm;
    successor.start_after = now + pause(&policy, successor.failures_in_a_row, is_fixed);
}

/// Puts the start of `successor` off, because `failed` did not come up in its place. No attempt of the slot's policy is
/// spent on it: the task that both were to follow goes on.
pub(super) fn put_off(store: &Store, service: &Service, successor: &mut Task, failed: &Task, now: Timestamp) {
    let policy = failed.spec.restart_policy();
    successor.failures_in_a_row = failed.failures_in_a_row.saturating_add(1);
    successor.node_failures.clone_from(&failed.node_failures);
    note_node(&mut successor.node_failures, failed, now);
    let is_fixed = rollout::policy(store, service, None).profile == Profile::Swarm;
    successor.start_after = now + pause(&policy, successor.failures_in_a_row, is_fixed);
}

/// Notes where the task failed, for whoever chooses the next node; forgets what is long ago.
fn note_node(failures: &mut Vec<NodeFailure>, ended: &Task, now: Timestamp) {
    failures.retain(|failure| now < failure.at + limits::NODE_FAILURES_WITHIN);
    if matches!(ended.status.state, TaskState::Failed | TaskState::Rejected)
        && let Some(node_id) = ended.node_id
    {
        failures.push(NodeFailure { node_id, at: now });
        failures.drain(..failures.len().saturating_sub(limits::NODE_FAILURES_MAX));
    }
}

/// Notes one more restart; keeps as many as the policy can ever ask for.
fn record(restarts: &mut Vec<Timestamp>, now: Timestamp, policy: &RestartPolicy) {
    if policy.max_attempts == 0 {
        return restarts.clear();
    }
    let kept = usize::try_from(policy.max_attempts)
        .unwrap_or(limits::RESTARTS_KEPT_MAX)
        .min(limits::RESTARTS_KEPT_MAX);
    restarts.push(now);
    restarts.drain(..restarts.len().saturating_sub(kept));
}

/// Returns whether the task failed before it ran, or soon after.
fn failed_quickly(ended: &Task, policy: &RestartPolicy) -> bool {
    let is_quick = |ran_at| {
        let soon = delay(policy).saturating_mul(limits::QUICK_FAILURE_DELAYS);
        ended.status.applied_at.since(ran_at) < soon.max(limits::QUICK_FAILURE_MIN)
    };
    matches!(ended.status.state, TaskState::Failed | TaskState::Rejected) && ended.ran_at.is_none_or(is_quick)
}

/// Returns the time from the end of a task to the start of the next.
///
/// A policy that bounds the attempts ends a crash loop by itself, and counts them within a window: it
/// keeps its pace.
fn pause(policy: &RestartPolicy, failures_in_a_row: u32, is_fixed: bool) -> Duration {
    let delay = delay(policy);
    if is_fixed || policy.max_attempts > 0 || failures_in_a_row < 2 {
        return delay;
    }
    let base = delay.max(limits::RESTART_BACKOFF_MIN);
    let doubled = base.saturating_mul(1 << (failures_in_a_row - 1).min(20));
    doubled.min(limits::RESTART_BACKOFF_MAX.max(delay))
}

fn delay(policy: &RestartPolicy) -> Duration {
    policy.delay.unwrap_or(limits::RESTART_DELAY_DEFAULT)
}

/// Returns what a task that follows another waits for, until its time has come.
pub fn waiting(store: &Store, task: &Task, now: Timestamp) -> Option<Wait> {
    let waits =
        task.desired == Desired::Ready && task.status.state <= TaskState::Ready && task.start_after > now;
    waits.then(|| Wait {
        code: WaitCode::Restart,
        since: task.meta.created_at,
        until: Some(task.start_after),
        slot: Some(task.slot),
        cause: None,
        text: reason(store, task),
    })
}

/// Returns what follows a task that ended before it was due to start, because its image is missing, say: the next
/// attempt is made when its own time has come, and not earlier.
pub fn following(ended: &Task, now: Timestamp) -> Option<Wait> {
    let waits = ended.desired == Desired::Ready && ended.start_after > now;
    waits.then(|| Wait {
        code: WaitCode::Restart,
        since: ended.status.applied_at,
        until: Some(ended.start_after),
        slot: Some(ended.slot),
        cause: None,
        text: match end(ended) {
            end if end.is_empty() => format!("restart {} follows", ended.failures_in_a_row + 1),
            end => format!("restart {} follows after {end}", ended.failures_in_a_row + 1),
        },
    })
}

/// Says which restart it is, how long after the end of the one before, and how that ended. It says the same
/// all the time, so that it need not be written twice.
fn reason(store: &Store, task: &Task) -> String {
    let which = match task.failures_in_a_row {
        0 => "restart".to_owned(),
        count => format!("restart {count}"),
    };
    let pause = span::render(task.start_after.since(task.meta.created_at));
    let before = store
        .tasks_in(task.service_id, task.slot)
        .filter(|other| other.meta.created_at < task.meta.created_at && other.is_over())
        .max_by_key(|other| other.meta.created_at);
    match before.map(|before| end(before)) {
        Some(end) if !end.is_empty() => format!("{which} in {pause} after {end}"),
        _ => format!("{which} in {pause}"),
    }
}

/// Says how a task ended. Where its process was not what decided it (it was unhealthy, or never began), the exit code would
/// mislead.
fn end(task: &Task) -> String {
    let err = task.status.err.trim();
    let cause = match err.strip_prefix(NON_ZERO_EXIT) {
        Some(exit) => exit.split_once("): ").map(|(_, cause)| cause),
        None => (task.status.state != TaskState::Complete).then_some(err),
    };
    match (cause, &task.status.container) {
        (None, Some(container)) => format!("exit {}", container.exit_code),
        (cause, _) => cause.unwrap_or_default().chars().take(REASON_LENGTH_MAX).collect(),
    }
}
