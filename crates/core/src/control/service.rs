//! Services: create, update, roll back, remove.
//!
//! What a write means for a rollout is decided here, once: a new template asks for a new rollout, a
//! repeated or pace-changing write resumes a paused one, and a write that only scales or labels leaves
//! it alone (in Swarm such a write resumes a bad rollout; see W-6 and S8 in the notes of ADR 0001).

use std::mem::discriminant;
use std::sync::Arc;

use skep_model::request::{AuthFrom, Refusal, RefusalClass, Reply, ServiceChange};
use skep_model::rollout::{Direction, Phase};
use skep_model::service::{JobStatus, Previous};
use skep_model::{Meta, Revision, Rollout, Service, ServiceId, ServiceSpec, Timestamp, limits};

use super::{check_version, names};
use crate::orchestrate::rollout::forget_steps;
use crate::random::Random;
use crate::store::{Draft, Key, weight};

pub fn create(
    draft: &mut Draft,
    random: &mut Random,
    mut spec: ServiceSpec,
    author: String,
) -> Result<Reply, Refusal> {
    if spec.name.is_empty() {
        spec.name = names::draw(draft, random);
    }
    check(&spec)?;
    if let Some(taken) = draft.service_named(&spec.name) {
        let text =
            format!("name conflicts with an existing object: service {} already exists", taken.spec.name);
        return Err(Refusal::new(RefusalClass::AlreadyExists, text));
    }
    let (id, now) = (random.id(), draft.now());
    draft.put_revision(revision(id, 1, &spec, author, now));
    let job = spec.mode.is_job().then_some(JobStatus { iteration: 0, last_execution_at: now });
    let meta = Meta::new(now);
    draft.put_service(Service { id, meta, spec, revision: 1, revision_count: 1, previous: None, job });
    Ok(Reply::ServiceCreated(id))
}

/// Each task carries its template, so a specification must leave room for others in one log entry.
fn check(spec: &ServiceSpec) -> Result<(), Refusal> {
    spec.validate()?;
    let bytes = weight::of_spec(spec);
    if bytes > limits::SPEC_BYTES_MAX {
        let text =
            format!("the service specification takes {bytes} bytes; Skep allows {}", limits::SPEC_BYTES_MAX);
        return Err(Refusal::new(RefusalClass::InvalidArgument, text));
    }
    Ok(())
}

pub fn remove(draft: &mut Draft, id: ServiceId) -> Result<Reply, Refusal> {
    find(draft, id)?;
    draft.delete_rollout(id);
    draft.delete_service(id);
    Ok(Reply::Done)
}

pub fn update(
    draft: &mut Draft,
    id: ServiceId,
    version: u64,
    change: ServiceChange,
    author: String,
) -> Result<Reply, Refusal> {
    let stored = find(draft, id)?;
    match change {
        ServiceChange::Spec { spec, auth } => {
            check(&spec)?;
            if spec.name != stored.spec.name {
                let text = "renaming services is not supported";
                return Err(Refusal::new(RefusalClass::Unimplemented, text));
            }
            if discriminant(&spec.mode) != discriminant(&stored.spec.mode) {
                let text = "service mode change is not allowed";
                return Err(Refusal::new(RefusalClass::Unimplemented, text));
            }
            check_version(draft, Key::Service(id), &stored.meta, version)?;
            let spec = with_credentials(spec, auth, &stored)?;
            replace_spec(draft, stored, spec, author);
        }
        ServiceChange::Rollback => {
            check_version(draft, Key::Service(id), &stored.meta, version)?;
            roll_back(draft, stored)?;
        }
    }
    Ok(Reply::Done)
}

fn find(draft: &Draft, id: ServiceId) -> Result<Service, Refusal> {
    draft
        .service(id)
        .map(|service| Service::clone(service))
        .ok_or_else(|| Refusal::new(RefusalClass::NotFound, format!("service {id} not found")))
}

/// Keeps the stored registry credentials where the request brings none.
fn with_credentials(mut spec: ServiceSpec, from: AuthFrom, stored: &Service) -> Result<ServiceSpec, Refusal> {
    let kept = match (from, &stored.previous) {
        (AuthFrom::Spec, _) => &stored.spec,
        (AuthFrom::PreviousSpec, Some(previous)) => &previous.spec,
        (AuthFrom::PreviousSpec, None) => {
            return Err(Refusal::new(RefusalClass::Unknown, "service does not have a previous spec"));
        }
    };
    if spec.registry_auth().is_none() && kept.registry_auth().is_some() {
        Arc::make_mut(&mut spec.task).registry_auth = kept.registry_auth().cloned();
    }
    Ok(spec)
}

/// Begins another run of a job.
fn iterate(service: &mut Service, now: Timestamp) {
    if let Some(job) = &mut service.job {
        *job = JobStatus { iteration: job.iteration + 1, last_execution_at: now };
    }
}

fn replace_spec(draft: &mut Draft, stored: Service, spec: ServiceSpec, author: String) {
    let rollout = draft.rollout(stored.id).cloned();
    let new_template = !spec.task.runs_the_same(&stored.spec.task);
    let new_revision = spec.task != stored.spec.task;
    let same_pace = spec.update == stored.spec.update && spec.rollback == stored.spec.rollback;
    let unchanged = spec == stored.spec;
    let (id, now) = (stored.id, draft.now());
    let mut service = stored.clone();
    if new_revision {
        service.revision_count += 1;
        service.revision = service.revision_count;
        draft.put_revision(revision(id, service.revision, &spec, author, now));
    }
    if service.job.is_some() {
        // Every change runs a job again, and no rollout moves it.
        if !unchanged {
            iterate(&mut service, now);
        }
    } else if new_template {
        let return_to = proven_by(rollout.as_deref(), &stored);
        ask(draft, Rollout::asked(id, Direction::Forward, service.revision, return_to, now));
    } else if let Some(rollout) = rollout {
        match rollout.phase {
            // A finished rollout is no longer news, and clients that wait for the new write to
            // converge must not take it for the answer.
            Phase::Completed if !unchanged => draft.delete_rollout(id),
            Phase::Paused if unchanged || !same_pace => {
                ask(draft, Rollout::asked(id, Direction::Forward, service.revision, rollout.return_to, now));
            }
            // It goes on, towards a template that tasks need not be replaced for.
            _ if new_revision => {
                draft.put_rollout(Rollout { revision: service.revision, ..Rollout::clone(&rollout) });
            }
            _ => {}
        }
    }
    if !unchanged {
        service.previous = Some(Previous { spec: stored.spec, revision: stored.revision });
    }
    service.spec = spec;
    // Compat: an accepted write moves the version even if nothing changed, as clients expect.
    draft.put_service(service);
}

fn roll_back(draft: &mut Draft, stored: Service) -> Result<(), Refusal> {
    let Some(previous) = stored.previous.clone() else {
        let text = format!("service {} does not have a previous spec", stored.id);
        return Err(Refusal::new(RefusalClass::FailedPrecondition, text));
    };
    let mut service = stored.clone();
    if service.job.is_some() {
        iterate(&mut service, draft.now());
    } else {
        let return_to = proven_by(draft.rollout(stored.id).map(|rollout| &**rollout), &stored);
        let mut rollout =
            Rollout::asked(stored.id, Direction::Back, previous.revision, return_to, draft.now());
        rollout.phase = Phase::Running;
        rollout.message = "manually requested rollback".to_owned();
        ask(draft, rollout);
    }
    service.spec = previous.spec;
    service.revision = previous.revision;
    service.previous = Some(Previous { spec: stored.spec, revision: stored.revision });
    draft.put_service(service);
    Ok(())
}

/// Returns the revision known to work: that before an unfinished rollout, else the one in force. An
/// automatic rollback goes to a proven one.
fn proven_by(rollout: Option<&Rollout>, stored: &Service) -> Option<u64> {
    let unfinished = rollout.filter(|rollout| rollout.phase != Phase::Completed);
    Some(unfinished.and_then(|rollout| rollout.return_to).unwrap_or(stored.revision))
}

/// Puts a rollout in the place of the one before it.
fn ask(draft: &mut Draft, rollout: Rollout) {
    forget_steps(draft, rollout.service_id);
    draft.put_rollout(rollout);
}

fn revision(
    service_id: ServiceId,
    number: u64,
    spec: &ServiceSpec,
    author: String,
    created_at: Timestamp,
) -> Revision {
    Revision {
        service_id,
        number,
        template: spec.task.clone(),
        endpoint: spec.endpoint.clone(),
        hash: String::new(),
        created_at,
        author,
        reason: spec.labels.get("skep.reason").cloned().unwrap_or_default(),
        stable_at: None,
    }
}
