//! A task: one attempt to run one slot of a service on one node. It is never run twice; a restart is
//! a new task in the same slot.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::endpoint::Port;
use crate::{Labels, Meta, NodeId, ServiceId, TaskId, TaskSpec, Timestamp};

/// A task as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub id: TaskId,
    pub meta: Meta,
    pub service_id: ServiceId,
    pub service: Arc<ServiceStamp>,
    /// 1 to the number of replicas; gaps are allowed.
    pub slot: u64,
    /// The template this task was made from. A replacement after a failure takes it over, so that a
    /// slot keeps its revision until a rollout moves it.
    pub spec: Arc<TaskSpec>,
    /// [`crate::Service::revision`] of that template.
    pub revision: u64,
    /// Set once by the scheduler, for ever.
    #[serde(default)]
    pub node_id: Option<NodeId>,
    /// Written by managers only; never goes back.
    pub desired: Desired,
    /// Written by the node once the task is assigned; its state never goes back.
    pub status: TaskStatus,
    /// A task desired [`Desired::Ready`] is not started before this instant (restart delay).
    #[serde(default)]
    pub start_after: Timestamp,
    /// When this slot was restarted with this template, oldest first; judges `max_attempts`.
    #[serde(default)]
    pub restarts: Vec<Timestamp>,
    /// It ended and wants no successor: while nothing else is live in its slot, the slot stays empty.
    #[serde(default)]
    pub keeps_slot: bool,
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
        format!("{}.{}.{}", self.service.name, self.slot, self.id)
    }

    /// Returns whether a manager still wants this task to run.
    pub fn is_live(&self) -> bool {
        self.desired <= Desired::Running
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
    /// When a leader took the status in, by its own clock; every deadline counts from here.
    pub applied_at: Timestamp,
    pub message: String,
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
