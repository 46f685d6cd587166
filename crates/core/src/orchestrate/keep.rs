//! What must not be forgotten: the revisions that something may return to, and their images.

use std::collections::BTreeSet;

use skep_model::{ServiceId, limits};

use crate::store::Store;

/// Returns the revisions that a service or its rollout names, and the last stable ones, each of other content than
/// the next.
pub fn revisions(store: &Store, id: ServiceId) -> BTreeSet<u64> {
    let mut needed = BTreeSet::new();
    if let Some(service) = store.service(id) {
        needed.insert(service.revision);
        needed.extend(service.previous.as_ref().map(|previous| previous.revision));
    }
    if let Some(rollout) = store.rollout(id) {
        needed.insert(rollout.revision);
        needed.extend([rollout.from, rollout.return_to, rollout.given_up].into_iter().flatten());
    }
    let mut hashes = BTreeSet::new();
    let stable = store.revisions_of(id).rev().filter(|revision| revision.stable_at.is_some());
    let distinct = stable.filter(|revision| hashes.insert(revision.hash.as_str()));
    needed.extend(distinct.take(limits::STABLE_REVISIONS_KEPT).map(|revision| revision.number));
    needed
}

/// Returns the images of all these, of every service, as their templates name them: a node that has one keeps it, so
/// that going back needs no registry.
pub fn images(store: &Store) -> BTreeSet<String> {
    let of_service = |id| {
        let numbers = revisions(store, id).into_iter();
        numbers
            .filter_map(move |number| store.revision(id, number))
            .map(|one| one.template.container.image.clone())
    };
    store.services().flat_map(|service| of_service(service.id)).collect()
}
