//! Where the policy says so, the first batch of a rollout lives through the monitor period before any other
//! slot is taken up, whoever leads.

use std::collections::BTreeMap;

use skep_core::Store;
use skep_core::orchestrate::rollout;
use skep_model::rollout::Phase;
use skep_model::{Rollout, ServiceId, Step, Timestamp};

use super::{Invariant, Moment, decided_at, waits_for_budget};

#[derive(Default)]
pub struct FirstBatchesProveThemselves {
    /// The latest instant that any leader decided at; their clocks differ.
    latest: Timestamp,
    /// Rollouts whose first batch was seen to have lived, by when they began.
    proven: BTreeMap<ServiceId, Timestamp>,
}

impl FirstBatchesProveThemselves {
    fn judge(&mut self, before: &Store, after: &Store, rollout: &Rollout) -> Result<(), String> {
        let id = rollout.service_id;
        let Some(service) = after.service(id) else { return Ok(()) };
        let policy = rollout::policy(after, service, Some(rollout));
        let is_same = before.rollout(id).is_some_and(|known| {
            // One that is resumed begins anew, but what it had taken up may live on meanwhile.
            let is_resumed = known.phase == Phase::Paused && known.revision == rollout.revision;
            known.started_at == rollout.started_at || is_resumed && known.direction == rollout.direction
        });
        if !policy.proves_first_batch || !is_same || self.proven.get(&id) == Some(&rollout.started_at) {
            return Ok(());
        }
        let taken_up = before.steps_of(id).filter(|step| after.step(id, step.slot).is_some());
        // A slot that is begun once more in this commit had lived, or not, before it.
        let is_so = taken_up.map(|step| {
            let same = after.step(id, step.slot).filter(|is| is.taken_at == step.taken_at);
            same.unwrap_or(step)
        });
        let mut first: Vec<_> = is_so.filter(|step| !waits_for_budget(after, step)).collect();
        // Where fewer lanes are left of an update than there were, what is begun once more need not be of the first batch.
        let is_given_up = |step: &Step| {
            let goes_on = after.step(id, step.slot).is_some_and(|is| is.taken_at == step.taken_at);
            step.settled_at.is_none() && !goes_on
        };
        if first.iter().filter(|step| !is_given_up(step)).count() as u64 >= policy.lanes {
            first.retain(|step| !is_given_up(step));
        }
        let lived_by = |at: Timestamp| at + policy.monitor <= self.latest;
        let is_whole = first.len() as u64 >= policy.lanes.min(rollout.slot_count);
        let lived = is_whole && first.iter().all(|step| step.settled_at.is_some_and(lived_by));
        let has = after.steps_of(id).filter(|step| !waits_for_budget(after, step)).count() as u64;
        let is_more = after.steps_of(id).any(|step| before.step(id, step.slot).is_none());
        if has > policy.lanes && is_more && !lived {
            let name = &service.spec.name;
            return Err(format!("{name} has {has} slots taken up before the first batch has lived"));
        }
        if lived {
            self.proven.insert(id, rollout.started_at);
        }
        Ok(())
    }
}

impl Invariant for FirstBatchesProveThemselves {
    fn name(&self) -> &'static str {
        "first_batches_prove_themselves"
    }

    fn see(&mut self, now: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Committed { before, after, changes, .. } = moment else { return Ok(()) };
        self.latest = self.latest.max(now).max(decided_at(before, changes));
        let rollouts = after.rollouts().filter(|rollout| rollout.is_running());
        rollouts.cloned().collect::<Vec<_>>().iter().try_for_each(|one| self.judge(before, after, one))
    }
}
