//! When a revision is stable: its service was at rest (`super::rest`) with it for the time of the bake, without a break.
//! That is so after a first deployment and after an update alike.
//!
//! A stable revision is what an automatic rollback returns to. Stamps are in the store, so a change of leader
//! neither forgets nor hastens one.

use std::sync::Arc;

use skep_model::rollout::{Wait, WaitCode};
use skep_model::{Revision, Service, Timestamp, span};

use super::{global, rest, rollout};
use crate::store::{Draft, Store};

/// Stamps the revision in force if it is due. Returns when that will be, if nothing happens before.
pub fn plan(draft: &mut Draft, service: &Service) -> Option<Timestamp> {
    let (known, since) = unproven(draft, service)?;
    let due_at = since + rollout::policy(draft, service, None).bake;
    if due_at > draft.now() {
        return Some(due_at);
    }
    let stable_at = Some(draft.now());
    draft.put_revision(Revision { stable_at, failed_at: None, ..Revision::clone(&known) });
    None
}

/// Returns the wait of a revision that everything runs until it counts as stable.
pub fn wait(store: &Store, service: &Service) -> Option<Wait> {
    let (known, since) = unproven(store, service)?;
    let bake = rollout::policy(store, service, None).bake;
    let text = format!("revision {} must run for {} to be stable", known.number, span::render(bake));
    Some(Wait { code: WaitCode::Bake, since, until: Some(since + bake), slot: None, cause: None, text })
}

/// Returns the revision in force, if it is not stable yet and every slot runs it, and since when.
fn unproven(store: &Store, service: &Service) -> Option<(Arc<Revision>, Timestamp)> {
    let known = store.revision(service.id, service.revision).filter(|known| known.stable_at.is_none())?;
    Some((known.clone(), runs_since(store, service)?.max(known.created_at)))
}

/// Returns since when every slot runs the revision in force; `None`: not all do.
fn runs_since(store: &Store, service: &Service) -> Option<Timestamp> {
    let id = service.id;
    // A node that is out of reach keeps what it had.
    let is_left = |slot| global::takes_part(store, service, slot);
    let mut others = store.tasks_of_other_revisions(id, service.revision);
    if service.spec.mode.is_job() || !rest::is_at_rest(store, id) || others.any(|task| is_left(task.slot)) {
        return None;
    }
    let completed_at = store.rollout(id).and_then(|rollout| rollout.completed_at);
    // Where there is no slot, nothing runs.
    let ran_at = store.tasks_of(id).filter(|task| task.is_live()).filter_map(|task| task.ran_at).max();
    ran_at.map(|ran_at| ran_at.max(completed_at.unwrap_or_default()))
}
