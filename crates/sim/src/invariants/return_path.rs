//! Where a failure leads back to: the newest stable revision that is not the failing one; where there is none, one that
//! the service was seen to run; and where there is none of these either, nowhere. Then the service is at it: its
//! specification says so.
//!
//! Also what makes a revision stable: everything ran it, and no rollout was under way.

use std::collections::BTreeSet;

use skep_core::Store;
use skep_core::{Change, ChangeSet};
use skep_model::rollout::{Direction, Phase};
use skep_model::task::TaskState;
use skep_model::{Revision, Rollout, Service, ServiceId, Timestamp};

use super::{Invariant, Moment};

#[derive(Default)]
pub struct RollbacksGoToWhatWorks {
    /// Revisions that some task of the service was seen to run, while they were the service's.
    seen: BTreeSet<(ServiceId, u64)>,
}

impl Invariant for RollbacksGoToWhatWorks {
    fn name(&self) -> &'static str {
        "rollbacks_go_to_what_works"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Committed { before, after, changes, .. } = moment else { return Ok(()) };
        for change in changes.iter() {
            match change {
                Change::PutRollout(rollout) => self.turned(before, after, changes, rollout)?,
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
    fn remember(&mut self, store: &Store, changes: &ChangeSet) {
        for change in changes.iter() {
            if let Change::PutTask(task) = change
                && task.status.state == TaskState::Running
            {
                self.seen.insert((task.service_id, task.revision));
            }
        }
        self.seen.retain(|(id, number)| store.revision(*id, *number).is_some());
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
        // What else was asked in the same breath makes it another story.
        let writes = changes.iter().filter(|change| matches!(change, Change::PutRevision(_))).count();
        let turns = was.given_up.is_none() && rollout.given_up.is_some();
        let failed = rollout.given_up.and_then(|number| before.revision(service.id, number));
        if let Some(failed) = failed.filter(|_| turns && rollout.revision == service.revision) {
            let expected = newest_stable(before, failed);
            let is_right = match expected {
                Some(stable) => stable == rollout.revision,
                None => self.seen.contains(&(service.id, rollout.revision)),
            };
            let restored = after.revision(service.id, rollout.revision);
            let is_restored = restored.is_some_and(|one| one.template == service.spec.task);
            let differs = restored.is_some_and(|one| !is_alike(one, failed));
            if rollout.direction != Direction::Back || !is_right || !is_restored || !differs {
                return Err(format!("{}: {rollout:?}, and stable is {expected:?}", service.spec.name));
            }
        }
        let stays = rollout.phase == Phase::Paused && rollout.message.contains("none to go back to");
        let failing = before.revision(service.id, rollout.revision).filter(|_| stays && writes == 0);
        match failing.and_then(|failing| newest_stable(before, failing)) {
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
