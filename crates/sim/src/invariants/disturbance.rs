//! Nothing that runs is told to stop before its successor is known to be ready (stop-first) or to run
//! (start-first), nor for a slot that the rollout has not taken up. A bad image therefore disturbs
//! nothing.

use skep_core::Store;
use skep_core::orchestrate::rollout;
use skep_model::service::UpdateOrder;
use skep_model::task::{Desired, TaskState};
use skep_model::{Rollout, Task, Timestamp};

use super::{Invariant, Moment, is_beyond_rollouts, slot_of, slot_service, task_writes, under_way};

pub struct NothingIsDisturbedTooSoon;

impl Invariant for NothingIsDisturbedTooSoon {
    fn name(&self) -> &'static str {
        "nothing_is_disturbed_too_soon"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Committed { before, after, changes, .. } = moment else { return Ok(()) };
        for (known, task) in task_writes(before, changes) {
            let Some(known) = known else { continue };
            let is_told = known.is_live() && task.desired == Desired::Shutdown;
            let serves = task.status.state == TaskState::Running && !is_beyond_rollouts(after, task);
            let rollout = after.rollout(task.service_id).map(|rollout| &**rollout);
            let has_one = has_successor(after, task, rollout)
                || under_way(before, after, task.service_id)
                    .is_some_and(|it| has_successor(after, task, Some(&it)));
            if is_told && serves && !has_one {
                let others: Vec<_> =
                    slot_of(after, task).map(|o| (o.revision, o.desired, o.status.state)).collect();
                return Err(format!("{} is told to stop, its slot has {others:?}", task.name()));
            }
        }
        Ok(())
    }
}

fn has_successor(store: &Store, task: &Task, rollout: Option<&Rollout>) -> bool {
    let Some(service) = slot_service(store, task) else { return true };
    let is_next = task.leaves.is_some()
        || rollout.is_none_or(|rollout| !rollout.is_running() || store.step(service.id, task.slot).is_some());
    let needed = match rollout::policy(store, service, rollout).order {
        UpdateOrder::StopFirst if is_next => TaskState::Ready,
        UpdateOrder::StopFirst | UpdateOrder::StartFirst => TaskState::Running,
    };
    slot_of(store, task).any(|other| {
        other.id != task.id && other.is_live() && !other.is_over() && other.status.state >= needed
    })
}
