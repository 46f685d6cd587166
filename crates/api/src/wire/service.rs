//! A service as the API shows it: its spec, its endpoint, how far an update got.
//!
//! Field order and omissions are those of Docker's Go types, so that what `inspect` prints compares byte for byte.
//! Words such as `FailureAction` stay strings here: an unknown word is refused by the server, with Docker's sentence,
//! not by the decoder. The task half of the spec is in `task`, the container half in `container`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{NetworkAttachmentConfig, TaskSpec, Time, Version, ratio, zero};

/// A service, as `GET /services/{id}` answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Service {
    /// 25 characters of base 36.
    #[serde(rename = "ID")]
    pub id: String,
    /// Goes back to the server with every update.
    pub version: Version,
    /// Docker's `CreatedAt`.
    pub created_at: Time,
    /// Docker's `UpdatedAt`.
    pub updated_at: Time,
    /// What the user asked for.
    pub spec: ServiceSpec,
    /// What a rollback returns to; absent until the first update.
    #[serde(skip_serializing_if = "zero")]
    pub previous_spec: Option<Box<ServiceSpec>>,
    /// How the service is reached.
    pub endpoint: Endpoint,
    /// Absent when never updated, and right after an update was accepted.
    #[serde(skip_serializing_if = "zero")]
    pub update_status: Option<UpdateStatus>,
    /// Only with `?status=true`.
    #[serde(skip_serializing_if = "zero")]
    pub service_status: Option<ServiceStatus>,
    /// Only for the job modes.
    #[serde(skip_serializing_if = "zero")]
    pub job_status: Option<JobStatus>,
}

/// What the user asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceSpec {
    /// Empty on create: the server makes one up.
    #[serde(skip_serializing_if = "zero")]
    pub name: String,
    /// Docker's `Labels`.
    pub labels: BTreeMap<String, String>,
    /// How each task looks.
    pub task_template: TaskSpec,
    /// Docker's `Mode`.
    pub mode: ServiceMode,
    /// How an update proceeds; absent means the defaults.
    #[serde(skip_serializing_if = "zero")]
    pub update_config: Option<UpdateConfig>,
    /// How a rollback proceeds; absent means the defaults.
    #[serde(skip_serializing_if = "zero")]
    pub rollback_config: Option<UpdateConfig>,
    /// From before API 1.25; `TaskTemplate.Networks` replaced it.
    #[serde(skip_serializing_if = "zero")]
    pub networks: Vec<NetworkAttachmentConfig>,
    /// Docker's `EndpointSpec`.
    #[serde(skip_serializing_if = "zero")]
    pub endpoint_spec: Option<EndpointSpec>,
}

/// Exactly one of the four; none means replicated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceMode {
    /// Docker's `Replicated`.
    #[serde(skip_serializing_if = "zero")]
    pub replicated: Option<ReplicatedService>,
    /// Docker's `Global`.
    #[serde(skip_serializing_if = "zero")]
    pub global: Option<Empty>,
    /// Docker's `ReplicatedJob`.
    #[serde(skip_serializing_if = "zero")]
    pub replicated_job: Option<ReplicatedJob>,
    /// Docker's `GlobalJob`.
    #[serde(skip_serializing_if = "zero")]
    pub global_job: Option<Empty>,
}

/// An object whose presence is all it says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Empty {}

/// So many tasks at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ReplicatedService {
    /// Absent means 1.
    #[serde(skip_serializing_if = "zero")]
    pub replicas: Option<u64>,
}

/// So many tasks to completion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ReplicatedJob {
    /// Docker's `MaxConcurrent`.
    #[serde(skip_serializing_if = "zero")]
    pub max_concurrent: Option<u64>,
    /// Docker's `TotalCompletions`.
    #[serde(skip_serializing_if = "zero")]
    pub total_completions: Option<u64>,
}

/// The pace of an update or of a rollback, and what a failure does to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UpdateConfig {
    /// Slots replaced at a time; 0 means all.
    pub parallelism: u64,
    /// Nanoseconds between two batches.
    #[serde(skip_serializing_if = "zero")]
    pub delay: i64,
    /// `pause`, `continue` or `rollback`; empty means `pause`.
    #[serde(skip_serializing_if = "zero")]
    pub failure_action: String,
    /// Nanoseconds a new task is watched; 0 means 5 s.
    #[serde(skip_serializing_if = "zero")]
    pub monitor: i64,
    /// Share of failed tasks tolerated, 0 to 1.
    #[serde(serialize_with = "ratio")]
    pub max_failure_ratio: f32,
    /// `stop-first` or `start-first`; empty means `stop-first`.
    pub order: String,
}

/// How far the latest update or rollback got.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UpdateStatus {
    /// `updating`, `paused`, `completed`, `rollback_started`, `rollback_paused`, `rollback_completed`.
    #[serde(skip_serializing_if = "zero")]
    pub state: String,
    /// Docker's `StartedAt`.
    #[serde(skip_serializing_if = "zero")]
    pub started_at: Option<Time>,
    /// Docker's `CompletedAt`.
    #[serde(skip_serializing_if = "zero")]
    pub completed_at: Option<Time>,
    /// The reason, in one sentence.
    #[serde(skip_serializing_if = "zero")]
    pub message: String,
}

/// Task counts of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceStatus {
    /// Tasks observed running, whatever is desired of them.
    pub running_tasks: u64,
    /// Docker's `DesiredTasks`.
    pub desired_tasks: u64,
    /// Only the current iteration of a job.
    pub completed_tasks: u64,
}

/// Where a job stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct JobStatus {
    /// Moves on with each update of the spec.
    pub job_iteration: Version,
    /// Docker's `LastExecution`.
    pub last_execution: Time,
}

/// How the service asks to be reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EndpointSpec {
    /// `vip` or `dnsrr`; empty means `vip`.
    #[serde(skip_serializing_if = "zero")]
    pub mode: String,
    /// Docker's `Ports`.
    #[serde(skip_serializing_if = "zero")]
    pub ports: Vec<PortConfig>,
}

/// How the service is reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Endpoint {
    /// Docker's `Spec`.
    pub spec: EndpointSpec,
    /// With the numbers that were assigned.
    #[serde(skip_serializing_if = "zero")]
    pub ports: Vec<PortConfig>,
    /// Docker's `VirtualIPs`.
    #[serde(rename = "VirtualIPs", skip_serializing_if = "zero")]
    pub virtual_ips: Vec<EndpointVirtualIp>,
}

/// One published port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PortConfig {
    /// Docker's `Name`.
    #[serde(skip_serializing_if = "zero")]
    pub name: String,
    /// `tcp`, `udp` or `sctp`; empty means `tcp`.
    #[serde(skip_serializing_if = "zero")]
    pub protocol: String,
    /// In the container, 1 to 65535.
    #[serde(skip_serializing_if = "zero")]
    pub target_port: u32,
    /// On the nodes; 0 means "choose one".
    #[serde(skip_serializing_if = "zero")]
    pub published_port: u32,
    /// `ingress` or `host`; empty means `ingress`.
    #[serde(skip_serializing_if = "zero")]
    pub publish_mode: String,
}

/// The address of a service on one network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EndpointVirtualIp {
    /// Docker's `NetworkID`.
    #[serde(rename = "NetworkID", skip_serializing_if = "zero")]
    pub network_id: String,
    /// In CIDR form.
    #[serde(skip_serializing_if = "zero")]
    pub addr: String,
}

/// Answer to a create.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceCreated {
    /// Docker's `ID`.
    #[serde(rename = "ID")]
    pub id: String,
    /// Docker's `Warnings`.
    pub warnings: Option<Vec<String>>,
}

/// Answer to an update.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ServiceUpdated {
    /// Docker's `Warnings`.
    pub warnings: Option<Vec<String>>,
}
