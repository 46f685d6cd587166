//! Where a failure leads back to: the newest stable revision that is not the failing one; where there is none, one that
//! the service was seen to run; and where there is none of these either, nowhere. Then the service is at it: its
//! specification says so. What is stable is so when the rollout is asked for: who aborts a rollback that was asked for
//! by hand has back what ran, although the rollback is a word against it.
//!
//! Also what makes a revision stable: everything ran it, and no rollout was under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use skep_core::Store;
use skep_core::{Change, ChangeSet};
use skep_model::rollout::{Direction, Phase};
use skep_model::task::TaskState;
use skep_model::{Revision, Rollout, Service, ServiceId, Timestamp};

use super::{Invariant, Moment, goes_on};

#[derive(Default)]
pub struct RollbacksGoToWhatWorks {
    /// Revisions that some task of the service was seen to run; those also that were forgotten since, for another
    /// number may stand for the same.
    seen: BTreeMap<(ServiceId, u64), Arc<Revision>>,
    /// The newest stable revision beside what the rollout of a service leads to, when it was asked for.
    stable: BTreeMap<ServiceId, Option<u64>>,
}

impl Invariant for RollbacksGoToWhatWorks {
    fn name(&self) -> &'static str {
        "rollbacks_go_to_what_works"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Committed { before, after, changes, .. } = moment else { return Ok(()) };
        for change in changes.iter() {
            match change {
                Change::PutRollout(rollout) => {
                    self.asked(before, after, rollout);
                    self.turned(before, after, changes, rollout)?;
                }
                Change::PutRevision(revision) => stamped(before, after, revision)?,
                Change::DeleteRevision { service_id, number } => dropped(after, *service_id, *number)?,
                _ => {}
            }
        }
        self.remember(after, changes);
        Ok(())
    }
}

impl RollbacksGoToWhatWorks {
    /// Returns whether the revision was seen to run, under whatever number, or one whose tasks go on under it. What the
    /// one that failed shows says nothing for it.
    fn has_run(&self, store: &Store, service: &Service, failed: &Revision, wanted: &Revision) -> bool {
        let others =
            self.seen.iter().filter(|((id, number), _)| *id == service.id && *number != failed.number);
        others.map(|(_, one)| one).any(|one| goes_on(store, service, &one.template, &wanted.template))
    }

    fn remember(&mut self, store: &Store, changes: &ChangeSet) {
        for change in changes.iter() {
            if let Change::PutTask(task) = change
                && task.status.state == TaskState::Running
                && let Some(revision) = store.revision(task.service_id, task.revision)
            {
                self.seen.insert((task.service_id, task.revision), revision.clone());
            }
        }
        self.seen.retain(|(id, _), _| store.service(*id).is_some());
        self.stable.retain(|id, _| store.service(*id).is_some());
    }

    /// Notes what is stable when a rollout is asked for. One that a write of the placement turns is the same.
    fn asked(&mut self, before: &Store, after: &Store, rollout: &Rollout) {
        let id = rollout.service_id;
        let Some(wanted) = after.revision(id, rollout.revision) else { return };
        let goes_on = before.rollout(id).filter(|was| was.phase != Phase::Completed).is_some_and(|was| {
            let led_to = before.revision(id, was.revision);
            was.direction == rollout.direction && led_to.is_some_and(|led_to| is_alike(led_to, wanted))
        });
        if rollout.given_up.is_none() && !goes_on {
            self.stable.insert(id, newest_stable(before, wanted));
        }
    }

    /// Judges a rollout that began to lead away from a revision.
    fn turned(
        &self,
        before: &Store,
        after: &Store,
        changes: &ChangeSet,
        rollout: &Rollout,
    ) -> Result<(), String> {
        let Some(was) = before.rollout(rollout.service_id) else { return Ok(()) };
        let Some(service) = after.service(rollout.service_id) else { return Ok(()) };
        let expected = self.stable.get(&service.id).copied().flatten();
        // What else was asked in the same breath makes it another story.
        let writes = changes.iter().filter(|change| matches!(change, Change::PutRevision(_))).count();
        let turns = was.given_up.is_none() && rollout.given_up.is_some();
        let failed = rollout.given_up.and_then(|number| before.revision(service.id, number));
        if let Some(failed) = failed.filter(|_| turns && rollout.revision == service.revision) {
            let restored = after.revision(service.id, rollout.revision);
            let is_right = match expected {
                Some(stable) => stable == rollout.revision,
                None => restored.is_some_and(|restored| self.has_run(after, service, failed, restored)),
            };
            let is_restored = restored.is_some_and(|one| one.template == service.spec.task);
            let differs = restored.is_some_and(|one| !is_alike(one, failed));
            if rollout.direction != Direction::Back || !is_right || !is_restored || !differs {
                return Err(format!("{}: {rollout:?}, and stable is {expected:?}", service.spec.name));
            }
        }
        let stays = rollout.phase == Phase::Paused && rollout.message.contains("none to go back to");
        match expected.filter(|_| stays && writes == 0) {
            Some(stable) => Err(format!("{} stays, and {stable} is stable", service.spec.name)),
            None => Ok(()),
        }
    }
}

fn newest_stable(store: &Store, failing: &Revision) -> Option<u64> {
    let kept = store.revisions_of(failing.service_id).rev();
    kept.filter(|one| one.stable_at.is_some()).find(|one| !is_alike(one, failing)).map(|one| one.number)
}

fn is_alike(one: &Revision, other: &Revision) -> bool {
    one.template.runs_the_same(&other.template) && one.endpoint == other.endpoint
}

/// Judges a revision that was found to be stable.
fn stamped(before: &Store, after: &Store, revision: &Revision) -> Result<(), String> {
    let id = revision.service_id;
    let known = before.revision(id, revision.number);
    if revision.stable_at.is_none() || known.is_some_and(|known| known.stable_at == revision.stable_at) {
        return Ok(());
    }
    let Some(service) = after.service(id) else { return Ok(()) };
    let is_under_way = before.rollout(id).is_some_and(|rollout| rollout.phase != Phase::Completed)
        && after.rollout(id).is_some_and(|rollout| rollout.phase != Phase::Completed);
    let runs = |service: &Service| {
        after.slots_kept(service.id).all(|slot| {
            let mut tasks = after.tasks_in(service.id, slot).filter(|task| task.is_live());
            tasks.any(|task| task.status.state == TaskState::Running)
        })
    };
    if is_under_way || service.revision == revision.number && !runs(service) {
        return Err(format!("{} is stable at {}, and it is not", service.spec.name, revision.number));
    }
    Ok(())
}

/// Judges that a revision was forgotten.
fn dropped(after: &Store, id: ServiceId, number: u64) -> Result<(), String> {
    let Some(service) = after.service(id) else { return Ok(()) };
    let is_named = service.revision == number
        || service.previous.as_ref().is_some_and(|previous| previous.revision == number)
        || after.tasks_of(id).any(|task| task.revision == number);
    match is_named {
        true => Err(format!("{} still needs revision {number}", service.spec.name)),
        false => Ok(()),
    }
}
