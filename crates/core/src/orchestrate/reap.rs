//! Forgets tasks: those to be removed once they are over, and history beyond the limit.
//!
//! A node deletes the container of a task whose record is gone, so the limit also bounds what stopped
//! containers keep on disk.

use std::sync::Arc;

use skep_model::task::Desired;
use skep_model::{Service, ServiceId, Task, limits};

use super::slot;
use crate::store::Draft;

/// Forgets what a living service no longer needs to remember.
pub fn plan(draft: &mut Draft, service: &Service) {
    removed(draft, service.id);
    let Some(limit) = history_limit(draft, service) else { return };
    for slot in slot::of_service(draft, service.id) {
        // What holds the slot stays in any case: it tells that the slot need not run again.
        let holder = slot.last_holder().map(|task| task.id);
        let surplus = slot.tasks.len().saturating_sub(limit);
        let is_surplus = |task: &&Arc<Task>| is_history(task) && Some(task.id) != holder;
        let over: Vec<_> = slot.tasks.iter().filter(is_surplus).take(surplus).collect();
        for task in over {
            draft.delete_task(task.id);
        }
    }
}

/// Forgets tasks that were to be removed and are over.
pub fn removed(draft: &mut Draft, id: ServiceId) {
    let is_done = |task: &&Arc<Task>| task.desired == Desired::Remove && task.is_over();
    let done: Vec<_> = draft.tasks_of(id).filter(is_done).map(|task| task.id).collect();
    for id in done {
        draft.delete_task(id);
    }
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
