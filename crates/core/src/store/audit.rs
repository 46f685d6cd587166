//! Whether a store is what it should be: its indexes are functions of its tables, and two managers that
//! applied the same log hold the same.
//!
//! For tests, the simulator and whoever suspects a damaged state; nothing here is called in a pass.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use skep_model::{ServiceId, TaskSpec};

use super::Store;
use super::index::TaskIndex;

impl Store {
    /// Returns what the indexes say that the tables do not, or the other way round; empty where they agree.
    pub fn audit(&self) -> Vec<String> {
        let mut findings = Vec::new();
        let mut expected = TaskIndex::default();
        self.tasks.values().for_each(|task| expected.replace(None, Some(task)));
        findings.extend(self.task_index.difference(&expected).map(|part| format!("index of tasks: {part}")));
        let names: BTreeMap<String, ServiceId> = self
            .services
            .values()
            .map(|service| (service.spec.name.to_ascii_lowercase(), service.id))
            .collect();
        if !names.iter().eq(self.services_by_name.iter()) {
            findings.push(format!("index of names: {:?}, expected {names:?}", self.services_by_name));
        }
        let far = |service: &Arc<skep_model::Service>| {
            let names = super::far_of(service);
            names.into_iter().map(|name| (name, service.id)).collect::<Vec<_>>()
        };
        let keeping_away: BTreeSet<_> = self.services.values().flat_map(far).collect();
        if !keeping_away.iter().eq(self.keeping_away.iter()) {
            findings.push(format!("index of distances: {:?}, expected {keeping_away:?}", self.keeping_away));
        }
        let open = self.steps.values().filter(|step| !step.closed).map(|step| (step.service_id, step.slot));
        if !open.eq(self.steps_open.iter().copied()) {
            findings.push(format!("index of open steps: {:?}", self.steps_open));
        }
        let keys_agree = self.tasks.iter().all(|(key, task)| *key == (task.service_id, task.slot, task.id))
            && self.services.iter().all(|(id, service)| *id == service.id)
            && self.nodes.iter().all(|(id, node)| *id == node.id)
            && self.rollouts.iter().all(|(id, rollout)| *id == rollout.service_id)
            && self.steps.iter().all(|(key, step)| *key == (step.service_id, step.slot))
            && self.revisions.iter().all(|(key, one)| *key == (one.service_id, one.number));
        if !keys_agree {
            findings.push("an object is kept under a key that is not its own".to_owned());
        }
        findings
    }

    /// Returns the first difference between two stores, their indexes included; `None` where they hold the
    /// same. The templates of tasks count, although a log does not carry them.
    pub fn difference(&self, other: &Store) -> Option<String> {
        if self.cluster != other.cluster {
            return Some(format!("cluster: {:?} and {:?}", self.cluster, other.cluster));
        }
        unequal("node", &self.nodes, &other.nodes, |a, b| a == b)
            .or_else(|| unequal("revision", &self.revisions, &other.revisions, |a, b| a == b))
            .or_else(|| unequal("service", &self.services, &other.services, |a, b| a == b))
            .or_else(|| {
                unequal("task", &self.tasks, &other.tasks, |a, b| a == b && same_template(&a.spec, &b.spec))
            })
            .or_else(|| unequal("rollout", &self.rollouts, &other.rollouts, |a, b| a == b))
            .or_else(|| unequal("step", &self.steps, &other.steps, |a, b| a == b))
            .or_else(|| {
                (self.services_by_name != other.services_by_name).then(|| "index of names".to_owned())
            })
            .or_else(|| {
                let part = self.task_index.difference(&other.task_index);
                part.map(|part| format!("index of tasks: {part}"))
            })
    }
}

fn same_template(a: &Arc<TaskSpec>, b: &Arc<TaskSpec>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

/// Returns the first entry in which two tables differ. What both share is not looked into.
fn unequal<K: Ord + Clone + std::fmt::Debug, V: std::fmt::Debug>(
    what: &str,
    a: &imbl::OrdMap<K, Arc<V>>,
    b: &imbl::OrdMap<K, Arc<V>>,
    same: impl Fn(&V, &V) -> bool,
) -> Option<String> {
    if a.ptr_eq(b) {
        return None;
    }
    let (mut left, mut right) = (a.iter(), b.iter());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return None,
            (Some((k, v)), Some((l, w))) if k == l => {
                if !Arc::ptr_eq(v, w) && !same(v, w) {
                    return Some(format!("{what} {k:?}: {v:?} and {w:?}"));
                }
            }
            (v, w) => return Some(format!("{what}: {v:?} and {w:?}")),
        }
    }
}
