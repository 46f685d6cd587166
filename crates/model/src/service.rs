//! A service: what the user asked for, and what the cluster remembers about it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::{Labels, Meta, ServiceId, TaskSpec, Timestamp, limits};

/// A service as stored.
///
/// The progress of its rollout is an object of its own ([`crate::Rollout`]), so that progress never
/// moves the version a client must quote to update the service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    pub id: ServiceId,
    pub meta: Meta,
    pub spec: ServiceSpec,
    /// Number of the task template in `spec.task`; tasks carry the one they were made from. A rollback
    /// brings an earlier number back.
    pub revision: u64,
    /// Revisions numbered so far; a number is never given twice.
    pub revision_count: u64,
    /// What `rollback` returns to: the specification before the last write that changed it.
    #[serde(default)]
    pub previous: Option<Previous>,
    /// `None` for services that are no jobs.
    #[serde(default)]
    pub job: Option<JobStatus>,
}

/// How often a job was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStatus {
    /// Counts up with every update of the service, from 0. Tasks of earlier ones are stopped.
    pub iteration: u64,
    pub last_execution_at: Timestamp,
}

/// The specification that the current one replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Previous {
    pub spec: ServiceSpec,
    pub revision: u64,
}

/// What the user asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServiceSpec {
    pub name: String,
    pub labels: Labels,
    pub task: Arc<TaskSpec>,
    pub mode: Mode,
    pub update: Option<UpdateConfig>,
    pub rollback: Option<UpdateConfig>,
    /// Set by [`ServiceSpec::with_endpoint`].
    pub endpoint: Endpoint,
}

/// How many tasks a service has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// A number of interchangeable slots.
    Replicated { replicas: u64 },
    /// One task on each node that can take it.
    Global,
    /// A number of tasks that run to completion, some of them at a time.
    ReplicatedJob { max_concurrent: u64, total_completions: u64 },
    /// One task on each node, run to completion.
    GlobalJob,
}

impl Mode {
    /// Returns whether tasks are wanted to end by themselves.
    pub fn is_job(&self) -> bool {
        matches!(self, Mode::ReplicatedJob { .. } | Mode::GlobalJob)
    }

    /// Returns whether each node has a slot of its own.
    pub fn is_global(&self) -> bool {
        matches!(self, Mode::Global | Mode::GlobalJob)
    }
}

impl Default for Mode {
    fn default() -> Self {
        Mode::Replicated { replicas: 1 }
    }
}

/// How a rolling update (or a rollback) proceeds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdateConfig {
    /// Slots replaced at the same time; 0 means all of them.
    pub parallelism: u64,
    /// Pause after each replaced slot before its lane takes the next.
    pub delay: Duration,
    pub failure_action: FailureAction,
    /// How long after it started running a replaced task may fail and still count against the update.
    pub monitor: Duration,
    /// The client named no monitor period: `monitor` is the default, and inspect shows none.
    pub monitor_is_default: bool,
    /// Tolerated share of failed slots, 0 to 1; the action is taken when it is exceeded.
    pub max_failure_ratio: f32,
    pub order: UpdateOrder,
}

impl Default for UpdateConfig {
    fn default() -> Self {
        UpdateConfig {
            parallelism: 1,
            delay: Duration::ZERO,
            failure_action: FailureAction::Pause,
            monitor: limits::MONITOR_DEFAULT,
            monitor_is_default: true,
            max_failure_ratio: 0.0,
            order: UpdateOrder::StopFirst,
        }
    }
}

/// What happens when too many replaced tasks fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureAction {
    #[default]
    Pause,
    Continue,
    Rollback,
}

/// Whether the old task of a slot ends before the new one starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateOrder {
    #[default]
    StopFirst,
    StartFirst,
}

impl ServiceSpec {
    /// Returns the number of replicas asked for, where that is how the service is counted.
    pub fn replicas(&self) -> Option<u64> {
        match self.mode {
            Mode::Replicated { replicas } => Some(replicas),
            _ => None,
        }
    }

    /// Returns whether both ask for the same revision: tasks made from them are alike, and reached alike.
    pub fn has_content_of(&self, other: &ServiceSpec) -> bool {
        self.endpoint == other.endpoint && self.task.runs_the_same(&other.task)
    }

    /// Sets the endpoint, and in the template what tasks need of it.
    pub fn with_endpoint(mut self, endpoint: Endpoint) -> Self {
        Arc::make_mut(&mut self.task).host_ports = endpoint.host_ports().cloned().collect();
        self.endpoint = endpoint;
        self
    }
}
