//! What people ask of a rollout, whatever the version of its service.
//!
//! | asked  | of a rollout that | and then |
//! |--------|-------------------|----------|
//! | pause  | is under way      | it takes up no more slots; asked again, nothing |
//! | resume | is under way      | if it is paused, it goes on in its direction, its failures so far forgiven |
//! | abort  | is not over       | the service is at what it returns to, and goes there |
//! | undo   | –                 | the service is at an earlier revision, and goes there; already there, nothing |

use skep_model::request::{Refusal, RefusalClass, Reply, RolloutVerb};
use skep_model::rollout::{Direction, Phase};
use skep_model::service::Previous;
use skep_model::{Revision, Rollout, Service, ServiceId};

use super::{revise, service, write};
use crate::orchestrate::rollout::back;
use crate::store::{Draft, Store};

pub fn steer(draft: &mut Draft, id: ServiceId, verb: RolloutVerb, author: &str) -> Result<Reply, Refusal> {
    let service = service::find(draft, id)?;
    match verb {
        RolloutVerb::Pause => pause(draft, &service, author),
        RolloutVerb::Resume => resume(draft, &service),
        RolloutVerb::Abort => abort(draft, &service, author),
        RolloutVerb::Undo { to } => undo(draft, service, to, author),
    }?;
    Ok(Reply::Done)
}

fn pause(draft: &mut Draft, service: &Service, author: &str) -> Result<(), Refusal> {
    let rollout = in_progress(draft, service)?;
    if rollout.phase != Phase::Paused {
        let message = format!("paused {}", by(author));
        draft.put_rollout(Rollout { phase: Phase::Paused, message, ..rollout });
    }
    Ok(())
}

fn resume(draft: &mut Draft, service: &Service) -> Result<(), Refusal> {
    if in_progress(draft, service)?.phase == Phase::Paused {
        write::resume(draft, service);
    }
    Ok(())
}

fn abort(draft: &mut Draft, service: &Service, author: &str) -> Result<(), Refusal> {
    let rollout = in_progress(draft, service)?;
    let name = &service.spec.name;
    if rollout.given_up.is_some() {
        let text = format!(
            "service {name} is on its way back to revision {} already: pause it, or go elsewhere with \
             `skep rollout undo --to`",
            service.revision
        );
        return Err(refusal(text));
    }
    if !back::give_up(draft, service, &rollout, &format!("update aborted {}", by(author))) {
        let text = format!(
            "no other revision of service {name} is known to work: name the one to go to with `skep rollout \
             undo --to`, see `skep rollout history`"
        );
        return Err(refusal(text));
    }
    back::disown(draft, service.id, service.revision);
    Ok(())
}

/// Goes to an earlier revision. Replicas, labels and the pace stay as they are.
fn undo(draft: &mut Draft, stored: Service, to: Option<u64>, author: &str) -> Result<(), Refusal> {
    let target = match to {
        Some(number) => kept(draft, &stored, number)?,
        None => newest_stable(draft, &stored)?,
    };
    if back::has_content(&target, &stored.spec) {
        return Ok(());
    }
    let mut service = stored.clone();
    back::restore(&mut service, &target);
    let (id, now) = (stored.id, draft.now());
    let goes_back = target.number < stored.revision;
    if service.job.is_some() {
        write::iterate(&mut service, now);
    } else if goes_back {
        let rollout = write::asked(draft, &stored, &service, Direction::Back);
        let message = format!("rollback to revision {} requested {}", target.number, by(author));
        write::ask(draft, Rollout { phase: Phase::Running, message, ..rollout });
    } else {
        // To one that was given up before, which may fail again.
        let rollout = write::asked(draft, &stored, &service, Direction::Forward);
        write::ask(draft, rollout);
    }
    if goes_back {
        back::disown(draft, id, stored.revision);
    }
    service.previous = Some(Previous { spec: stored.spec, revision: stored.revision });
    draft.put_service(service);
    revise::prune(draft, id);
    Ok(())
}

fn kept(store: &Store, service: &Service, number: u64) -> Result<Revision, Refusal> {
    let known = store.revision(service.id, number).map(|revision| Revision::clone(revision));
    known.ok_or_else(|| {
        let numbers: Vec<_> = store.revisions_of(service.id).map(|one| one.number.to_string()).collect();
        let (name, numbers) = (&service.spec.name, numbers.join(", "));
        let text = format!("service {name} has no revision {number}; those kept are {numbers}");
        Refusal::new(RefusalClass::NotFound, text)
    })
}

fn newest_stable(store: &Store, service: &Service) -> Result<Revision, Refusal> {
    let is_other =
        |one: &&std::sync::Arc<Revision>| one.stable_at.is_some() && !back::has_content(one, &service.spec);
    let found = store.revisions_of(service.id).rev().find(is_other).map(|revision| Revision::clone(revision));
    found.ok_or_else(|| {
        refusal(format!(
            "service {} has no other stable revision: name the one to go to with --to, see `skep rollout history`",
            service.spec.name
        ))
    })
}

fn in_progress(store: &Store, service: &Service) -> Result<Rollout, Refusal> {
    let rollout = store.rollout(service.id).filter(|rollout| rollout.phase != Phase::Completed);
    let text = || format!("service {} has no rollout in progress", service.spec.name);
    rollout.map(|rollout| Rollout::clone(rollout)).ok_or_else(|| refusal(text()))
}

fn refusal(text: String) -> Refusal {
    Refusal::new(RefusalClass::FailedPrecondition, text)
}

fn by(author: &str) -> String {
    if author.is_empty() { "by hand".to_owned() } else { format!("by {author}") }
}
