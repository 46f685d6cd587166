//! A slot keeps its revision: only a rollout moves it, and a restart repeats what the slot had.
//!
//! While a rollout is unproven, slots that are added get what ran before it.

use std::sync::Arc;

use skep_core::Store;
use skep_core::orchestrate::current::is_current;
use skep_model::rollout::{Direction, Phase};
use skep_model::task::{Desired, SlotId};
use skep_model::{Task, Timestamp};

use super::{Invariant, Moment, goes_on, slot_of, task_writes};

pub struct SlotsKeepTheirRevision;

impl Invariant for SlotsKeepTheirRevision {
    fn name(&self) -> &'static str {
        "slots_keep_their_revision"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Committed { before, after, changes, .. } = moment else { return Ok(()) };
        // What was given up before anybody saw it is no slot's.
        let is_new = |(known, task): &(Option<_>, &Arc<Task>)| known.is_none() && task.is_live();
        for (_, task) in task_writes(before, changes).filter(is_new) {
            if !is_right(before, after, task) {
                let rollout = after.rollout(task.service_id);
                let (name, slot, revision) = (&task.service.name, task.slot, task.revision);
                return Err(format!("{name}.{slot} gets revision {revision}, rollout: {rollout:?}"));
            }
        }
        Ok(())
    }
}

fn is_right(before: &Store, after: &Store, task: &Task) -> bool {
    let Some(service) = after.service(task.service_id) else { return false };
    if service.spec.mode.is_job() {
        return task.revision == service.revision;
    }
    let rollout = after.rollout(task.service_id);
    let is_step = rollout.is_some_and(|rollout| {
        rollout.revision == task.revision
            && after.step(task.service_id, task.slot).is_some_and(|step| step.task_id == task.id)
    });
    if is_step {
        return true;
    }
    // A node that was closed and is open again begins anew, with what it had, or with what it was moved to, which a
    // write of the placement, or of limits, gives another number.
    let is_vacant =
        matches!(task.slot, SlotId::Node(_)) && !slot_of(before, task).any(|other| other.is_live());
    let was_moved = before.step(task.service_id, task.slot).is_some_and(|step| {
        let is_so = step.settled_at.is_some() && !step.failed && task.revision == service.revision;
        let was = before.service(task.service_id).filter(|_| is_so);
        was.is_some_and(|was| {
            was.revision == service.revision || goes_on(after, service, &was.spec.task, &service.spec.task)
        })
    });
    if is_vacant && (was_moved || slot_of(before, task).any(|other| other.revision == task.revision)) {
        return true;
    }
    // What is to be forgotten leaves its number to another slot, maybe in the same breath.
    let is_added = slot_of(before, task).all(|other| other.desired == Desired::Remove);
    if is_vacant || is_added {
        let before_it = rollout
            .filter(|rollout| rollout.direction == Direction::Forward && rollout.phase != Phase::Completed)
            .and_then(|rollout| rollout.from)
            .filter(|from| {
                let known = after.revision(service.id, *from);
                !known.is_some_and(|known| goes_on(after, service, &known.template, &service.spec.task))
            });
        let is_kept = |other: &Task| other.desired != Desired::Remove && before.task(other.id).is_some();
        let is_first = !after.tasks_of(service.id).any(|other| is_kept(other));
        return match before_it {
            Some(from) if !is_first => task.revision == from,
            Some(from) => task.revision == from || task.revision == service.revision,
            None => task.revision == service.revision,
        };
    }
    let goes_back = rollout.is_some_and(|rollout| rollout.direction == Direction::Back)
        && task.revision == service.revision;
    let had = slot_of(before, task).any(|other| other.is_live() && other.revision == task.revision);
    // Where the templates differ in nothing that matters to it, a task is up to date all the same.
    let was_current = task.revision == service.revision
        && slot_of(before, task).any(|other| other.is_live() && is_current(before, service, other));
    goes_back || had || was_current
}
