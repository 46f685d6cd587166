//! A rollout never works on more slots at a time than its parallelism, and never takes more slots out
//! of service. Slots whose replacement failed are the failure ratio's business.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use skep_core::orchestrate::rollout;
use skep_core::store::ChangeSet;
use skep_core::{Change, Store};
use skep_model::task::{Desired, SlotId, TaskState};
use skep_model::{Policy, Rollout, ServiceId, Step, Task, Timestamp};

use super::{Invariant, Moment, decided_at, is_beyond_rollouts, slot_service, task_writes};
use crate::fit::is_open;

#[derive(Default)]
pub struct BudgetIsNeverExceeded {
    /// Slots that ran until they were told to make room, and do not run again yet.
    out_of_service: BTreeSet<(ServiceId, SlotId)>,
    /// The latest instant that any leader decided at; their clocks differ.
    latest: Timestamp,
}

impl Invariant for BudgetIsNeverExceeded {
    fn name(&self) -> &'static str {
        "budget_is_never_exceeded"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Committed { before, after, changes, .. } = moment else { return Ok(()) };
        self.latest = self.latest.max(decided_at(before, changes));
        self.out_of_service.retain(|(id, slot)| is_out_of_service(after, *id, *slot));
        for change in changes.iter() {
            if let Some(failed) = failed(before, change) {
                self.out_of_service.remove(&(failed.service_id, failed.slot));
            }
        }
        for id in self.take_out(before, after, changes) {
            let count = self.out_of_service.iter().filter(|(service_id, _)| *service_id == id).count() as u64;
            let policy = policy(after, id);
            if count > policy.lanes {
                let (name, limit) = (&after.service(id).expect("it has slots").spec.name, policy.lanes);
                return Err(format!("{count} slots of {name} are out of service, allowed: {limit}"));
            }
        }
        for rollout in after.services().filter_map(|service| after.rollout(service.id)) {
            lanes(before, after, rollout, self.latest)?;
        }
        Ok(())
    }
}

impl BudgetIsNeverExceeded {
    /// Notes the slots that this commit takes out of service; returns their services.
    fn take_out(&mut self, before: &Store, after: &Store, changes: &ChangeSet) -> BTreeSet<ServiceId> {
        let mut ids = BTreeSet::new();
        for (known, task) in task_writes(before, changes) {
            let is_told = known.is_some_and(|known| known.is_live()) && task.desired == Desired::Shutdown;
            let served = task.status.state == TaskState::Running && !is_beyond_rollouts(after, task);
            let is_out =
                slot_service(after, task).is_some() && is_out_of_service(after, task.service_id, task.slot);
            if is_told && served && is_out && self.out_of_service.insert((task.service_id, task.slot)) {
                ids.insert(task.service_id);
            }
        }
        ids
    }
}

/// Returns the task that ended by itself, where the change says so.
fn failed<'a>(before: &'a Store, change: &'a Change) -> Option<&'a Task> {
    match change {
        Change::PutTask(task) => {
            let was_over = before.task(task.id).is_none_or(|known| known.is_over());
            (!was_over && task.is_over() && task.status.state != TaskState::Shutdown).then_some(task)
        }
        // Nobody remembers it, but only what is over is forgotten.
        Change::DeleteTask { id, .. } => {
            before.task(*id).filter(|known| known.is_live()).map(|known| &**known)
        }
        _ => None,
    }
}

/// Returns whether a slot still waits for a replacement that may yet come to run. One that was lost with
/// its node and fits nowhere else is another matter.
fn is_out_of_service(store: &Store, id: ServiceId, slot: SlotId) -> bool {
    let mut live =
        store.tasks_in(id, slot).filter(|task| task.is_live() && task.node_id.is_some()).peekable();
    let step = store.step(id, slot);
    store.service(id).is_some_and(|service| is_open(store, service, slot))
        && live.peek().is_some()
        && !step.is_some_and(|step| step.failed)
        && !live.any(|task| task.status.state == TaskState::Running)
}

fn policy(store: &Store, id: ServiceId) -> Policy {
    let service = store.service(id).expect("a service with slots");
    rollout::policy(store, service, store.rollout(id).map(|rollout| &**rollout))
}

/// Slots are only taken up while lanes are free: a lane is taken until its slot is settled, was up for long
/// enough, and the delay has passed.
fn lanes(before: &Store, after: &Store, rollout: &Rollout, now: Timestamp) -> Result<(), String> {
    let id = rollout.service_id;
    let known = before.rollout(id).filter(|known| known.started_at == rollout.started_at);
    let is_new = |step: &Arc<Step>| known.is_none() || before.step(id, step.slot).is_none();
    if !after.steps_of(id).any(is_new) {
        return Ok(());
    }
    let policy = policy(after, id);
    let is_busy = |step: &&Arc<Step>| {
        // Its lane was given away under the policy of that time.
        if before.step(id, step.slot).is_some_and(|known| known.closed && known.task_id == step.task_id) {
            return false;
        }
        // A slot that went down after its lane was free is not waited for again.
        let is_up = |task: &Arc<Task>| task.is_live() && task.status.state == TaskState::Running;
        let min_healthy = match !step.failed && after.task(step.task_id).is_some_and(is_up) {
            true => policy.min_healthy,
            false => Duration::ZERO,
        };
        step.settled_at.is_none_or(|settled_at| settled_at + min_healthy + policy.delay > now)
    };
    let busy = after.steps_of(id).filter(is_busy).count() as u64;
    if busy > policy.lanes {
        let name = &after.service(id).expect("a rollout has a service").spec.name;
        let steps: Vec<_> = after.steps_of(id).collect();
        return Err(format!("{busy} lanes of {name} are taken: {steps:?}"));
    }
    Ok(())
}
