//! Rolling updates: which slot next, how many at a time, and what too many failures mean.
//!
//! A rollout only chooses slots and makes their successors; how a successor takes over is the slot's
//! business ([`super::slot`]). [`judge()`] takes in what happened, [`advance()`] takes up more slots within
//! the budget of `parallelism` lanes. All progress is in the stored [`Rollout`].

mod advance;
mod judge;

use skep_model::rollout::{Direction, Phase};
use skep_model::service::{Service, UpdateConfig};
use skep_model::{Rollout, ServiceId};

use crate::store::Draft;

pub use advance::advance;
pub use judge::judge;

/// Returns the pace at which the service is rolled.
pub fn config_in_force(service: &Service, rollout: Option<&Rollout>) -> UpdateConfig {
    let back = rollout
        .is_some_and(|rollout| rollout.direction == Direction::Back && rollout.phase != Phase::Completed);
    let config = if back { &service.spec.rollback } else { &service.spec.update };
    config.clone().unwrap_or_default()
}

/// Forgets what rollouts did to the slots of a service so far.
pub fn forget_steps(draft: &mut Draft, id: ServiceId) {
    let slots: Vec<_> = draft.steps_of(id).map(|step| step.slot).collect();
    slots.into_iter().for_each(|slot| draft.delete_step(id, slot));
}
