//! A task: one attempt to run one slot of a service on one node. It is never run twice; a restart is
//! a new task in the same slot.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::endpoint::Port;
use crate::{Labels, Meta, NodeId, Service, ServiceId, TaskId, TaskSpec, Timestamp};

/// A task as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub id: TaskId,
    pub meta: Meta,
    pub service_id: ServiceId,
    pub service: Arc<ServiceStamp>,
    /// Which place of the service it holds.
    pub slot: SlotId,
    /// The template of the task's revision. Not stored with the task: whoever reads one back attaches it.
    #[serde(skip)]
    pub spec: Arc<TaskSpec>,
    /// [`crate::Revision::number`] of that template. A replacement after a failure takes it over, so that a
    /// slot keeps its revision until a rollout moves it.
    pub revision: u64,
    /// Set once by the scheduler, for ever.
    #[serde(default)]
    pub node_id: Option<NodeId>,
    /// Written by managers only; never goes back.
    pub desired: Desired,
    /// Written by the node once the task is assigned; its state never goes back.
    pub status: TaskStatus,
    /// A task desired [`Desired::Ready`] is not started before this instant (restart delay). Also tells
    /// [`Task::is_restart`]: it is never zero for one that is.
    #[serde(default)]
    pub start_after: Timestamp,
    /// When this slot was restarted with this template, oldest first; judges `max_attempts`.
    #[serde(default)]
    pub restarts: Vec<Timestamp>,
    /// How many tasks of this slot, up to the one before it, failed one after another soon after they began.
    #[serde(default)]
    pub failures_in_a_row: u32,
    /// Where tasks of this slot and revision before this one failed of late, oldest first, at most
    /// [`crate::limits::NODE_FAILURES_MAX`] of them: a node where they fail again and again is chosen last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_failures: Vec<NodeFailure>,
    /// Why it is to give way to another task of its slot, on another node; `None`: it may stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves: Option<Leave>,
    /// When it was first observed to run.
    #[serde(default)]
    pub ran_at: Option<Timestamp>,
    /// It ended and wants no successor (its policy has none, or its job is done): while nothing else is live in
    /// its slot, the slot stays empty.
    #[serde(default)]
    pub keeps_slot: bool,
    /// The run of a job that it belongs to; `None` for services that are no jobs.
    #[serde(default)]
    pub iteration: Option<u64>,
}

/// That a task has to leave its node, though it may serve there until another one takes over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    pub cause: LeaveCause,
    pub since: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LeaveCause {
    /// The node is drained.
    Drain,
    /// The node does not meet what the task was placed for any more: what it lacks, in words.
    Unfit(String),
    /// Another node is less loaded.
    Rebalance,
}

/// A task that failed or was rejected on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFailure {
    pub node_id: NodeId,
    pub at: Timestamp,
}

/// One place of a service, which one task at a time holds: a number where replicas are interchangeable, a
/// node where each node has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SlotId {
    /// 1 to the number of replicas (of completions, for a job); gaps are allowed.
    Number(u64),
    Node(NodeId),
}

impl SlotId {
    /// Returns the number: 0 for the task of a node.
    pub fn number(self) -> u64 {
        match self {
            SlotId::Number(number) => number,
            SlotId::Node(_) => 0,
        }
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SlotId::Number(number) => number.fmt(f),
            SlotId::Node(id) => id.fmt(f),
        }
    }
}

/// A task with its template, as it is sent to a node and kept there.
#[derive(Clone, Debug, PartialEq)]
pub struct Whole(pub Arc<Task>);

impl Serialize for Whole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&*self.0, &*self.0.spec).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (task, spec) = <(Task, TaskSpec)>::deserialize(deserializer)?;
        Ok(Whole(Arc::new(Task { spec: Arc::new(spec), ..task })))
    }
}

/// What a task remembers of its service, as it was when the task was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceStamp {
    pub name: String,
    pub labels: Labels,
}

impl Task {
    /// Returns the name of the task's container: `<service>.<slot>.<task id>`.
    pub fn name(&self) -> String {
        format!("{}.{}.{}", self.service.name, self.slot_name(), self.id)
    }

    /// Returns the number of the slot that clients see: 0 for the task of a node.
    ///
    /// Compat: the slots of a job are counted from 0, as Docker's clients expect of 20.10 and later
    /// (`tests/compare/rollouts.txt`).
    pub fn slot_number(&self) -> u64 {
        match self.slot {
            SlotId::Number(number) if self.iteration.is_some() => number.saturating_sub(1),
            SlotId::Number(number) => number,
            SlotId::Node(_) => 0,
        }
    }

    /// Returns the slot in names: its number, or the id of the node where that is 0.
    pub fn slot_name(&self) -> String {
        match (self.slot_number(), self.node_id) {
            (0, Some(node_id)) => node_id.to_string(),
            (0, None) => self.slot.to_string(),
            (number, _) => number.to_string(),
        }
    }

    /// Returns a task of a service as it is in force: wanted to run, without a node, the first in its slot.
    pub fn of(service: &Service, id: TaskId, slot: SlotId) -> Task {
        let stamp = ServiceStamp { name: service.spec.name.clone(), labels: service.spec.labels.clone() };
        Task {
            id,
            meta: service.meta,
            service_id: service.id,
            service: Arc::new(stamp),
            slot,
            spec: service.spec.task.clone(),
            revision: service.revision,
            node_id: None,
            desired: Desired::Running,
            status: TaskStatus::default(),
            start_after: Timestamp::default(),
            restarts: Vec::new(),
            failures_in_a_row: 0,
            ran_at: None,
            keeps_slot: false,
            node_failures: Vec::new(),
            leaves: None,
            iteration: None,
        }
    }

    /// Returns the task with another status, without a copy of the one it has.
    pub fn with_status(&self, status: TaskStatus) -> Task {
        let Task { id, meta, slot, revision, desired, start_after, ran_at, .. } = *self;
        let Task { service_id, node_id, failures_in_a_row, keeps_slot, iteration, .. } = *self;
        Task {
            id,
            meta,
            service_id,
            service: self.service.clone(),
            slot,
            spec: self.spec.clone(),
            revision,
            node_id,
            desired,
            status,
            start_after,
            restarts: self.restarts.clone(),
            failures_in_a_row,
            node_failures: self.node_failures.clone(),
            leaves: self.leaves.clone(),
            ran_at,
            keeps_slot,
            iteration,
        }
    }

    /// Returns whether it is there because another task of its slot ended, or did not come up: nobody took the slot
    /// out of service for its sake.
    pub fn is_restart(&self) -> bool {
        self.start_after != Timestamp::default()
    }

    /// From here on it is no restart, but what its slot is out of service for.
    pub fn take_slot(&mut self) {
        self.start_after = Timestamp::default();
    }

    /// Returns whether a manager still wants this task to run. What was to run to its end, and did, is wanted
    /// no more.
    pub fn is_live(&self) -> bool {
        self.desired <= Desired::Complete && !self.is_done()
    }

    /// Returns whether this is a job's task that did what it was there for.
    pub fn is_done(&self) -> bool {
        self.desired == Desired::Complete && self.status.state == TaskState::Complete
    }

    /// Returns whether a manager wants the task started.
    pub fn is_started(&self) -> bool {
        matches!(self.desired, Desired::Running | Desired::Complete)
    }

    /// Returns whether the task ended, or will never begin.
    pub fn is_over(&self) -> bool {
        self.status.state > TaskState::Running || (!self.is_live() && self.status.state < TaskState::Assigned)
    }
}

/// What the managers want of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Desired {
    /// Prepare everything, but do not start.
    Ready,
    Running,
    /// Run to the end: what `Running` is for a service, for the task of a job.
    Complete,
    /// Stop; the record stays as history.
    Shutdown,
    /// Stop, then forget the record.
    Remove,
}

/// What a task is observed to be. The order is the order of life; a write that lowers it is dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TaskState {
    #[default]
    New,
    Pending,
    Assigned,
    Accepted,
    Preparing,
    Ready,
    Starting,
    Running,
    /// Ended with exit code 0.
    Complete,
    /// Ended because a manager asked.
    Shutdown,
    /// Ended by itself, at or after its start.
    Failed,
    /// Could not be prepared.
    Rejected,
    /// Its node is gone for good.
    Orphaned,
}

/// What a node (or, before assignment, a manager) observed of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TaskStatus {
    pub state: TaskState,
    /// When the state was entered, by the clock of whoever observed it.
    pub at: Timestamp,
    /// The same by the clock of the leader, for all it knows: when it took the status in, or how long after a start the
    /// node tells of an end. Every deadline counts from here.
    pub applied_at: Timestamp,
    /// What is going on. One of a few sentences, most of which nobody has to allocate.
    pub message: Cow<'static, str>,
    /// Why the task failed or waits; empty when all is well.
    pub err: String,
    pub container: Option<ContainerStatus>,
    /// The host-mode ports that the node opened for the task, with the numbers that were chosen.
    pub ports: Vec<Port>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerStatus {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Process id on the node; 0 when there is none.
    pub pid: i32,
    pub exit_code: i32,
}
