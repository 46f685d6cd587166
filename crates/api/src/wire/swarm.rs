//! The cluster as the API shows it: its settings, its tokens, the requests that make and unmake it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Driver, Time, TlsInfo, Version, zero};

/// The cluster, without its secrets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ClusterInfo {
    /// Docker's `ID`.
    #[serde(rename = "ID")]
    pub id: String,
    /// Docker's `Version`.
    pub version: Version,
    /// Docker's `CreatedAt`.
    pub created_at: Time,
    /// Docker's `UpdatedAt`.
    pub updated_at: Time,
    /// Docker's `Spec`.
    pub spec: SwarmSpec,
    /// Docker's `TLSInfo`.
    #[serde(rename = "TLSInfo")]
    pub tls_info: TlsInfo,
    /// Docker's `RootRotationInProgress`.
    pub root_rotation_in_progress: bool,
    /// In CIDR form.
    pub default_addr_pool: Vec<String>,
    /// Prefix length of each network taken from the pools.
    pub subnet_size: u32,
    /// Docker's `DataPathPort`.
    pub data_path_port: u32,
}

/// The cluster, as `GET /swarm` answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Swarm {
    /// Flattened into this object.
    #[serde(flatten)]
    pub cluster: ClusterInfo,
    /// Docker's `JoinTokens`.
    pub join_tokens: JoinTokens,
}

/// What a node shows in order to join.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct JoinTokens {
    /// Docker's `Worker`.
    pub worker: String,
    /// Docker's `Manager`.
    pub manager: String,
}

/// The settings of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SwarmSpec {
    /// Always `default`.
    #[serde(skip_serializing_if = "zero")]
    pub name: String,
    /// Docker's `Labels`.
    pub labels: BTreeMap<String, String>,
    /// Docker's `Orchestration`.
    pub orchestration: OrchestrationConfig,
    /// Docker's `Raft`.
    pub raft: RaftConfig,
    /// Docker's `Dispatcher`.
    pub dispatcher: DispatcherConfig,
    /// Docker's `CAConfig`.
    #[serde(rename = "CAConfig")]
    pub ca_config: CaConfig,
    /// Docker's `TaskDefaults`.
    pub task_defaults: TaskDefaults,
    /// Docker's `EncryptionConfig`.
    pub encryption_config: EncryptionConfig,
}

/// Settings of the orchestrator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct OrchestrationConfig {
    /// Dead tasks kept per slot; absent means 5.
    #[serde(skip_serializing_if = "zero")]
    pub task_history_retention_limit: Option<i64>,
}

/// Settings of the replicated log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RaftConfig {
    /// Log entries between two snapshots.
    #[serde(skip_serializing_if = "zero")]
    pub snapshot_interval: u64,
    /// Docker's `KeepOldSnapshots`.
    #[serde(skip_serializing_if = "zero")]
    pub keep_old_snapshots: Option<u64>,
    /// Docker's `LogEntriesForSlowFollowers`.
    #[serde(skip_serializing_if = "zero")]
    pub log_entries_for_slow_followers: u64,
    /// Docker's `ElectionTick`.
    pub election_tick: i64,
    /// Docker's `HeartbeatTick`.
    pub heartbeat_tick: i64,
}

/// Settings of the dispatcher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DispatcherConfig {
    /// Nanoseconds.
    #[serde(skip_serializing_if = "zero")]
    pub heartbeat_period: i64,
}

/// Settings of the cluster's certificate authority.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CaConfig {
    /// Nanoseconds.
    #[serde(skip_serializing_if = "zero")]
    pub node_cert_expiry: i64,
    /// Docker's `ExternalCAs`.
    #[serde(rename = "ExternalCAs", skip_serializing_if = "zero")]
    pub external_cas: Vec<ExternalCa>,
    /// Accepted, never returned.
    #[serde(rename = "SigningCACert", skip_serializing_if = "zero")]
    pub signing_ca_cert: String,
    /// Accepted, never returned.
    #[serde(rename = "SigningCAKey", skip_serializing_if = "zero")]
    pub signing_ca_key: String,
    /// Docker's `ForceRotate`.
    #[serde(skip_serializing_if = "zero")]
    pub force_rotate: u64,
}

/// An outside signer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ExternalCa {
    /// Docker's `Protocol`.
    pub protocol: String,
    /// Docker's `URL`.
    #[serde(rename = "URL")]
    pub url: String,
    /// Docker's `Options`.
    #[serde(skip_serializing_if = "zero")]
    pub options: BTreeMap<String, String>,
    /// Docker's `CACert`.
    #[serde(rename = "CACert")]
    pub ca_cert: String,
}

/// What a task spec gets when it is silent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TaskDefaults {
    /// Docker's `LogDriver`.
    #[serde(skip_serializing_if = "zero")]
    pub log_driver: Option<Driver>,
}

/// Whether managers start locked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EncryptionConfig {
    /// Docker's `AutoLockManagers`.
    pub auto_lock_managers: bool,
}

/// Body of `POST /swarm/init`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct InitRequest {
    /// Docker's `ListenAddr`.
    pub listen_addr: String,
    /// Docker's `AdvertiseAddr`.
    pub advertise_addr: String,
    /// Docker's `DataPathAddr`.
    pub data_path_addr: String,
    /// 0 means 4789.
    pub data_path_port: u32,
    /// Docker's `ForceNewCluster`.
    pub force_new_cluster: bool,
    /// Docker's `Spec`.
    pub spec: SwarmSpec,
    /// Docker's `AutoLockManagers`.
    pub auto_lock_managers: bool,
    /// Empty means `active`.
    pub availability: String,
    /// Docker's `DefaultAddrPool`.
    pub default_addr_pool: Vec<String>,
    /// 0 means 24.
    pub subnet_size: u32,
}

/// Body of `POST /swarm/join`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct JoinRequest {
    /// Docker's `ListenAddr`.
    pub listen_addr: String,
    /// Docker's `AdvertiseAddr`.
    pub advertise_addr: String,
    /// Docker's `DataPathAddr`.
    pub data_path_addr: String,
    /// Managers of the cluster.
    pub remote_addrs: Vec<String>,
    /// Docker's `JoinToken`.
    pub join_token: String,
    /// Empty means `active`.
    pub availability: String,
}

/// Answer of `GET /swarm/unlockkey`, body of `POST /swarm/unlock`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct UnlockKey {
    /// Empty when autolock is off.
    pub unlock_key: String,
}

/// The swarm block of `/info`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SwarmInfo {
    /// Docker's `NodeID`.
    #[serde(rename = "NodeID")]
    pub node_id: String,
    /// Docker's `NodeAddr`.
    pub node_addr: String,
    /// `inactive`, `pending`, `active`, `error` or `locked`.
    pub local_node_state: String,
    /// Whether this node is a manager.
    pub control_available: bool,
    /// Docker's `Error`.
    pub error: String,
    /// Docker's `RemoteManagers`.
    pub remote_managers: Option<Vec<Peer>>,
    /// Docker's `Nodes`.
    #[serde(skip_serializing_if = "zero")]
    pub nodes: u64,
    /// Docker's `Managers`.
    #[serde(skip_serializing_if = "zero")]
    pub managers: u64,
    /// Docker's `Cluster`.
    #[serde(skip_serializing_if = "zero")]
    pub cluster: Option<ClusterInfo>,
    /// Docker's `Warnings`.
    #[serde(skip_serializing_if = "zero")]
    pub warnings: Vec<String>,
}

/// A manager, as other nodes reach it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Peer {
    /// Docker's `NodeID`.
    #[serde(rename = "NodeID")]
    pub node_id: String,
    /// Docker's `Addr`.
    pub addr: String,
}
