//! Nothing due stays undone: when the leader waits, it asked to be woken for the next deadline there is.

use skep_model::Timestamp;

use super::{Invariant, Moment};

pub struct NothingIsLate;

impl Invariant for NothingIsLate {
    fn name(&self) -> &'static str {
        "nothing_is_late"
    }

    fn see(&mut self, now: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Idle { wake_at, again, .. } = moment else { return Ok(()) };
        let Some(due_at) = again.due_at else { return Ok(()) };
        if due_at <= now {
            return Err(format!("a deadline of {due_at:?} passed and nothing comes of it"));
        }
        if wake_at.is_none_or(|wake_at| wake_at > due_at) {
            return Err(format!("something is due at {due_at:?}, the leader sleeps until {wake_at:?}"));
        }
        Ok(())
    }
}
