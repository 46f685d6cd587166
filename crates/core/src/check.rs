//! Invariants over a store: what must hold after every commit, whatever happened.
//!
//! The simulator runs them after each commit; [`audit`], which rebuilds every index, now and then.

use std::collections::BTreeSet;
use std::sync::Arc;

use skep_model::rollout::Phase;
use skep_model::task::TaskState;

use crate::store::Store;

/// A broken invariant, by name, with what breaks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    pub invariant: &'static str,
    pub detail: String,
}

/// Returns every violation found in the store.
pub fn check(store: &Store) -> Vec<Violation> {
    let mut violations = Vec::new();
    names_are_unique(store, &mut violations);
    placed_tasks_have_states_of_placed_tasks(store, &mut violations);
    what_tasks_are_made_from_is_kept(store, &mut violations);
    rollouts_belong_to_services(store, &mut violations);
    violations
}

/// Returns every place where the store's indexes say something else than its tables.
pub fn audit(store: &Store) -> Vec<Violation> {
    let violation = |detail| Violation { invariant: "indexes_agree_with_tables", detail };
    store.audit().into_iter().map(violation).collect()
}

fn names_are_unique(store: &Store, violations: &mut Vec<Violation>) {
    let mut names = BTreeSet::new();
    for service in store.services() {
        if !names.insert(service.spec.name.to_ascii_lowercase()) {
            let detail = format!("two services are named {}", service.spec.name);
            violations.push(Violation { invariant: "names_are_unique", detail });
        }
    }
}

fn placed_tasks_have_states_of_placed_tasks(store: &Store, violations: &mut Vec<Violation>) {
    for task in store.tasks() {
        let is_placed = task.status.state >= TaskState::Assigned;
        if is_placed != task.node_id.is_some() {
            let detail = format!("task {} is {:?} on node {:?}", task.id, task.status.state, task.node_id);
            violations.push(Violation { invariant: "placed_tasks_have_states_of_placed_tasks", detail });
        }
    }
}

/// Whatever belongs to a service goes with it or with the last of its tasks, and every task's revision is
/// kept: without it a restart of the manager would not know what the task is made from.
fn what_tasks_are_made_from_is_kept(store: &Store, violations: &mut Vec<Violation>) {
    let mut violate = |detail| {
        violations.push(Violation { invariant: "what_tasks_are_made_from_is_kept", detail });
    };
    for service in store.services() {
        if store.revision(service.id, service.revision).is_none() {
            violate(format!("{} is at revision {}, which is not kept", service.spec.name, service.revision));
        }
    }
    for task in store.tasks() {
        match store.revision(task.service_id, task.revision) {
            None => violate(format!("task {} is of revision {}, which is not kept", task.id, task.revision)),
            Some(revision)
                if !Arc::ptr_eq(&revision.template, &task.spec)
                    && !revision.template.runs_the_same(&task.spec) =>
            {
                violate(format!("task {} is not made from its revision {}", task.id, task.revision));
            }
            Some(_) => {}
        }
    }
}

fn rollouts_belong_to_services(store: &Store, violations: &mut Vec<Violation>) {
    for rollout in store.services().filter_map(|service| store.rollout(service.id)) {
        let service = store.service(rollout.service_id).expect("found through the service");
        let is_for_it = rollout.revision == service.revision;
        if rollout.phase != Phase::Completed && !is_for_it {
            let detail = format!(
                "the rollout of {} goes to revision {}, the service is at {}",
                service.spec.name, rollout.revision, service.revision
            );
            violations.push(Violation { invariant: "rollouts_belong_to_services", detail });
        }
    }
}
