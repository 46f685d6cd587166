//! A replacement that does not come up is not waited for beyond its deadline, nor given up before it, whoever leads
//! meanwhile. What counts is the time in which it could have come up: not while its image is fetched, while it waits
//! for its turn, or while its rollout is held. It passes from when this was decided: that the decision is committed
//! late, by the next leader, gives nobody more of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use skep_core::orchestrate::rollout;
use skep_core::{Change, ChangeSet, Store};
use skep_model::task::{Desired, SlotId, TaskState};
use skep_model::{ServiceId, Step, Timestamp};

use super::{Invariant, Moment};

pub struct DeadlinesAreKept {
    /// A leader's clock may jump by this much when another takes over.
    slack: Duration,
    /// Replacements on their way up, by the step they were taken up in: the time they spent, and since when more of it passes.
    spent: BTreeMap<(ServiceId, SlotId, Timestamp), (Duration, Option<Timestamp>)>,
}

impl DeadlinesAreKept {
    pub fn new(skew: Duration) -> Self {
        DeadlinesAreKept { slack: 3 * skew + Duration::from_secs(1), spent: BTreeMap::new() }
    }

    /// Judges the steps that failed in this commit although their replacements may yet come up.
    fn too_early(&self, before: &Store, after: &Store, now: Timestamp) -> Result<(), String> {
        for step in before.rollouts().flat_map(|rollout| before.steps_of(rollout.service_id)) {
            let is = after.step(step.service_id, step.slot).filter(|is| is.taken_at == step.taken_at);
            let may_come_up = |is: &&Arc<Step>| {
                let task = after.task(is.task_id);
                task.is_some_and(|task| {
                    task.is_live() && !task.is_over() && task.status.state < TaskState::Running
                })
            };
            let has_failed = step.settled_at.is_none() && is.filter(may_come_up).is_some_and(|is| is.failed);
            let Some(service) = after.service(step.service_id).filter(|_| has_failed) else { continue };
            let rollout = before.rollout(service.id).map(|rollout| &**rollout);
            let Some(limit) = rollout::policy(after, service, rollout).start_deadline else { continue };
            let known =
                self.spent.get(&(step.service_id, step.slot, step.taken_at)).copied().unwrap_or_default();
            let spent = known.0 + known.1.map_or(Duration::ZERO, |since| now.since(since));
            if spent + self.slack < limit {
                return Err(format!(
                    "{}.{} is given up after {spent:?} of {limit:?}",
                    service.spec.name, step.slot
                ));
            }
        }
        Ok(())
    }

    fn follow(&mut self, store: &Store, now: Timestamp, decided_at: Timestamp) {
        let mut spent = BTreeMap::new();
        for step in store.rollouts().flat_map(|rollout| store.steps_of(rollout.service_id)) {
            if step.settled_at.is_some() {
                continue;
            }
            // It was decided some time before it was committed.
            let begun = (Duration::ZERO, counts(store, step).then_some(step.taken_at.min(now)));
            let key = (step.service_id, step.slot, step.taken_at);
            let (so_far, since) = self.spent.get(&key).copied().unwrap_or(begun);
            let so_far = so_far + since.map_or(Duration::ZERO, |since| decided_at.since(since));
            let from = since.map_or(decided_at, |since| decided_at.max(since));
            spent.insert(key, (so_far, counts(store, step).then_some(from)));
        }
        self.spent = spent;
    }

    fn judge(&self, store: &Store, now: Timestamp) -> Result<(), String> {
        for ((id, slot, taken_at), (so_far, since)) in &self.spent {
            let is_same = |step: &&Arc<Step>| step.taken_at == *taken_at && step.settled_at.is_none();
            let (Some(service), Some(_)) = (store.service(*id), store.step(*id, *slot).filter(is_same))
            else {
                continue;
            };
            let rollout = store.rollout(service.id).map(|rollout| &**rollout);
            let policy = rollout::policy(store, service, rollout);
            let spent = *so_far + since.map_or(Duration::ZERO, |since| now.since(since));
            if since.is_some() && policy.start_deadline.is_some_and(|limit| spent > limit + self.slack) {
                return Err(format!("{}.{slot} is waited for since {spent:?}", service.spec.name));
            }
        }
        Ok(())
    }
}

impl Invariant for DeadlinesAreKept {
    fn name(&self) -> &'static str {
        "deadlines_are_kept"
    }

    fn see(&mut self, now: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        match moment {
            Moment::Committed { before, after, changes, .. } => {
                self.too_early(before, after, now)?;
                self.follow(after, now, decided_at(changes).map_or(now, |at| at.min(now)));
            }
            Moment::Idle { store, .. } => self.judge(store, now)?,
            _ => {}
        }
        Ok(())
    }
}

/// Returns when a change set was drafted, if anything in it tells.
fn decided_at(changes: &ChangeSet) -> Option<Timestamp> {
    let written_at = changes.iter().filter_map(|change| match change {
        Change::PutTask(task) => Some(task.meta.updated_at),
        Change::PutService(service) => Some(service.meta.updated_at),
        Change::PutNode(node) => Some(node.meta.updated_at),
        Change::PutCluster(cluster) => Some(cluster.meta.updated_at),
        _ => None,
    });
    written_at.max()
}

/// Returns whether it is up to the replacement that it does not run.
fn counts(store: &Store, step: &Step) -> bool {
    let Some(service) = store.service(step.service_id) else { return false };
    let Some(rollout) = store.rollout(service.id).filter(|rollout| rollout.is_running()) else {
        return false;
    };
    // A deadline that is set later counts from then on.
    rollout::policy(store, service, Some(rollout)).start_deadline.is_some()
        && store.task(step.task_id).is_some_and(|task| match task.status.state {
            TaskState::Preparing => false,
            TaskState::Ready => task.desired == Desired::Running,
            state => state < TaskState::Running,
        })
}
