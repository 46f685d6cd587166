//! A job has no more tasks at a time than it may, completes each of its slots once in an iteration and forgets
//! no completion, and every change of it begins one more iteration.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use skep_core::{Change, Store};
use skep_model::request::Request;
use skep_model::service::Mode;
use skep_model::task::{Desired, SlotId, TaskState};
use skep_model::{Service, ServiceId, ServiceSpec, Task, Timestamp};

use super::{Invariant, Moment, task_writes};

#[derive(Default)]
pub struct JobsAreDoneOnce {
    /// Slots that completed, by the iteration in which they did.
    done: BTreeSet<(ServiceId, SlotId, u64)>,
    /// How much was asked of a service since it was written last.
    asked: BTreeMap<ServiceId, u64>,
}

impl Invariant for JobsAreDoneOnce {
    fn name(&self) -> &'static str {
        "jobs_are_done_once"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        match moment {
            Moment::Committed { before, after, changes, .. } => {
                for change in changes.iter() {
                    if let Change::PutService(service) = change {
                        let asked = self.asked.remove(&service.id).unwrap_or_default();
                        iterates(before.service(service.id), service, asked)?;
                    }
                }
                for (known, task) in task_writes(before, changes) {
                    self.written(after, known.is_none(), task)?;
                }
                after
                    .services()
                    .filter(|service| service.spec.mode.is_job())
                    .try_for_each(|job| at_a_time(after, job))
            }
            Moment::Asked { request, .. } => {
                if let Request::UpdateService { id, .. } | Request::SteerRollout { id, .. } = request {
                    *self.asked.entry(*id).or_default() += 1;
                }
                Ok(())
            }
            Moment::Idle { store, .. } => store
                .tasks()
                .filter(|task| task.is_live())
                .try_for_each(|task| is_of_this_iteration(store, task)),
            _ => Ok(()),
        }
    }
}

impl JobsAreDoneOnce {
    fn written(&mut self, after: &Store, is_new: bool, task: &Task) -> Result<(), String> {
        let Some(iteration) = task.iteration else { return Ok(()) };
        let key = (task.service_id, task.slot, iteration);
        if is_new && self.done.contains(&key) {
            return Err(format!("{} repeats what was completed in iteration {iteration}", task.name()));
        }
        if task.desired == Desired::Complete && task.status.state == TaskState::Complete {
            self.done.insert(key);
        }
        let Some(service) = after.service(task.service_id).filter(|_| is_new) else { return Ok(()) };
        let (name, slot) = (&service.spec.name, task.slot);
        if service.job.map(|job| job.iteration) != Some(iteration) {
            return Err(format!("{name}.{slot} is made for iteration {iteration}: {:?}", service.job));
        }
        match (&service.spec.mode, slot) {
            (Mode::ReplicatedJob { total_completions, .. }, SlotId::Number(number))
                if (1..=*total_completions).contains(&number) =>
            {
                Ok(())
            }
            (Mode::GlobalJob, SlotId::Node(_)) => Ok(()),
            (mode, _) => Err(format!("{name} has no slot {slot}: {mode:?}")),
        }
    }
}

/// Labels of Skep's own are instructions, and no part of what is to run; nor are sections that say nothing.
fn is_repeated(before: &ServiceSpec, after: &ServiceSpec) -> bool {
    let without_ours = |spec: &ServiceSpec| {
        let mut spec = spec.clone();
        spec.labels.retain(|name, _| !name.starts_with("skep."));
        ServiceSpec { task: spec.task.effective().into(), ..spec }
    };
    without_ours(before) == without_ours(after)
}

/// An update begins one more iteration, and nothing else does; of several in the same breath, each may.
fn iterates(known: Option<&Arc<Service>>, service: &Service, asked: u64) -> Result<(), String> {
    let is = service.job.map(|job| job.iteration);
    let least = match known {
        _ if !service.spec.mode.is_job() => None,
        None => Some(0),
        Some(known) if is_repeated(&known.spec, &service.spec) => known.job.map(|job| job.iteration),
        Some(known) => known.job.map(|job| job.iteration + 1),
    };
    let most = least.map(|least| if asked > 1 { least + asked } else { least });
    if (least..=most).contains(&is) {
        Ok(())
    } else {
        Err(format!("{} is in iteration {is:?}, not {least:?} to {most:?}", service.spec.name))
    }
}

/// Slots in work count, whether their task runs, waits for its node or for its restart.
fn at_a_time(store: &Store, service: &Service) -> Result<(), String> {
    let Mode::ReplicatedJob { max_concurrent, .. } = service.spec.mode else { return Ok(()) };
    let iteration = service.job.map(|job| job.iteration);
    let mut open: BTreeMap<SlotId, u64> = BTreeMap::new();
    for task in store.tasks_of(service.id).filter(|task| task.is_live() && task.iteration == iteration) {
        *open.entry(task.slot).or_default() += 1;
    }
    if open.len() as u64 > max_concurrent || open.values().any(|count| *count > 1) {
        return Err(format!("{} has open slots {open:?}, allowed: {max_concurrent}", service.spec.name));
    }
    Ok(())
}

fn is_of_this_iteration(store: &Store, task: &Task) -> Result<(), String> {
    let now = store.service(task.service_id).and_then(|service| service.job).map(|job| job.iteration);
    if task.iteration == now {
        Ok(())
    } else {
        Err(format!("{} is wanted, its iteration is over", task.name()))
    }
}
