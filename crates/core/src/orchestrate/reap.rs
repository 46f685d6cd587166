//! Forgets tasks: those to be removed once they are over, and history beyond the limit.
//!
//! A node deletes the container of a task whose record is gone, so the limit also bounds what stopped
//! containers keep on disk.

use std::sync::Arc;

use skep_model::task::{Desired, SlotId};
use skep_model::{Service, ServiceId, Task, limits};

use super::slot;
use crate::store::Draft;

/// Forgets what a slot of a living service no longer needs to remember.
pub fn plan(draft: &mut Draft, service: &Service, id: SlotId) {
    let removed: Vec<_> = draft.tasks_in(service.id, id).filter(is_removed).map(|task| task.id).collect();
    removed.into_iter().for_each(|id| draft.delete_task(id));
    let Some(limit) = history_limit(draft, service) else { return };
    let slot = slot::load(draft, service.id, id);
    // What holds the slot stays in any case: it tells that the slot need not run again.
    let holder = slot.last_holder().map(|task| task.id);
    let surplus = slot.tasks.len().saturating_sub(limit);
    let is_surplus = |task: &&Arc<Task>| is_history(task) && Some(task.id) != holder;
    for task in slot.tasks.iter().filter(is_surplus).take(surplus) {
        draft.delete_task(task.id);
    }
}

/// Forgets the tasks of a service that is gone, as they end; with the last of them its revisions.
pub fn service(draft: &mut Draft, id: ServiceId) {
    let removed: Vec<_> = draft.tasks_of(id).filter(is_removed).map(|task| task.id).collect();
    removed.into_iter().for_each(|id| draft.delete_task(id));
    if draft.tasks_of(id).next().is_none() {
        let numbers: Vec<_> = draft.revisions_of(id).map(|revision| revision.number).collect();
        numbers.into_iter().for_each(|number| draft.delete_revision(id, number));
        let slots: Vec<_> = draft.steps_of(id).map(|step| step.slot).collect();
        slots.into_iter().for_each(|slot| draft.delete_step(id, slot));
    }
}

fn is_removed(task: &&Arc<Task>) -> bool {
    task.desired == Desired::Remove && task.is_over()
}

fn is_history(task: &Task) -> bool {
    !task.is_live() && task.is_over()
}

/// Returns how many tasks a slot may have, the living included; `None`: any number.
fn history_limit(draft: &Draft, service: &Service) -> Option<usize> {
    let attempts = service.spec.task.restart_policy().max_attempts;
    if attempts > 0 {
        // All attempts stay visible, as in Swarm.
        return Some(usize::try_from(attempts).unwrap_or(usize::MAX).saturating_add(1));
    }
    let limit =
        draft.cluster().map_or(limits::TASK_HISTORY_DEFAULT, |cluster| cluster.spec.task_history_limit);
    usize::try_from(limit).ok()
}
