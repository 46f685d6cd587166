//! A task is one attempt: it never changes its slot or, once it has one, its node; nor its template, but for what is
//! changed while it runs.

use skep_model::Timestamp;
use skep_model::task::TaskState;

use super::{Invariant, Moment, task_writes};

pub struct TasksKeepTheirIdentity;

impl Invariant for TasksKeepTheirIdentity {
    fn name(&self) -> &'static str {
        "tasks_keep_their_identity"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Committed { before, after, changes, .. } = moment else { return Ok(()) };
        for (known, task) in task_writes(before, changes) {
            let Some(known) = known else { continue };
            let of_service = after.service(task.service_id).map(|service| service.revision);
            let same_template =
                known.revision == task.revision && known.spec.effective() == task.spec.effective();
            let goes_on = of_service == Some(task.revision)
                && known.spec.can_become(&task.spec)
                && task.status.state <= TaskState::Running;
            let same = (known.service_id, known.slot, known.meta.created_at)
                == (task.service_id, task.slot, task.meta.created_at)
                && (same_template || goes_on)
                && (known.node_id.is_none() || known.node_id == task.node_id);
            if !same {
                return Err(format!("task {} became another: {known:?} and then {task:?}", task.id));
            }
        }
        Ok(())
    }
}
