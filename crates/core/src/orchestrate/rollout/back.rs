//! The way back: which revision a failure or an abort returns to, and what the service is then.
//!
//! Only what tasks are made from goes back, and how they are reached; replicas, labels and the pace stay as they
//! were set last. The service's specification is that of the revision restored, so nothing is left half way.

use skep_model::rollout::{Direction, Phase};
use skep_model::task::TaskState;
use skep_model::{Revision, Rollout, Service, ServiceId, ServiceSpec};

use super::forget_steps;
use crate::store::{Draft, Store};

/// Returns the revision to return to should `wanted`, which is to replace what `stored` asks for, not work.
///
/// That is the newest stable one with other content. A service that has none, because it is younger than the bake,
/// say, goes back to what it ran before, if any of that did run.
pub fn proven(store: &Store, stored: &Service, wanted: &ServiceSpec) -> Option<u64> {
    let differs = |revision: &Revision| !has_content(revision, wanted);
    let stable = store.revisions_of(stored.id).rev().find(|one| one.stable_at.is_some() && differs(one));
    let before = || ran_before(store, stored).and_then(|number| store.revision(stored.id, number));
    stable.or_else(|| before().filter(|one| differs(one))).map(|revision| revision.number)
}

/// Returns the revision that ran before the rollout in progress began, or runs now if there is none.
fn ran_before(store: &Store, stored: &Service) -> Option<u64> {
    match store.rollout(stored.id).filter(|rollout| rollout.phase != Phase::Completed) {
        // What a failure led back to is what there is to go to.
        Some(rollout) if rollout.given_up.is_some() => Some(stored.revision),
        Some(rollout) => rollout.return_to,
        None => runs(store, stored).then_some(stored.revision),
    }
}

/// Returns whether the service's own revision runs anywhere. What went on running while all that replaced it
/// failed says nothing for it.
fn runs(store: &Store, stored: &Service) -> bool {
    let mut tasks = store.tasks_of_revision(stored.id, stored.revision);
    tasks.any(|task| task.status.state == TaskState::Running)
}

/// Returns whether tasks of the revision are what `spec` asks for.
pub fn has_content(revision: &Revision, spec: &ServiceSpec) -> bool {
    revision.endpoint == spec.endpoint && revision.template.runs_the_same(&spec.task)
}

/// Makes an earlier revision the service's own again.
pub fn restore(service: &mut Service, revision: &Revision) {
    service.spec.task = revision.template.clone();
    service.spec.endpoint = revision.endpoint.clone();
    service.revision = revision.number;
}

/// Gives up what a rollout leads to: it goes back to where it may, if there is such a place. Returns whether there is.
pub fn give_up(draft: &mut Draft, service: &Service, rollout: &Rollout, message: &str) -> bool {
    let target = rollout.return_to.and_then(|number| draft.revision(service.id, number)).cloned();
    let Some(target) = target else { return false };
    forget_steps(draft, service.id);
    let anew = Rollout::asked(service.id, Direction::Back, target.number, None, draft.now());
    draft.put_rollout(Rollout {
        phase: Phase::Running,
        started_at: rollout.started_at,
        message: message.to_owned(),
        given_up: Some(service.revision),
        ..anew
    });
    let mut service = Service::clone(service);
    restore(&mut service, &target);
    service.previous = None;
    draft.put_service(service);
    true
}

/// Notes that a revision failed: nothing returns to it, and it is not tried again unasked.
pub fn note_failure(draft: &mut Draft, id: ServiceId, number: u64) {
    let failed_at = Some(draft.now());
    note(draft, id, number, |revision| (revision.stable_at, revision.failed_at) = (None, failed_at));
}

/// Notes that somebody went back from a revision: it may work, but no failure returns to it.
pub fn disown(draft: &mut Draft, id: ServiceId, number: u64) {
    note(draft, id, number, |revision| revision.stable_at = None);
}

fn note(draft: &mut Draft, id: ServiceId, number: u64, note: impl FnOnce(&mut Revision)) {
    let Some(known) = draft.revision(id, number).cloned() else { return };
    let mut noted = Revision::clone(&known);
    note(&mut noted);
    if noted != *known {
        draft.put_revision(noted);
    }
}
