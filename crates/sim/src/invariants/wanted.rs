//! A node ends nothing that managers want: what they know to run is not stopped or removed behind their
//! back, whatever old messages arrive.

use skep_model::Timestamp;
use skep_model::task::TaskState;

use super::{Invariant, Moment};
use crate::engine::Character;

pub struct WantedTasksAreLeftAlone;

impl Invariant for WantedTasksAreLeftAlone {
    fn name(&self) -> &'static str {
        "wanted_tasks_are_left_alone"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Ending { store, id, container } = moment else { return Ok(()) };
        let Some(task) = store.task(*id).filter(|task| task.is_live()) else { return Ok(()) };
        // A container that its health check condemns is stopped by its node alone.
        let is_ill = Character::of(&task.spec.container.image).has_healthcheck();
        if container.is_running() && !is_ill && task.status.state <= TaskState::Running {
            return Err(format!("{} is {:?} and its node ends it", task.name(), task.status.state));
        }
        Ok(())
    }
}
