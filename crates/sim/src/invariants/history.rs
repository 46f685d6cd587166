//! A slot remembers no more tasks than the limit says, those in use excepted.

use std::collections::BTreeMap;

use skep_core::Store;
use skep_model::{ServiceId, Timestamp, limits};

use super::{Invariant, Moment};

pub struct HistoryIsBounded;

impl Invariant for HistoryIsBounded {
    fn name(&self) -> &'static str {
        "history_is_bounded"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Idle { store, .. } = moment else { return Ok(()) };
        // All tasks of each slot, and those of them that are history.
        let mut slots: BTreeMap<(ServiceId, u64), (usize, usize)> = BTreeMap::new();
        for task in store.tasks() {
            let (all, history) = slots.entry((task.service_id, task.slot)).or_default();
            *all += 1;
            *history += usize::from(!task.is_live() && task.is_over());
        }
        for ((id, slot), (all, history)) in slots {
            let limit = limit(store, id);
            if all > limit && history > 0 {
                return Err(format!("slot {slot} has {all} tasks, {history} of them over, allowed: {limit}"));
            }
        }
        Ok(())
    }
}

fn limit(store: &Store, id: ServiceId) -> usize {
    let attempts = store.service(id).map_or(0, |service| service.spec.task.restart_policy().max_attempts);
    if attempts > 0 {
        return attempts as usize + 1;
    }
    let set = store.cluster().map_or(limits::TASK_HISTORY_DEFAULT, |cluster| cluster.spec.task_history_limit);
    // The last task of a slot is no history: it tells that the slot need not run again.
    usize::try_from(set).unwrap_or(usize::MAX).max(1)
}
