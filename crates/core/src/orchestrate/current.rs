//! Whether a task is up to date with its service, or a rollout has to replace it.
//!
//! A task whose revision differs from the service's in nothing that needs another process goes on as it is:
//! [`adopt()`] gives it the service's revision, and its node changes what there is to change (limits). Where it
//! may run is a question of its own: a task that stands where it may no longer stay is replaced elsewhere.

use std::sync::Arc;

use skep_model::constraint::Constraint;
use skep_model::task::TaskState;
use skep_model::template::Placement;
use skep_model::{Service, Task, TaskSpec};

use super::rollout;
use super::slot::Slot;
use crate::store::{Draft, Store};

/// Returns whether `task` serves as one made from the service's own revision.
pub fn is_current(store: &Store, service: &Service, task: &Task) -> bool {
    task.revision == service.revision || can_adopt(store, service, task)
}

fn can_adopt(store: &Store, service: &Service, task: &Task) -> bool {
    let (own, wanted) = (&task.spec, &service.spec.task);
    // Another restart policy may want what ended for good under the one before to be tried again.
    let is_settled = !task.keeps_slot || own.restart_policy() == wanted.restart_policy();
    is_settled && goes_on(store, service, own) && may_stay(store, &own.placement, &wanted.placement, task)
}

/// Returns whether what is made from `own` goes on under the service's own template, wherever it may be.
pub fn goes_on(store: &Store, service: &Service, own: &TaskSpec) -> bool {
    let wanted = &service.spec.task;
    // Compat: that placement alone replaces no task is so in Swarm, too.
    let is_same = || own.runs_the_same_elsewhere(wanted);
    own.can_become(wanted) && (is_same() || rollout::policy(store, service, None).changes_in_place)
}

/// Returns whether a task may be where it is. One that has yet to be placed is placed as its own template says.
fn may_stay(store: &Store, own: &Placement, wanted: &Placement, task: &Task) -> bool {
    if own == wanted {
        return true;
    }
    let Some(node) = task.node_id.and_then(|id| store.node(id)) else { return false };
    let matches = |text: &String| Constraint::parse(text).is_ok_and(|constraint| constraint.matches(node));
    wanted.constraints.iter().all(matches)
}

/// Gives the service's revision to live tasks of the slot that go on under it.
pub(super) fn adopt(draft: &mut Draft, service: &Service, slot: &Slot) {
    let is_due = |task: &&Arc<Task>| {
        // What waits for a node, or for its word, is left as it is and adopts the revision when that comes.
        let is_known = task.status.state > TaskState::Assigned && !task.is_over();
        let differs = task.revision != service.revision && is_known;
        differs && can_adopt(draft, service, task)
    };
    let due: Vec<_> = slot.live().filter(is_due).map(|task| task.id).collect();
    for id in due {
        draft.change_task(id, |task| {
            // Attempts count under one policy; another one begins anew.
            if task.spec.restart_policy() != service.spec.task.restart_policy() {
                task.restarts.clear();
            }
            task.revision = service.revision;
            task.spec = service.spec.task.clone();
        });
    }
}
