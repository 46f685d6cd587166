//! When the leader waits, a leader without any memory would find nothing to do either.

use skep_model::Timestamp;

use super::{Invariant, Moment};

pub struct PlannersAreIdempotent;

impl Invariant for PlannersAreIdempotent {
    fn name(&self) -> &'static str {
        "planners_are_idempotent"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Idle { again, .. } = moment else { return Ok(()) };
        if again.changes.is_empty() {
            return Ok(());
        }
        Err(format!("planned again, it would change {:?}", again.changes))
    }
}
