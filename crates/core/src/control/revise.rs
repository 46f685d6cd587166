//! Revisions of a service: when a write makes another one, and how many are kept.

use skep_model::{Revision, Service, ServiceId, ServiceSpec, Timestamp, limits, revision};

use crate::orchestrate::keep;
use crate::store::Draft;

/// Returns the first revision of a service.
pub(super) fn first(id: ServiceId, spec: &ServiceSpec, author: String, now: Timestamp) -> Revision {
    revision(id, 1, spec, author, now)
}

/// Gives `service`, which takes the place of `stored`, the number of its content: another one if that is not what
/// it was. Credentials are renewed in the revision there is.
pub(super) fn number(draft: &mut Draft, service: &mut Service, stored: &Service, author: String) {
    if !service.spec.has_content_of(&stored.spec) {
        service.revision_count += 1;
        service.revision = service.revision_count;
        draft.put_revision(revision(service.id, service.revision, &service.spec, author, draft.now()));
    } else if service.spec.task != stored.spec.task
        && let Some(known) = draft.revision(service.id, service.revision).cloned()
    {
        draft.put_revision(Revision { template: service.spec.task.clone(), ..Revision::clone(&known) });
    }
}

fn revision(
    service_id: ServiceId,
    number: u64,
    spec: &ServiceSpec,
    author: String,
    now: Timestamp,
) -> Revision {
    Revision {
        service_id,
        number,
        template: spec.task.clone(),
        endpoint: spec.endpoint.clone(),
        hash: revision::hash(spec),
        created_at: now,
        author,
        reason: spec.labels.get("skep.reason").cloned().unwrap_or_default(),
        stable_at: None,
        failed_at: None,
    }
}

/// Forgets the oldest revisions beyond those that are kept.
pub(super) fn prune(draft: &mut Draft, id: ServiceId) {
    let count = draft.revisions_of(id).count();
    if count <= limits::REVISIONS_KEPT {
        return;
    }
    let mut needed = keep::revisions(draft, id);
    needed.extend(draft.tasks_of(id).map(|task| task.revision));
    let numbers = draft.revisions_of(id).map(|revision| revision.number);
    let surplus: Vec<_> =
        numbers.filter(|number| !needed.contains(number)).take(count - limits::REVISIONS_KEPT).collect();
    surplus.into_iter().for_each(|number| draft.delete_revision(id, number));
}
