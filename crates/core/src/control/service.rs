//! Services: create, update, roll back, remove.
//!
//! What a write means for a rollout is decided in [`super::write`], which revision it makes in [`super::revise`].

use std::mem::discriminant;
use std::sync::Arc;

use skep_model::request::{AuthFrom, Refusal, RefusalClass, Reply, ServiceChange};
use skep_model::rollout::{Direction, Phase};
use skep_model::service::{JobStatus, Previous};
use skep_model::{Meta, Revision, Rollout, Service, ServiceId, ServiceSpec, limits};

use super::verb::VerbLabel;
use super::{check_version, names, revise, write};
use crate::orchestrate::rollout::back;
use crate::random::Random;
use crate::store::{Draft, weight};

pub fn create(
    draft: &mut Draft,
    random: &mut Random,
    mut spec: ServiceSpec,
    author: String,
) -> Result<Reply, Refusal> {
    if spec.name.is_empty() {
        spec.name = names::draw(draft, random);
    }
    VerbLabel::take(&mut spec)?.map_or(Ok(()), |verb| verb.check_first())?;
    check(&spec)?;
    if let Some(taken) = draft.service_named(&spec.name) {
        let text =
            format!("name conflicts with an existing object: service {} already exists", taken.spec.name);
        return Err(Refusal::new(RefusalClass::AlreadyExists, text));
    }
    let (id, now) = (random.id(), draft.now());
    draft.put_revision(revise::first(id, &spec, author, now));
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
        ServiceChange::Spec { mut spec, auth } => {
            let verb = VerbLabel::take(&mut spec)?;
            check(&spec)?;
            if spec.name != stored.spec.name {
                let text = "renaming services is not supported";
                return Err(Refusal::new(RefusalClass::Unimplemented, text));
            }
            if discriminant(&spec.mode) != discriminant(&stored.spec.mode) {
                let text = "service mode change is not allowed";
                return Err(Refusal::new(RefusalClass::Unimplemented, text));
            }
            check_version(draft, &stored.meta, version)?;
            let spec = with_credentials(spec, auth, &stored)?;
            check_quarantine(draft, &stored, &spec)?;
            match verb {
                Some(verb) => verb.carry_out(draft, stored, spec, author)?,
                None => write::replace(draft, stored, spec, author),
            }
        }
        ServiceChange::Rollback => {
            check_version(draft, &stored.meta, version)?;
            roll_back(draft, stored)?;
        }
    }
    Ok(Reply::Done)
}

pub(super) fn find(draft: &Draft, id: ServiceId) -> Result<Service, Refusal> {
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

/// Refuses what failed before and cannot have changed since: an image named by its digest, in the same
/// specification. Whoever repeats it all the time, as deployment tools do, would roll for ever.
fn check_quarantine(draft: &Draft, stored: &Service, spec: &ServiceSpec) -> Result<(), Refusal> {
    if spec.has_content_of(&stored.spec) || !spec.task.container.image.contains('@') {
        return Ok(());
    }
    let failed = |one: &&Arc<Revision>| one.failed_at.is_some() && back::has_content(one, spec);
    let Some(failed) = draft.revisions_of(stored.id).rev().find(failed) else { return Ok(()) };
    let (number, name) = (failed.number, &spec.name);
    let text = format!(
        "revision {number} of service {name} is the same and failed: it was rolled back and is not tried again \
         unasked; use --force, or `skep rollout undo --to {number} {name}`"
    );
    Err(Refusal::new(RefusalClass::FailedPrecondition, text))
}

fn roll_back(draft: &mut Draft, stored: Service) -> Result<(), Refusal> {
    let Some(previous) = stored.previous.clone() else {
        let text = format!("service {} does not have a previous spec", stored.id);
        return Err(Refusal::new(RefusalClass::FailedPrecondition, text));
    };
    let (id, now) = (stored.id, draft.now());
    let mut service = Service { spec: previous.spec, revision: previous.revision, ..stored.clone() };
    // What it goes back from may be no other revision: a scale is undone as well.
    if service.job.is_some() {
        write::iterate(&mut service, now);
    } else {
        let rollout = write::asked(draft, &stored, &service, Direction::Back);
        let message = "manually requested rollback".to_owned();
        write::ask(draft, Rollout { phase: Phase::Running, message, ..rollout });
    }
    if service.revision != stored.revision {
        back::disown(draft, id, stored.revision);
    }
    service.previous = Some(Previous { spec: stored.spec, revision: stored.revision });
    draft.put_service(service);
    Ok(())
}
