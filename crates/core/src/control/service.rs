//! Services: create, update, roll back, remove.
//!
//! What a write means for a rollout is decided here, once: a new template asks for a new rollout, a
//! repeated or pace-changing write resumes a paused one, and a write that only scales or labels leaves
//! it alone (in Swarm such a write resumes a bad rollout; see W-6 and S8 in the notes of ADR 0001).

use std::sync::Arc;

use skep_model::request::{AuthFrom, Refusal, RefusalClass, Reply, ServiceChange};
use skep_model::rollout::{Direction, Phase, Proven};
use skep_model::service::Previous;
use skep_model::{Meta, Rollout, Service, ServiceId, ServiceSpec, Timestamp, limits};

use super::{check_version, names};
use crate::random::Random;
use crate::store::{Draft, Key, weight};

pub fn create(draft: &mut Draft, random: &mut Random, mut spec: ServiceSpec) -> Result<Reply, Refusal> {
    if spec.name.is_empty() {
        spec.name = names::draw(draft, random);
    }
    check(&spec)?;
    if let Some(taken) = draft.service_named(&spec.name) {
        let text =
            format!("name conflicts with an existing object: service {} already exists", taken.spec.name);
        return Err(Refusal::new(RefusalClass::AlreadyExists, text));
    }
    let id = random.id();
    let meta = Meta::new(draft.now());
    draft.put_service(Service { id, meta, spec, revision: 1, revision_count: 1, previous: None });
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
) -> Result<Reply, Refusal> {
    let stored = find(draft, id)?;
    match change {
        ServiceChange::Spec { spec, auth } => {
            check(&spec)?;
            if spec.name != stored.spec.name {
                let text = "renaming services is not supported";
                return Err(Refusal::new(RefusalClass::Unimplemented, text));
            }
            check_version(draft, Key::Service(id), &stored.meta, version)?;
            let spec = with_credentials(spec, auth, &stored)?;
            replace_spec(draft, stored, spec);
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

fn replace_spec(draft: &mut Draft, stored: Service, spec: ServiceSpec) {
    let rollout = draft.rollout(stored.id).cloned();
    let new_template = !spec.task.runs_the_same(&stored.spec.task);
    let same_pace = spec.update == stored.spec.update && spec.rollback == stored.spec.rollback;
    let unchanged = spec == stored.spec;
    let (id, now) = (stored.id, draft.now());
    let mut service = stored.clone();
    if new_template {
        service.revision_count += 1;
        service.revision = service.revision_count;
        let proven = proven_by(rollout.as_deref(), &stored);
        draft.put_rollout(asked(id, Direction::Forward, service.revision, proven, now));
    } else if let Some(rollout) = rollout {
        match rollout.phase {
            // A finished rollout is no longer news, and clients that wait for the new write to
            // converge must not take it for the answer.
            Phase::Completed => draft.delete_rollout(id),
            Phase::Paused if unchanged || !same_pace => {
                let proven = rollout.proven.clone();
                draft.put_rollout(asked(id, Direction::Forward, service.revision, proven, now));
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
    let proven = proven_by(draft.rollout(stored.id).map(|rollout| &**rollout), &stored);
    let mut rollout = asked(stored.id, Direction::Back, previous.revision, proven, draft.now());
    rollout.phase = Phase::Running;
    rollout.message = "manually requested rollback".to_owned();
    draft.put_rollout(rollout);
    let mut service = stored.clone();
    service.spec = previous.spec;
    service.revision = previous.revision;
    service.previous = Some(Previous { spec: stored.spec, revision: stored.revision });
    draft.put_service(service);
    Ok(())
}

/// Returns the template known to work: that before an unfinished rollout, else the one in force. An
/// automatic rollback goes to a proven one.
fn proven_by(rollout: Option<&Rollout>, stored: &Service) -> Option<Proven> {
    let unfinished = rollout.filter(|rollout| rollout.phase != Phase::Completed);
    let in_force = || Proven { task: stored.spec.task.clone(), revision: stored.revision };
    Some(unfinished.and_then(|rollout| rollout.proven.clone()).unwrap_or_else(in_force))
}

fn asked(
    service_id: ServiceId,
    direction: Direction,
    revision: u64,
    proven: Option<Proven>,
    now: Timestamp,
) -> Rollout {
    Rollout {
        service_id,
        direction,
        phase: Phase::Asked,
        started_at: now,
        completed_at: None,
        message: String::new(),
        revision,
        slot_count: 0,
        steps: Default::default(),
        proven,
    }
}
