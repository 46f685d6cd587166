//! What is proposed to the log: whole objects to put and keys to delete, with everything random or
//! timed already decided.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use skep_model::task::SlotId;
use skep_model::{Cluster, Node, NodeId, Revision, Rollout, Service, ServiceId, Step, Task, TaskId};

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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChangeSet(Vec<Change>);

impl ChangeSet {
    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<Change> for ChangeSet {
    fn from_iter<I: IntoIterator<Item = Change>>(changes: I) -> Self {
        ChangeSet(changes.into_iter().collect())
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
    Task(TaskId),
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
            Change::PutTask(task) => Key::Task(task.id),
            Change::DeleteTask { id, .. } => Key::Task(*id),
            Change::PutRollout(rollout) => Key::Rollout(rollout.service_id),
            Change::DeleteRollout(id) => Key::Rollout(*id),
            Change::PutStep(step) => Key::Step(step.service_id, step.slot),
            Change::DeleteStep { service_id, slot } => Key::Step(*service_id, *slot),
        }
    }
}
