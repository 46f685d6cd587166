//! A rollout that says it is completed left no slot behind, but for those that failed and were
//! tolerated.

use skep_core::orchestrate::current::is_current;
use skep_core::orchestrate::slot::{self, Slot};
use skep_core::{Change, Store};
use skep_model::rollout::Phase;
use skep_model::{Rollout, Timestamp};

use super::{Invariant, Moment};
use crate::fit::is_open;

pub struct CompletedRolloutsLeaveNoSlotBehind;

impl Invariant for CompletedRolloutsLeaveNoSlotBehind {
    fn name(&self) -> &'static str {
        "completed_rollouts_leave_no_slot_behind"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Committed { after, changes, .. } = moment else { return Ok(()) };
        for change in changes.iter() {
            if let Change::PutRollout(rollout) = change
                && rollout.phase == Phase::Completed
            {
                complete(after, rollout)?;
            }
        }
        Ok(())
    }
}

fn complete(store: &Store, rollout: &Rollout) -> Result<(), String> {
    let Some(service) = store.service(rollout.service_id) else { return Ok(()) };
    let slots = slot::of_service(store, service.id);
    let is_left = |slot: &&Slot| {
        // A node that is out of reach has its turn when it is back.
        let is_due = slot.is_kept() && is_open(store, service, slot.id);
        is_due && !slot.live().chain(slot.last_holder()).all(|task| is_current(store, service, task))
    };
    let left: Vec<_> = slots.iter().filter(is_left).collect();
    if let Some(slot) = left.get(usize::try_from(rollout.failed_count).unwrap_or(usize::MAX)) {
        let tasks: Vec<_> = slot.tasks.iter().map(|t| (t.revision, t.desired, t.status.state)).collect();
        return Err(format!("{}.{} was left behind: {tasks:?}", service.spec.name, slot.id));
    }
    Ok(())
}
