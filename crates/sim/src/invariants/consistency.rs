//! The store's own invariants hold after every commit. Whether its indexes agree with its tables costs more
//! and is looked at now and then (`indexes_agree_with_tables`, from `world::managers`).

use skep_core::check;
use skep_model::Timestamp;

use super::{Invariant, Moment};

pub struct StoreIsConsistent;

impl Invariant for StoreIsConsistent {
    fn name(&self) -> &'static str {
        "store_is_consistent"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Committed { after, .. } = moment else { return Ok(()) };
        if let Some(violation) = check::check(after).first() {
            return Err(format!("{}: {}", violation.invariant, violation.detail));
        }
        Ok(())
    }
}
