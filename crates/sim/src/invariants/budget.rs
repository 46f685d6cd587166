//! A rollout never works on more slots at a time than its parallelism. Neither it nor a drain nor a scale takes a slot
//! out of service when as many are as may be, or more, for whatever reason; nor starts a task beside another one when
//! as many run as may. Slots whose replacement failed are the failure ratio's business; and Swarm's profile looks only
//! at what it takes out of service itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use skep_core::orchestrate::rollout;
use skep_core::store::ChangeSet;
use skep_core::{Change, Store};
use skep_model::node::{Availability, NodeState};
use skep_model::policy::Profile;
use skep_model::task::{Desired, SlotId, TaskState};
use skep_model::{Policy, Rollout, Service, ServiceId, Step, Task, Timestamp, limits};

use super::{
    Invariant, Moment, decided_at, is_beyond_rollouts, serves, slot_of, slot_service, task_writes, under_way,
    waits_for_budget,
};
use crate::fit::{fulfils, is_closed, is_open};

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
            unavailable(before, after, id)?;
            let policy = policy(after, id);
            // Compat: what an earlier rollout took out of service, and what came of it, Swarm's has no eye for.
            let is_in_change = |(service_id, slot): &&(ServiceId, SlotId)| {
                *service_id == id && after.step(id, *slot).is_some()
            };
            let count = self.out_of_service.iter().filter(is_in_change).count() as u64;
            let limit = policy.unavailable.floor(after.slots_kept(id).count() as u64).max(1);
            if policy.profile == Profile::Swarm && count > limit {
                let name = &after.service(id).expect("it has slots").spec.name;
                return Err(format!("{count} slots of {name} are out of service, allowed: {limit}"));
            }
        }
        surge(before, after, changes)?;
        scale_down(before, after, changes)?;
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

/// Returns whether the slot's replacement failed, and its rollout goes on; which may end with this commit.
fn tolerates(store: &Store, id: ServiceId, slot: SlotId) -> bool {
    store.rollout(id).is_some_and(|rollout| rollout.is_running())
        && store.step(id, slot).is_some_and(|step| step.failed)
}

/// Judges a service of which a slot was just taken out of service.
fn unavailable(before: &Store, after: &Store, id: ServiceId) -> Result<(), String> {
    let (service, policy) = (after.service(id).expect("it has slots"), policy(after, id));
    if policy.profile == Profile::Swarm {
        return Ok(());
    }
    let is_missed = |slot: &SlotId| {
        let is_tolerated = [before, after].into_iter().any(|store| tolerates(store, id, *slot));
        // What ended for good serves nobody, also where it is begun anew in the same breath.
        let is_done = [before, after].into_iter().any(|store| {
            let mut tasks = store.tasks_in(id, *slot).peekable();
            let is_live = store.tasks_in(id, *slot).any(|task| task.is_live());
            tasks.peek().is_some() && !is_live && tasks.any(|task| task.keeps_slot)
        });
        // So does what ended in this very commit, and is taken up by it.
        let is_done = is_done || ends_and_is_taken_up(before, after, id, *slot);
        // One that is added in the same breath was never in service.
        let is_new = before.tasks_in(id, *slot).next().is_none();
        !serves(after, id, *slot) && !is_tolerated && !is_done && !is_new && takes_part(after, service, *slot)
    };
    let out: Vec<_> = after.slots_kept(id).filter(is_missed).collect();
    let kept = after.slots_kept(id).count() as u64;
    let at_the_time = under_way(before, after, id)
        .map_or(0, |rollout| rollout::policy(after, service, Some(&rollout)).unavailable.floor(kept));
    let allowed = policy.unavailable.floor(kept).max(at_the_time).max(1);
    match out.len() as u64 > allowed {
        true => Err(format!("slots {out:?} of {} are out of service, allowed: {allowed}", service.spec.name)),
        false => Ok(()),
    }
}

/// Returns whether all that a slot had has ended, by itself, where its next step begins.
fn ends_and_is_taken_up(before: &Store, after: &Store, id: ServiceId, slot: SlotId) -> bool {
    let is_begun = match (before.step(id, slot), after.step(id, slot)) {
        (_, None) => false,
        (known, Some(step)) => known.is_none_or(|known| known.taken_at != step.taken_at),
    };
    let mut had = before.tasks_in(id, slot).filter(|task| task.is_live());
    is_begun && had.all(|task| after.task(task.id).is_none_or(|is| is.is_over()))
}

/// A node that is paused or down is not waited for, one that a new leader has yet to hear of is.
fn takes_part(store: &Store, service: &Service, slot: SlotId) -> bool {
    let SlotId::Node(id) = slot else { return true };
    !is_closed(store, service, slot)
        && store.node(id).is_some_and(|node| {
            node.spec.availability == Availability::Active && node.status.state != NodeState::Down
        })
}

/// Judges services of which a task was started beside one that serves.
fn surge(before: &Store, after: &Store, changes: &ChangeSet) -> Result<(), String> {
    let now = decided_at(before, changes);
    let is_beside = |(known, task): &(Option<&Arc<Task>>, &Arc<Task>)| {
        let is_started = known.is_some_and(|known| known.desired == Desired::Ready);
        let mut others = slot_of(after, task).filter(|other| other.id != task.id);
        is_started
            && task.desired == Desired::Running
            && others.any(|other| other.is_live() && other.status.state == TaskState::Running)
    };
    for (_, task) in task_writes(before, changes).filter(is_beside) {
        let id = task.service_id;
        let Some(service) = slot_service(after, task) else { continue };
        let policy = policy(after, id);
        if policy.profile == Profile::Swarm {
            continue;
        }
        let is_up = |task: &Task| {
            let node = task.node_id.and_then(|id| after.node(id));
            task.node_id.is_none() || node.is_some_and(|node| node.status.state != NodeState::Down)
        };
        let stops = |task: &Task| {
            let bound = task.meta.updated_at + task.spec.container.stop_grace() + limits::OLD_TASK_WAIT_MAX;
            policy.counts_terminating
                && !task.is_live()
                && task.status.state >= TaskState::Starting
                && task.node_id.is_some()
                && bound > now
        };
        let is_tolerated = |slot| [before, after].into_iter().any(|store| tolerates(store, id, slot));
        let counts = |task: &&Arc<Task>| {
            let is_wanted = task.is_live() && task.desired == Desired::Running;
            !task.is_over() && is_up(task) && !is_tolerated(task.slot) && (is_wanted || stops(task))
        };
        let mut tasks: BTreeMap<SlotId, u64> = BTreeMap::new();
        for task in after.tasks_of(id).filter(counts) {
            *tasks.entry(task.slot).or_default() += 1;
        }
        let kept: BTreeSet<_> = after.slots_kept(id).collect();
        // Where nothing has begun to run, each of the slot's tasks is brought up as if it were alone.
        let has_begun = |slot| after.tasks_in(id, slot).any(|task| task.status.state >= TaskState::Starting);
        let beyond = |(slot, count): (&SlotId, &u64)| match kept.contains(slot) {
            true if has_begun(*slot) => count.saturating_sub(1),
            true => 0,
            false => *count,
        };
        let (surplus, allowed) =
            (tasks.iter().map(beyond).sum::<u64>(), policy.surge.ceil(kept.len() as u64).max(1));
        if surplus > allowed {
            return Err(format!(
                "{surplus} tasks of {} run beside others, allowed: {allowed}",
                service.spec.name
            ));
        }
    }
    Ok(())
}

/// What is scaled down gives up what does not serve first.
fn scale_down(before: &Store, after: &Store, changes: &ChangeSet) -> Result<(), String> {
    for (known, task) in task_writes(before, changes) {
        let is_dropped =
            known.is_some_and(|known| known.desired != Desired::Remove) && task.desired == Desired::Remove;
        let Some(service) =
            after.service(task.service_id).filter(|service| is_dropped && !service.spec.mode.is_job())
        else {
            continue;
        };
        let id = service.id;
        let is_idle = |slot: &SlotId| {
            let was_there = before.tasks_in(id, *slot).any(|task| task.desired != Desired::Remove);
            was_there && !serves(before, id, *slot) && !serves(after, id, *slot)
        };
        let is_swarm = policy(after, id).profile == Profile::Swarm;
        let served = known.is_some_and(|known| known.is_live()) && task.status.state == TaskState::Running;
        if !is_swarm && served && after.slots_kept(id).any(|slot| is_idle(&slot)) {
            return Err(format!("{} is dropped, and slots that serve nobody are not", task.name()));
        }
    }
    Ok(())
}

/// Returns whether the node of a task meets what its service asks of nodes now.
fn may_be_there(store: &Store, task: &Task) -> bool {
    let node = task.node_id.and_then(|id| store.node(id));
    node.zip(store.service(task.service_id)).is_some_and(|(node, service)| {
        service.spec.task.placement.constraints.iter().all(|text| fulfils(node, text))
    })
}

/// Slots are only taken up while lanes are free: a lane is taken until its slot is settled, was up for long
/// enough, and the delay has passed.
fn lanes(before: &Store, after: &Store, rollout: &Rollout, now: Timestamp) -> Result<(), String> {
    let id = rollout.service_id;
    let known = before.rollout(id).filter(|known| known.started_at == rollout.started_at);
    // One that is resumed goes on with what was in change, however many lanes it has now.
    let is_new = |step: &Arc<Step>| match before.step(id, step.slot) {
        Some(before) => known.is_none() && before.taken_at != step.taken_at,
        None => true,
    };
    if !after.steps_of(id).any(is_new) {
        return Ok(());
    }
    let policy = policy(after, id);
    let is_busy = |step: &&Arc<Step>| {
        // Its lane was given away under the policy of that time.
        if before.step(id, step.slot).is_some_and(|known| known.closed && known.task_id == step.task_id) {
            return false;
        }
        if waits_for_budget(after, step) {
            return false;
        }
        // A slot that went down after its lane was free is not waited for again; one that may not stay where it came to
        // has to be taken up again.
        let is_up = |task: &Arc<Task>| {
            may_be_there(after, task) && task.is_live() && task.status.state == TaskState::Running
        };
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
