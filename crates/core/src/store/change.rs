//! What is proposed to the log: whole objects to put and keys to delete, with everything random or
//! timed already decided.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use skep_model::task::SlotId;
use skep_model::{Cluster, Node, NodeId, Revision, Rollout, Service, ServiceId, Step, Task, TaskId};

use super::Store;

/// One write.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    PutCluster(Arc<Cluster>),
    PutNode(Arc<Node>),
    DeleteNode(NodeId),
    PutRevision(Arc<Revision>),
    DeleteRevision {
        service_id: ServiceId,
        number: u64,
    },
    PutService(Arc<Service>),
    DeleteService(ServiceId),
    /// Written to the log without its template, which is that of its revision.
    PutTask(Arc<Task>),
    /// Names all that the indexes do, so that whoever follows the changes need not have known the task.
    DeleteTask {
        id: TaskId,
        service_id: ServiceId,
        slot: SlotId,
        node_id: Option<NodeId>,
    },
    PutRollout(Arc<Rollout>),
    DeleteRollout(ServiceId),
    PutStep(Arc<Step>),
    DeleteStep {
        service_id: ServiceId,
        slot: SlotId,
    },
}

/// Writes that take effect together or not at all: the content of one log entry.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChangeSet {
    changes: Vec<Change>,
    /// What they were drafted as, where they are still in the hands of the leader that did.
    #[serde(skip)]
    drafted: Option<Box<Drafted>>,
}

/// A store before and after a change set.
#[derive(Clone, Debug)]
struct Drafted {
    before: Store,
    after: Store,
}

impl ChangeSet {
    /// Returns changes that make `after` of `before`.
    pub(super) fn drafted(changes: Vec<Change>, before: Store, after: Store) -> Self {
        ChangeSet { changes, drafted: Some(Box::new(Drafted { before, after })) }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Returns what the changes make of `store`, if they were drafted on this very version of it.
    pub(super) fn outcome_on(&self, store: &Store) -> Option<&Store> {
        self.drafted.as_ref().filter(|drafted| drafted.before.is_same(store)).map(|drafted| &drafted.after)
    }
}

impl fmt::Debug for ChangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What they were drafted as is two whole stores.
        f.debug_list().entries(&self.changes).finish()
    }
}

impl PartialEq for ChangeSet {
    fn eq(&self, other: &Self) -> bool {
        self.changes == other.changes
    }
}

impl FromIterator<Change> for ChangeSet {
    fn from_iter<I: IntoIterator<Item = Change>>(changes: I) -> Self {
        ChangeSet { changes: changes.into_iter().collect(), drafted: None }
    }
}

/// What a change writes to: one object has one key.
///
/// The order is that in which changes are applied: a revision before the tasks that name it, a service
/// after its namesake is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Cluster,
    Node(NodeId),
    Revision(ServiceId, u64),
    Service(ServiceId),
    Task(ServiceId, SlotId, TaskId),
    Rollout(ServiceId),
    Step(ServiceId, SlotId),
}

impl Change {
    /// Returns the key of the object written.
    pub fn key(&self) -> Key {
        match self {
            Change::PutCluster(_) => Key::Cluster,
            Change::PutNode(node) => Key::Node(node.id),
            Change::DeleteNode(id) => Key::Node(*id),
            Change::PutRevision(revision) => Key::Revision(revision.service_id, revision.number),
            Change::DeleteRevision { service_id, number } => Key::Revision(*service_id, *number),
            Change::PutService(service) => Key::Service(service.id),
            Change::DeleteService(id) => Key::Service(*id),
            Change::PutTask(task) => Key::Task(task.service_id, task.slot, task.id),
            Change::DeleteTask { id, service_id, slot, .. } => Key::Task(*service_id, *slot, *id),
            Change::PutRollout(rollout) => Key::Rollout(rollout.service_id),
            Change::DeleteRollout(id) => Key::Rollout(*id),
            Change::PutStep(step) => Key::Step(step.service_id, step.slot),
            Change::DeleteStep { service_id, slot } => Key::Step(*service_id, *slot),
        }
    }
}
