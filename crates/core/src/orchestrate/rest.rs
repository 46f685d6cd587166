//! Whether a service is at rest: what is measured then (has a revision proved itself?) and what is done only then (are
//! its tasks to stand more evenly?) asks here.

use skep_model::ServiceId;
use skep_model::rollout::Phase;

use crate::store::Store;

/// Returns whether a service is at rest: no rollout is under way or paused, every slot runs, and none has a second task
/// that is wanted. What was told to stop may not have done so yet.
pub(super) fn is_at_rest(store: &Store, id: ServiceId) -> bool {
    let tally = store.tally(id);
    store.rollout(id).is_none_or(|rollout| rollout.phase == Phase::Completed)
        && tally.running == tally.kept
        && store.slots_contested(id).next().is_none()
}
