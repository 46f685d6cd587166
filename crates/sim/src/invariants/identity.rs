//! A task is one attempt: it never changes its slot, its template or, once it has one, its node.

use skep_model::Timestamp;

use super::{Invariant, Moment, task_writes};

pub struct TasksKeepTheirIdentity;

impl Invariant for TasksKeepTheirIdentity {
    fn name(&self) -> &'static str {
        "tasks_keep_their_identity"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Committed { before, changes, .. } = moment else { return Ok(()) };
        for (known, task) in task_writes(before, changes) {
            let Some(known) = known else { continue };
            let same = (known.service_id, known.slot, known.revision, known.meta.created_at)
                == (task.service_id, task.slot, task.revision, task.meta.created_at)
                && known.spec == task.spec
                && (known.node_id.is_none() || known.node_id == task.node_id);
            if !same {
                return Err(format!("task {} became another: {known:?} and then {task:?}", task.id));
            }
        }
        Ok(())
    }
}
