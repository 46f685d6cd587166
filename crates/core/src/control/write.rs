//! What a write of a service's specification means, to its revisions and to its rollout.
//!
//! | what it changes            | no rollout | running    | paused       | completed |
//! |----------------------------|------------|------------|--------------|-----------|
//! | nothing                    | –          | –          | resumes      | –         |
//! | labels                     | –          | –          | –            | –         |
//! | replicas                   | –          | –          | –            | forgotten |
//! | pace                       | –          | new pace   | resumes      | forgotten |
//! | what is changed in place   | asked for  | goes on    | stays paused | asked for |
//! | what tasks are made from   | asked for  | superseded | superseded   | asked for |
//!
//! A rollout that is asked for and finds no slot out of date was none. In Swarm every write stops the rollout and
//! begins it anew, a paused one too (W-6, S7, S8).

use std::sync::Arc;

use skep_model::rollout::{Direction, Phase};
use skep_model::service::{JobStatus, Previous};
use skep_model::{Rollout, Service, ServiceSpec, Step, Timestamp};

use super::revise;
use crate::orchestrate::current::is_current;
use crate::orchestrate::rollout::{self, back, forget_steps};
use crate::store::Draft;

/// How a specification differs from the one before it. Other credentials are no difference.
struct Difference {
    any: bool,
    /// Something beside labels.
    more_than_labels: bool,
    /// Something beside labels that mean something to Skep alone.
    more_than_ours: bool,
    pace: bool,
    content: bool,
    /// Content for which tasks have to be replaced.
    tasks: bool,
}

impl Difference {
    fn between(before: &ServiceSpec, after: &ServiceSpec, changes_in_place: bool) -> Difference {
        let (was, is) = (&before.task, &after.task);
        let goes_on = was.runs_the_same_elsewhere(is) || changes_in_place && was.can_become(is);
        let content = !before.has_content_of(after);
        let pace = before.update != after.update || before.rollback != after.rollback;
        let more_than_labels = content || pace || before.mode != after.mode;
        Difference {
            any: more_than_labels || before.labels != after.labels,
            more_than_labels,
            more_than_ours: more_than_labels || others(before).ne(others(after)),
            pace,
            content,
            tasks: !goes_on,
        }
    }
}

/// Returns the labels that mean something to others than Skep.
fn others(spec: &ServiceSpec) -> impl Iterator<Item = (&String, &String)> {
    spec.labels.iter().filter(|(name, _)| !name.starts_with("skep."))
}

/// Puts `spec` in the place of the stored specification.
pub(super) fn replace(draft: &mut Draft, stored: Service, spec: ServiceSpec, author: String) {
    let mut service = Service { spec, ..stored.clone() };
    let changes_in_place = rollout::policy(draft, &service, None).changes_in_place;
    let difference = Difference::between(&stored.spec, &service.spec, changes_in_place);
    revise::number(draft, &mut service, &stored, author);
    if service.job.is_some() {
        // Every change runs a job again, and no rollout moves it.
        if difference.more_than_ours {
            iterate(&mut service, draft.now());
        }
    } else {
        steer(draft, &stored, &service, &difference);
    }
    // Labels of ours are instructions, and no state that anybody wants back.
    if difference.more_than_ours {
        service.previous = Some(Previous { spec: stored.spec, revision: stored.revision });
    }
    let id = service.id;
    // Compat: an accepted write moves the version even if nothing changed, as clients expect.
    draft.put_service(service);
    revise::prune(draft, id);
}

/// Begins, resumes, turns or forgets the service's rollout, as the table says.
fn steer(draft: &mut Draft, stored: &Service, service: &Service, difference: &Difference) {
    let rollout = draft.rollout(stored.id).cloned();
    let unfinished = rollout.as_ref().filter(|rollout| rollout.phase != Phase::Completed);
    match unfinished {
        _ if difference.tasks => ask(draft, asked(draft, stored, service, Direction::Forward)),
        Some(rollout) => {
            let resumes = rollout.phase == Phase::Paused && (!difference.any || difference.pace);
            if difference.content {
                turn(draft, service, rollout);
            }
            if resumes {
                resume(draft, service);
            }
        }
        None if difference.content => ask(draft, asked(draft, stored, service, Direction::Forward)),
        // A finished rollout is no longer news, and clients that wait for the new write to
        // converge must not take it for the answer.
        None if difference.more_than_labels => draft.delete_rollout(stored.id),
        None => {}
    }
}

/// Lets a rollout go on towards a revision that its tasks need not be replaced for. Slots that may not stay where they
/// are any more have their turn, those that failed another one.
fn turn(draft: &mut Draft, service: &Service, rollout: &Rollout) {
    let is_left = |step: &&Arc<Step>| {
        let mut live = draft.tasks_in(service.id, step.slot).filter(|task| task.is_live());
        step.failed && live.any(|task| !is_current(draft, service, task))
    };
    let again: Vec<_> = draft.steps_of(service.id).filter(is_left).map(|step| step.slot).collect();
    let count = again.len() as u64;
    again.into_iter().for_each(|slot| draft.delete_step(service.id, slot));
    draft.put_rollout(Rollout {
        revision: service.revision,
        settled_count: rollout.settled_count.saturating_sub(count),
        failed_count: rollout.failed_count.saturating_sub(count),
        ..rollout.clone()
    });
}

/// Takes a paused rollout up again, in its direction. Its failures so far are forgiven; what is in change goes on, and
/// what is being watched is watched for as long as it would have been.
pub(super) fn resume(draft: &mut Draft, service: &Service) {
    let Some(paused) = draft.rollout(service.id).cloned() else { return };
    let policy = rollout::policy(draft, service, Some(&paused));
    let is_under_way =
        |step: &Arc<Step>| !step.failed && step.settled_at.is_none_or(|at| at + policy.monitor > draft.now());
    let (under_way, over): (Vec<_>, Vec<_>) = draft.steps_of(service.id).cloned().partition(is_under_way);
    let settled_at = || under_way.iter().filter_map(|step| step.settled_at);
    // One that has only to be seen through is not void because nothing is left to take up.
    let is_whole =
        paused.failed_count == 0 && paused.slot_count > 0 && paused.settled_count >= paused.slot_count;
    let anew = Rollout::asked(service.id, paused.direction, paused.revision, paused.return_to, draft.now());
    let anew = Rollout {
        phase: if is_whole { Phase::Running } else { Phase::Asked },
        message: match paused.direction {
            Direction::Forward => "update in progress".to_owned(),
            Direction::Back => "rollback in progress".to_owned(),
        },
        from: paused.from,
        given_up: paused.given_up,
        settled_count: settled_at().count() as u64,
        last_settled_at: settled_at().max(),
        ..anew
    };
    over.into_iter().for_each(|step| draft.delete_step(service.id, step.slot));
    draft.put_rollout(anew);
}

/// Returns the rollout from what is `stored` to the revision of `service`. One that is unfinished began from what
/// ran before it, and so does the one that takes its place.
pub(super) fn asked(draft: &Draft, stored: &Service, service: &Service, direction: Direction) -> Rollout {
    let unfinished = draft.rollout(stored.id).filter(|rollout| rollout.phase != Phase::Completed);
    let from = unfinished.and_then(|rollout| rollout.from).or(Some(stored.revision));
    let return_to = back::proven(draft, stored, &service.spec);
    Rollout { from, ..Rollout::asked(stored.id, direction, service.revision, return_to, draft.now()) }
}

/// Puts a rollout in the place of the one before it.
pub(super) fn ask(draft: &mut Draft, rollout: Rollout) {
    forget_steps(draft, rollout.service_id);
    draft.put_rollout(rollout);
}

/// Begins another run of a job.
pub(super) fn iterate(service: &mut Service, now: Timestamp) {
    if let Some(job) = &mut service.job {
        *job = JobStatus { iteration: job.iteration + 1, last_execution_at: now };
    }
}
