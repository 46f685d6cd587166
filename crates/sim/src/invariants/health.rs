//! A task with a health check runs, in the eyes of the managers, only once it was healthy.

use skep_model::Timestamp;
use skep_model::task::TaskState;

use super::{Invariant, Moment, task_writes};
use crate::engine::Character;

pub struct RunningMeansHealthy;

impl Invariant for RunningMeansHealthy {
    fn name(&self) -> &'static str {
        "running_means_healthy"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Committed { before, changes, .. } = moment else { return Ok(()) };
        for (_, task) in task_writes(before, changes) {
            let is_ill = Character::of(&task.spec.container.image) == Character::Unhealthy;
            if is_ill && task.status.state == TaskState::Running {
                return Err(format!("{} runs and was never healthy", task.name()));
            }
        }
        Ok(())
    }
}
