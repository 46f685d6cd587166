//! What managers want of a task never goes back: what was told to stop is never wanted again.

use skep_model::Timestamp;

use super::{Invariant, Moment, task_writes};

pub struct DesiredNeverGoesBack;

impl Invariant for DesiredNeverGoesBack {
    fn name(&self) -> &'static str {
        "desired_never_goes_back"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Committed { before, changes, .. } = moment else { return Ok(()) };
        for (known, task) in task_writes(before, changes) {
            if let Some(known) = known.filter(|known| task.desired < known.desired) {
                return Err(format!("task {}: from {:?} to {:?}", task.id, known.desired, task.desired));
            }
        }
        Ok(())
    }
}
