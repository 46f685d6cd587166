//! Plain data that crosses between the server and the daemon behind it, see [`super::backend`].
//!
//! The cluster and the machine are here; what a node has is in a file for each kind of object.

mod container;
mod fault;
mod image;
mod session;
mod usage;
mod volume;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use skep_model::cluster::{ClusterSpec, Hidden};
use skep_model::node::Availability;
use skep_model::template::Platform;
use skep_model::{Node, NodeId, Rollout, Service, Task, TaskId, Timestamp};

pub use container::{
    ArchiveOptions, ContainerDetail, ContainerFacts, ContainerFiles, ContainerLogRequest, ContainerSize,
    ContainerState, HealthCheck, HealthFacts, HealthState, MountFacts, NetworkFacts, PathChange,
    PathChangeKind, PathStat, PortFacts, ProcessFacts, StopRequest, WaitFor,
};
pub use fault::{Fault, FaultClass};
pub use image::{
    HistoryStep, ImageConfig, ImageDetail, ImageFacts, ImageRemoval, LayerState, LoadStep, PullRequest,
    PullStep,
};
pub use session::{AttachRequest, Chunk, ExecFacts, ExecSpec, Session, TerminalSize};
pub use usage::{BlockUsage, CpuUsage, MemoryUsage, NetworkUsage, Processes, Usage};
pub use volume::{NewVolume, PruneFilter, Pruned, VolumeFacts};

/// This node's part in a cluster, as it knows it itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalNode {
    pub state: LocalState,
    /// Known from the first moment in a cluster, and still when the node is locked or failed.
    pub id: Option<NodeId>,
    /// Bare IP address; empty outside a cluster.
    pub addr: String,
    pub is_manager: bool,
    /// Why the node is in [`LocalState::Error`]; else empty.
    pub error: String,
}

/// Whether this node is in a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LocalState {
    #[default]
    Inactive,
    /// Joining, or starting with a cluster it knows.
    Pending,
    Active,
    Error,
    Locked,
}

/// The machine and the daemon, for `/info` and `/version`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// Identifies this daemon for as long as its data directory lives.
    pub id: String,
    pub hostname: String,
    /// Of the daemon, such as `0.1.0`.
    pub version: String,
    /// Short commit it was built from; empty when unknown.
    pub commit: String,
    /// RFC 3339; empty when unknown.
    pub built_at: String,
    /// As `uname` names it: `x86_64`, `aarch64`.
    pub architecture: String,
    pub kernel_version: String,
    /// Such as `Debian GNU/Linux 13 (trixie)`.
    pub operating_system: String,
    /// Such as `13`.
    pub os_version: String,
    pub cpu_count: u32,
    /// Bytes.
    pub memory_bytes: i64,
    pub data_root: String,
    /// `K=V`, as given to the daemon.
    pub labels: Vec<String>,
    /// Hosts, or CIDRs, reached without TLS.
    pub insecure_registries: Vec<String>,
    /// `1` or `2`.
    pub cgroup_version: String,
    pub limits: LimitFacts,
    pub forwards_ipv4: bool,
    /// Such as `name=seccomp,profile=builtin`.
    pub security_options: Vec<String>,
    pub containers: ContainerCounts,
    pub image_count: u64,
    pub storage_driver: String,
    /// Name and value, in the order shown.
    pub storage_status: Vec<[String; 2]>,
    pub debug: bool,
    /// Open files of the daemon.
    pub file_count: u64,
    /// What the kernel lacks, one sentence each.
    pub warnings: Vec<String>,
}

/// Which limits the kernel can enforce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitFacts {
    pub memory: bool,
    pub swap: bool,
    pub cpu_quota: bool,
    pub cpu_shares: bool,
    pub cpu_set: bool,
    pub pids: bool,
}

/// Containers of this node by state; one that is neither running nor paused is stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContainerCounts {
    pub running: u64,
    pub paused: u64,
    pub stopped: u64,
}

/// What `swarm init` asks for. Zero and empty mean "choose".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewSwarm {
    /// `address[:port]` or `interface[:port]`.
    pub listen_addr: String,
    pub advertise_addr: String,
    /// 0, or 1024 to 49151.
    pub data_path_port: u32,
    pub spec: ClusterSpec,
    pub availability: Availability,
    /// CIDRs.
    pub address_pools: Vec<String>,
    /// Prefix length of each network taken from the pools; 0, or 1 to 32.
    pub subnet_size: u32,
}

/// Which secrets of the cluster are to be drawn anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets {
    pub worker_token: bool,
    pub manager_token: bool,
    /// A number unlike the cluster's asks for another root of the authority.
    pub force_rotate: u64,
    /// The root to take, whatever the number says.
    pub signing: Option<Signing>,
}

/// A root certificate with its key, as somebody sent them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    /// PEM; empty if there came a key alone.
    pub certificate: String,
    /// PEM; empty if there came a certificate alone.
    pub key: Hidden,
}

/// What an image reference names, as its registry tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    /// Of the top-level object: of the index, where there is one.
    pub media_type: String,
    /// `sha256:…`
    pub digest: String,
    /// Bytes of that object.
    pub size: i64,
    pub platforms: Vec<ImagePlatform>,
}

/// A platform that an image runs on, in the words of the OCI: `amd64`, `linux`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImagePlatform {
    pub platform: Platform,
    /// `v8`; mostly empty.
    pub variant: String,
}

/// Which lines of one task's log are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRequest {
    pub task_id: TaskId,
    pub follow: bool,
    /// Only so many of the lines there are; `None`: all of them.
    pub tail: Option<u64>,
    /// Only lines of this instant and later.
    pub since: Option<Timestamp>,
    pub stdout: bool,
    pub stderr: bool,
}

/// One line that a container wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub stream: LogStream,
    pub at: Timestamp,
    /// Without its line end.
    pub line: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStream {
    Stdout,
    Stderr,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Changed {
    Node(Pair<Node>),
    Service(Pair<Service>),
    Task(Pair<Task>),
    Rollout(Pair<Rollout>),
    /// On this node, to something of this node.
    Local(Arc<LocalEvent>),
}

/// An object before and after a write: created without `old`, removed without `new`.
#[derive(Debug)]
pub struct Pair<T> {
    pub old: Option<Arc<T>>,
    pub new: Option<Arc<T>>,
}

impl<T> Clone for Pair<T> {
    fn clone(&self) -> Self {
        Pair { old: self.old.clone(), new: self.new.clone() }
    }
}

/// An event of this node, in Docker's words: `container`, `die`, …
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalEvent {
    pub kind: String,
    pub action: String,
    pub id: String,
    pub attributes: BTreeMap<String, String>,
    pub at: Timestamp,
}

/// How many slots a service has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotCounts {
    pub total: u64,
    /// Slots that have a task which runs.
    pub running: u64,
    /// Slots whose live tasks are all of the service's revision.
    pub updated: u64,
}
