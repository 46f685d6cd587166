//! Whether a task is up to date with its service, or a rollout has to replace it.

use skep_model::constraint::Constraint;
use skep_model::{Service, Task, TaskSpec};

use crate::store::Store;

/// Returns whether `task` serves as one made from the service's current template.
///
/// A template that differs in its placement alone leaves tasks where they already fulfil it.
pub fn is_current(store: &Store, service: &Service, task: &Task) -> bool {
    if task.revision == service.revision || task.spec.runs_the_same(&service.spec.task) {
        return true;
    }
    let wanted = &service.spec.task;
    let moved = TaskSpec { placement: wanted.placement.clone(), ..TaskSpec::clone(&task.spec) };
    let Some(node) = task.node_id.and_then(|id| store.node(id)) else { return false };
    moved.runs_the_same(wanted)
        && wanted
            .placement
            .constraints
            .iter()
            .all(|text| Constraint::parse(text).is_ok_and(|constraint| constraint.matches(node)))
}
