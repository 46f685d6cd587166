//! A task as the API shows it, and the part of a service spec that every task copies.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ContainerSpec, PortConfig, Time, Version, zero};

/// One attempt at running one slot of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Task {
    /// 25 characters of base 36.
    #[serde(rename = "ID")]
    pub id: String,
    /// Docker's `Version`.
    pub version: Version,
    /// Docker's `CreatedAt`.
    pub created_at: Time,
    /// Docker's `UpdatedAt`.
    pub updated_at: Time,
    /// Normally absent: clients derive `service.slot`.
    #[serde(skip_serializing_if = "zero")]
    pub name: String,
    /// Docker's `Labels`.
    pub labels: BTreeMap<String, String>,
    /// Docker's `Spec`.
    pub spec: TaskSpec,
    /// Docker's `ServiceID`.
    #[serde(rename = "ServiceID", skip_serializing_if = "zero")]
    pub service_id: String,
    /// 0 (absent) for tasks of global services and for the first slot of a job.
    #[serde(skip_serializing_if = "zero")]
    pub slot: i64,
    /// Empty until a node was chosen.
    #[serde(rename = "NodeID", skip_serializing_if = "zero")]
    pub node_id: String,
    /// What the node observed.
    pub status: TaskStatus,
    /// What the manager wants.
    #[serde(skip_serializing_if = "zero")]
    pub desired_state: String,
    /// Docker's `NetworksAttachments`.
    #[serde(skip_serializing_if = "zero")]
    pub networks_attachments: Vec<NetworkAttachment>,
    /// Docker's `GenericResources`.
    #[serde(skip_serializing_if = "zero")]
    pub generic_resources: Vec<GenericResource>,
    /// Docker's `JobIteration`.
    #[serde(skip_serializing_if = "zero")]
    pub job_iteration: Option<Version>,
    /// Cluster volumes; always null here.
    pub volumes: Option<Vec<serde_json::Value>>,
}

/// What the node observed last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TaskStatus {
    /// When the state was entered.
    pub timestamp: Time,
    /// `new` … `orphaned`.
    #[serde(skip_serializing_if = "zero")]
    pub state: String,
    /// Docker's `Message`.
    #[serde(skip_serializing_if = "zero")]
    pub message: String,
    /// Why it failed, or why it waits.
    #[serde(skip_serializing_if = "zero")]
    pub err: String,
    /// Absent until a container exists.
    #[serde(skip_serializing_if = "zero")]
    pub container_status: Option<ContainerStatus>,
    /// Docker's `PortStatus`.
    pub port_status: PortStatus,
}

/// The container of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerStatus {
    /// Docker's `ContainerID`.
    #[serde(rename = "ContainerID")]
    pub container_id: String,
    /// Docker's `PID`.
    #[serde(rename = "PID")]
    pub pid: i64,
    /// Docker's `ExitCode`.
    pub exit_code: i64,
}

/// Ports published in host mode, with the numbers of the node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PortStatus {
    /// Docker's `Ports`.
    #[serde(skip_serializing_if = "zero")]
    pub ports: Vec<PortConfig>,
}

/// A network the task has an address on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkAttachment {
    /// The network as the cluster knows it.
    pub network: serde_json::Value,
    /// In CIDR form.
    #[serde(skip_serializing_if = "zero")]
    pub addresses: Vec<String>,
}

/// How each task of a service looks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TaskSpec {
    /// Docker's `ContainerSpec`.
    #[serde(skip_serializing_if = "zero")]
    pub container_spec: Option<ContainerSpec>,
    /// Not supported; kept so that it can be refused by name.
    #[serde(skip_serializing_if = "zero")]
    pub plugin_spec: Option<serde_json::Value>,
    /// Internal to Docker; kept so that it can be refused by name.
    #[serde(skip_serializing_if = "zero")]
    pub network_attachment_spec: Option<serde_json::Value>,
    /// Docker's `Resources`.
    #[serde(skip_serializing_if = "zero")]
    pub resources: Option<ResourceRequirements>,
    /// Docker's `RestartPolicy`.
    #[serde(skip_serializing_if = "zero")]
    pub restart_policy: Option<RestartPolicy>,
    /// Docker's `Placement`.
    #[serde(skip_serializing_if = "zero")]
    pub placement: Option<Placement>,
    /// Docker's `Networks`.
    #[serde(skip_serializing_if = "zero")]
    pub networks: Vec<NetworkAttachmentConfig>,
    /// Docker's `LogDriver`.
    #[serde(skip_serializing_if = "zero")]
    pub log_driver: Option<Driver>,
    /// A counter: raising it replaces all tasks.
    pub force_update: u64,
    /// `container`, or empty.
    #[serde(skip_serializing_if = "zero")]
    pub runtime: String,
}

/// What a task may use and what it needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ResourceRequirements {
    /// Docker's `Limits`.
    #[serde(skip_serializing_if = "zero")]
    pub limits: Option<Limit>,
    /// Docker's `Reservations`.
    #[serde(skip_serializing_if = "zero")]
    pub reservations: Option<Resources>,
    /// Swap beside the memory limit; -1: unlimited; absent: as much as memory.
    #[serde(skip_serializing_if = "zero")]
    pub swap_bytes: Option<i64>,
    /// 0 to 100; absent and -1: the kernel's default.
    #[serde(skip_serializing_if = "zero")]
    pub memory_swappiness: Option<i64>,
}

/// Upper bounds; 0 means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Limit {
    /// Billionths of a CPU.
    #[serde(rename = "NanoCPUs", skip_serializing_if = "zero")]
    pub nano_cpus: i64,
    /// Docker's `MemoryBytes`.
    #[serde(skip_serializing_if = "zero")]
    pub memory_bytes: i64,
    /// Docker's `Pids`.
    #[serde(skip_serializing_if = "zero")]
    pub pids: i64,
}

/// Amounts: of a reservation, or of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Resources {
    /// Billionths of a CPU.
    #[serde(rename = "NanoCPUs", skip_serializing_if = "zero")]
    pub nano_cpus: i64,
    /// Docker's `MemoryBytes`.
    #[serde(skip_serializing_if = "zero")]
    pub memory_bytes: i64,
    /// Docker's `GenericResources`.
    #[serde(skip_serializing_if = "zero")]
    pub generic_resources: Vec<GenericResource>,
}

/// A resource that only the operator knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct GenericResource {
    /// Docker's `NamedResourceSpec`.
    #[serde(skip_serializing_if = "zero")]
    pub named_resource_spec: Option<NamedResource>,
    /// Docker's `DiscreteResourceSpec`.
    #[serde(skip_serializing_if = "zero")]
    pub discrete_resource_spec: Option<DiscreteResource>,
}

/// A resource told apart by a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NamedResource {
    /// Docker's `Kind`.
    #[serde(skip_serializing_if = "zero")]
    pub kind: String,
    /// Docker's `Value`.
    #[serde(skip_serializing_if = "zero")]
    pub value: String,
}

/// A resource that is only counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DiscreteResource {
    /// Docker's `Kind`.
    #[serde(skip_serializing_if = "zero")]
    pub kind: String,
    /// Docker's `Value`.
    #[serde(skip_serializing_if = "zero")]
    pub value: i64,
}

/// When a task that ended is replaced.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RestartPolicy {
    /// `none`, `on-failure` or `any`; empty means `any`.
    #[serde(skip_serializing_if = "zero")]
    pub condition: String,
    /// Nanoseconds; absent means 5 s.
    #[serde(skip_serializing_if = "zero")]
    pub delay: Option<i64>,
    /// Absent or 0: unlimited.
    #[serde(skip_serializing_if = "zero")]
    pub max_attempts: Option<u64>,
    /// Nanoseconds; absent: the whole life.
    #[serde(skip_serializing_if = "zero")]
    pub window: Option<i64>,
}

/// Where tasks may and should run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Placement {
    /// Docker's `Constraints`.
    #[serde(skip_serializing_if = "zero")]
    pub constraints: Vec<String>,
    /// Docker's `Preferences`.
    #[serde(skip_serializing_if = "zero")]
    pub preferences: Vec<PlacementPreference>,
    /// Tasks per node; 0 means no bound.
    #[serde(skip_serializing_if = "zero")]
    pub max_replicas: u64,
    /// Docker's `Platforms`.
    #[serde(skip_serializing_if = "zero")]
    pub platforms: Vec<Platform>,
}

/// One preference; only spreading exists.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PlacementPreference {
    /// Docker's `Spread`.
    pub spread: Option<SpreadOver>,
}

/// Spread evenly over the values of a label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SpreadOver {
    /// `node.labels.x` or `engine.labels.x`.
    pub spread_descriptor: String,
}

/// A processor architecture and an operating system; an empty word matches all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Platform {
    /// Docker's `Architecture`.
    #[serde(skip_serializing_if = "zero")]
    pub architecture: String,
    /// Docker's `OS`.
    #[serde(rename = "OS", skip_serializing_if = "zero")]
    pub os: String,
}

/// A network each task joins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkAttachmentConfig {
    /// Id, or name.
    #[serde(skip_serializing_if = "zero")]
    pub target: String,
    /// Docker's `Aliases`.
    #[serde(skip_serializing_if = "zero")]
    pub aliases: Vec<String>,
    /// Docker's `DriverOpts`.
    #[serde(skip_serializing_if = "zero")]
    pub driver_opts: BTreeMap<String, String>,
}

/// A driver and its options.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Driver {
    /// Docker's `Name`.
    #[serde(skip_serializing_if = "zero")]
    pub name: String,
    /// Docker's `Options`.
    #[serde(skip_serializing_if = "zero")]
    pub options: BTreeMap<String, String>,
}
