//! A slot remembers no more tasks than the limit says, those in use excepted.

use std::collections::BTreeMap;

use skep_core::Store;
use skep_model::task::SlotId;
use skep_model::{ServiceId, Timestamp, limits};

use super::{Invariant, Moment};

pub struct HistoryIsBounded;

impl Invariant for HistoryIsBounded {
    fn name(&self) -> &'static str {
        "history_is_bounded"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Idle { store, .. } = moment else { return Ok(()) };
        // Of each slot: all tasks, the live ones, and those that are history.
        let mut slots: BTreeMap<(ServiceId, SlotId), (usize, usize, usize)> = BTreeMap::new();
        for task in store.tasks() {
            let (all, live, history) = slots.entry((task.service_id, task.slot)).or_default();
            *all += 1;
            *live += usize::from(task.is_live());
            *history += usize::from(!task.is_live() && task.is_over());
        }
        for ((id, slot), (all, live, history)) in slots {
            let limit = limit(store, id);
            // Where nothing is live, one task must tell why.
            if all > limit && history > usize::from(live == 0) {
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
    usize::try_from(set).unwrap_or(usize::MAX)
}
