//! What a service waits for: since when, until when or for whom. Read from the store and acted upon by nobody;
//! nothing of it is stored, so to wait costs no write.

use std::collections::BTreeSet;

use skep_model::node::NodeState;
use skep_model::rollout::{Phase, Wait, WaitCode};
use skep_model::task::{Desired, TaskState};
use skep_model::{Policy, Rollout, Service, ServiceId, Step, Task, Timestamp};

use super::budget::{self, Budget};
use super::rollout::lanes::{self, Freedom};
use super::{attempt, bake, relocate, restart, rollout, slot};
use crate::store::Store;

/// Most waits that are told of one service.
const WAITS_MAX: usize = 50;

/// Returns what a service waits for at `now`, most important first; empty where all moves, or all is done.
pub fn waits(store: &Store, id: ServiceId, now: Timestamp) -> Vec<Wait> {
    let Some(service) = store.service(id) else { return Vec::new() };
    let mut waits = match store.rollout(id) {
        Some(rollout) => of_rollout(store, service, rollout, now),
        None => Vec::new(),
    };
    let told: Vec<_> = waits.iter().filter_map(|wait| wait.slot).collect();
    let slots: BTreeSet<_> = store.slots_idle(id).chain(store.slots_leaving(id)).collect();
    let others = slots.into_iter().filter(|slot| !told.contains(slot));
    waits.extend(bake::wait(store, service));
    waits.extend(
        others
            .flat_map(|slot| store.tasks_in(id, slot))
            .filter_map(|task| of_task(store, task, now))
            .take(WAITS_MAX),
    );
    waits.retain(|wait| wait.until.is_none_or(|until| until > now));
    waits.sort_by_key(|wait| (rank(wait.code), wait.since, wait.slot));
    waits.truncate(WAITS_MAX);
    waits
}

/// Returns what a task waits for: one that does not run, to run; one that has to leave its node, to be relieved; one
/// that ended before its time had come, to be followed by another.
pub fn of_task(store: &Store, task: &Task, now: Timestamp) -> Option<Wait> {
    if !task.is_live() {
        return None;
    }
    if task.is_over() {
        let is_to_follow = restart::is_to_follow(store, task);
        return attempt::following(task, now).filter(|_| is_to_follow);
    }
    if task.status.state >= TaskState::Running {
        return of_leaving(store, task);
    }
    if let Some(wait) = attempt::waiting(store, task, now) {
        return Some(wait);
    }
    let step = store.step(task.service_id, task.slot).filter(|step| step.task_id == task.id);
    match (step, store.service(task.service_id)) {
        (Some(step), _) => of_step(store, step, now),
        (None, Some(service)) if is_ready(task) && relocate::is_moved(store, task) => {
            let rollout = store.rollout(service.id).map(|rollout| &**rollout);
            Some(its_turn(store, service, &rollout::policy(store, service, rollout), task, now))
        }
        (None, _) => Some(coming_up(store, task)),
    }
}

/// A task that serves until another one has taken over on another node.
fn of_leaving(store: &Store, task: &Task) -> Option<Wait> {
    let leave = task.leaves.as_ref()?;
    let slot = slot::load(store, task.service_id, task.slot);
    let why = relocate::reason(&leave.cause);
    let text = match slot.moved() {
        Some(moved) => format!("{why}: gives way to {}", moved.id),
        None if store.rollout(task.service_id).is_some_and(|rollout| rollout.is_running()) => {
            format!("{why}: waits for its turn, or for the update under way")
        }
        None => format!("{why}: waits for its turn"),
    };
    let cause = Some(leave.cause.clone());
    Some(Wait { code: WaitCode::Drain, since: leave.since, until: None, slot: Some(task.slot), cause, text })
}

fn is_ready(task: &Task) -> bool {
    task.status.state == TaskState::Ready && task.desired == Desired::Ready
}

/// Returns what keeps the slots in change of a service from coming up, most important first.
pub fn obstacles(store: &Store, id: ServiceId, now: Timestamp) -> Vec<Wait> {
    let mut waits: Vec<_> = store.steps_open(id).filter_map(|step| of_step(store, step, now)).collect();
    waits.sort_by_key(|wait| (rank(wait.code), wait.since, wait.slot));
    waits
}

/// Returns what the replacement of a slot waits for, until it is up.
pub fn of_step(store: &Store, step: &Step, now: Timestamp) -> Option<Wait> {
    let task = store.task_of_step(step).filter(|task| task.status.state < TaskState::Running)?;
    let service = store.service(step.service_id)?;
    let rollout = store.rollout(step.service_id).map(|rollout| &**rollout);
    let policy = rollout::policy(store, service, rollout);
    let mut wait = match is_ready(task) {
        true => its_turn(store, service, &policy, task, now),
        false => coming_up(store, task),
    };
    if step.settled_at.is_none() && wait.until.is_none() {
        wait.until = policy.start_deadline.and_then(|limit| step.clock.spends_at(limit));
    }
    Some(wait)
}

fn wait(code: WaitCode, task: &Task, text: String) -> Wait {
    Wait { code, since: task.status.applied_at, until: None, slot: Some(task.slot), cause: None, text }
}

/// A task on its way up.
fn coming_up(store: &Store, task: &Task) -> Wait {
    let node = task.node_id.and_then(|id| store.node(id));
    let name = node.map_or("its node", |node| node.description.hostname.as_str());
    if node.is_some_and(|node| node.status.state != NodeState::Ready) {
        return wait(WaitCode::NodeLost, task, format!("{name} does not answer"));
    }
    let image = &task.spec.container.image;
    match task.status.state {
        TaskState::New | TaskState::Pending if task.status.err.is_empty() => {
            wait(WaitCode::Capacity, task, "waits for a node".to_owned())
        }
        TaskState::New | TaskState::Pending => wait(WaitCode::Capacity, task, task.status.err.clone()),
        TaskState::Preparing => wait(WaitCode::Pull, task, format!("{name} prepares {image}")),
        TaskState::Starting if task.spec.container.healthcheck.is_some() => {
            wait(WaitCode::Health, task, format!("not healthy yet on {name}"))
        }
        _ => wait(WaitCode::Start, task, format!("starts on {name}")),
    }
}

/// A replacement that is ready, and waits for the task before it.
fn its_turn(store: &Store, service: &Service, policy: &Policy, task: &Task, now: Timestamp) -> Wait {
    let slot = slot::load(store, service.id, task.slot);
    if let Some(bound) = slot::still_stopping(store, &slot) {
        let (text, until) = stopping(bound, now);
        return Wait { until: Some(until), ..wait(WaitCode::Drain, task, text.to_owned()) };
    }
    let budget = Budget::of(store, service, policy, now);
    if slot.is_running() && !budget.allows(policy.order) {
        let until = budget.wake_at.map(|bound| slot::expected_by(bound, now));
        return Wait { until, ..wait(WaitCode::Budget, task, over_budget(store, service, policy, &budget)) };
    }
    wait(WaitCode::Start, task, "is ready, and starts next".to_owned())
}

/// Says that a task is stopping which is waited for until `bound`, and when that should be over.
fn stopping(bound: Timestamp, now: Timestamp) -> (&'static str, Timestamp) {
    match slot::expected_by(bound, now) {
        until if until < bound => ("the task before it is still stopping", until),
        _ => ("the task before it is still stopping, past its grace period", bound),
    }
}

/// Says what is spent of the budget. The fact first: clients cut the text.
fn over_budget(store: &Store, service: &Service, policy: &Policy, left: &Budget) -> String {
    let kept = store.tally(service.id).kept;
    if left.is_spent {
        let out = budget::out_of_service(store, service, policy).count();
        let allowed = budget::unavailable(policy, kept);
        return format!("{out} of {kept} slots are out of service, and {allowed} may be");
    }
    format!("{} tasks run beside others, and no more may", policy.surge.ceil(kept).max(1))
}

fn of_rollout(store: &Store, service: &Service, rollout: &Rollout, now: Timestamp) -> Vec<Wait> {
    let about = |code, since, until, text: String| Wait { code, since, until, slot: None, cause: None, text };
    if rollout.phase == Phase::Paused {
        let since = rollout.held_since.unwrap_or(rollout.started_at);
        return vec![about(WaitCode::Human, since, None, rollout.message.clone())];
    }
    if !rollout.is_running() {
        return Vec::new();
    }
    let policy = rollout::policy(store, service, Some(rollout));
    let mut waits = obstacles(store, service.id, now);
    waits.extend(store.steps_open(service.id).filter_map(|step| of_lane(store, service, &policy, step, now)));
    // A lane that is free already is waited for by nobody.
    waits.retain(|wait| wait.until.is_none_or(|until| until > now));
    if waits.is_empty() && lanes::awaits_proof(rollout, &policy) {
        let proven_at = lanes::first_batch_proven_at(store, service, rollout, &policy, now);
        let text = "the first batch must live through the monitor period".to_owned();
        waits.extend(proven_at.map(|at| about(WaitCode::Monitor, at - policy.monitor, Some(at), text)));
    }
    if let Some(last) = rollout.last_settled_at.filter(|_| waits.is_empty()) {
        let text = "the last slot must live through the monitor period".to_owned();
        waits.push(about(WaitCode::Monitor, last, Some(last + policy.monitor), text));
    }
    waits
}

/// Returns what a lane whose slot is settled waits for.
fn of_lane(store: &Store, service: &Service, policy: &Policy, step: &Step, now: Timestamp) -> Option<Wait> {
    let since = step.settled_at?;
    let about = |code, until, text: &str| {
        let (slot, text) = (Some(step.slot), text.to_owned());
        Wait { code, since, until, slot, cause: None, text }
    };
    let until = match lanes::freedom(store, service, policy, step) {
        Freedom::At(until) => until,
        Freedom::Unknown => {
            return Some(about(WaitCode::MinHealthy, None, "went down, and must be up without a break"));
        }
    };
    let slot = slot::load(store, service.id, step.slot);
    Some(if slot::still_stopping(store, &slot) == Some(until) {
        let (text, until) = stopping(until, now);
        about(WaitCode::Drain, Some(until), text)
    } else if !step.failed && !policy.min_healthy.is_zero() {
        about(WaitCode::MinHealthy, Some(until), "must stay up before the next slot is taken up")
    } else {
        about(WaitCode::Delay, Some(until), "the delay before the next slot")
    })
}

/// What a person should know first.
fn rank(code: WaitCode) -> usize {
    let order = [
        WaitCode::Human,
        WaitCode::NodeLost,
        WaitCode::Capacity,
        WaitCode::Health,
        WaitCode::Budget,
        WaitCode::Pull,
        WaitCode::Start,
        WaitCode::Restart,
        WaitCode::Drain,
        WaitCode::MinHealthy,
        WaitCode::Delay,
        WaitCode::Monitor,
        WaitCode::Bake,
    ];
    order.iter().position(|known| *known == code).unwrap_or(order.len())
}
