//! The store's own invariants hold after every commit, and its indexes agree with its tables.

use std::collections::BTreeSet;

use skep_core::{Store, check};
use skep_model::Timestamp;

use super::{Invariant, Moment};

pub struct StoreIsConsistent;

impl Invariant for StoreIsConsistent {
    fn name(&self) -> &'static str {
        "store_is_consistent"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        let Moment::Committed { after, .. } = moment else { return Ok(()) };
        if let Some(violation) = check::check(after).first() {
            return Err(format!("{}: {}", violation.invariant, violation.detail));
        }
        indexes(after)
    }
}

fn indexes(store: &Store) -> Result<(), String> {
    let unplaced: BTreeSet<_> = store.tasks_unplaced().map(|task| task.id).collect();
    let expected: BTreeSet<_> =
        store.tasks().filter(|task| task.node_id.is_none() && task.is_live()).map(|task| task.id).collect();
    if unplaced != expected {
        return Err(format!("unplaced: {unplaced:?}, expected {expected:?}"));
    }
    for service in store.services() {
        let named = store.service_named(&service.spec.name).map(|found| found.id);
        if named != Some(service.id) {
            return Err(format!("{} is {}, its name leads to {named:?}", service.spec.name, service.id));
        }
    }
    let placed: usize = store.nodes().map(|node| store.tasks_on(node.id).count()).sum();
    let expected = store.tasks().filter(|task| task.node_id.is_some()).count();
    if placed != expected {
        return Err(format!("{placed} tasks on nodes, expected {expected}"));
    }
    Ok(())
}
