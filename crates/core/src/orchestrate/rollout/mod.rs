//! Rolling updates: which slot next, how many at a time, and what too many failures mean.
//!
//! A rollout only chooses slots and makes their successors; how a successor takes over is the slot's
//! business ([`super::slot`]). [`judge()`] takes in what happened, [`advance()`] takes up more slots while
//! [`lanes`] are free. How careful all of them are is one value, the [`policy()`]. All progress is in the stored
//! [`Rollout`] and its steps.

mod advance;
pub mod back;
pub(super) mod deadlines;
mod judge;
pub(super) mod lanes;
mod outdated;

use skep_model::rollout::{Direction, Phase};
use skep_model::{Policy, Rollout, Service, ServiceId};

use crate::store::{Draft, Store};

pub use advance::advance;
pub use judge::judge;

/// Returns how the service is rolled at the moment.
pub fn policy(store: &Store, service: &Service, rollout: Option<&Rollout>) -> Policy {
    let goes_back = rollout
        .is_some_and(|rollout| rollout.direction == Direction::Back && rollout.phase != Phase::Completed);
    let direction = if goes_back { Direction::Back } else { Direction::Forward };
    Policy::of(store.cluster().map(|cluster| &cluster.spec.labels), &service.spec, direction)
}

/// Asks for another rollout to the revision in force: slots that the last one could not reach are in reach
/// again. There is nothing proven to return to but what it goes to.
pub fn ask_again(draft: &mut Draft, service: &Service) {
    forget_steps(draft, service.id);
    draft.put_rollout(Rollout::asked(service.id, Direction::Forward, service.revision, None, draft.now()));
}

/// Forgets what rollouts did to the slots of a service so far.
pub fn forget_steps(draft: &mut Draft, id: ServiceId) {
    let slots: Vec<_> = draft.steps_of(id).map(|step| step.slot).collect();
    slots.into_iter().for_each(|slot| draft.delete_step(id, slot));
}
