//! Containers of this node, as they are listed, inspected and stopped. What they use is in `usage`, how they are talked
//! to in `session`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use skep_model::template::Healthcheck;
use skep_model::{Labels, TaskSpec, Timestamp};

/// A container of this node, for `docker ps`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerFacts {
    /// 64 hexadecimal digits.
    pub id: String,
    /// `<service>.<slot>.<task id>`
    pub name: String,
    pub image: String,
    /// `sha256:…`
    pub image_id: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    pub created_at: Timestamp,
    pub labels: Labels,
    pub state: ContainerState,
    /// `None` without a health check.
    pub health: Option<HealthState>,
    /// Zero before the start.
    pub started_at: Timestamp,
    /// Zero before the end.
    pub finished_at: Timestamp,
    pub exit_code: i32,
    pub ports: Vec<PortFacts>,
    pub mounts: Vec<MountFacts>,
    pub networks: Vec<NetworkFacts>,
}

impl ContainerFacts {
    /// Returns whether its first process runs.
    pub fn is_running(&self) -> bool {
        self.state == ContainerState::Running
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContainerState {
    #[default]
    Created,
    Running,
    Exited,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthState {
    Starting,
    Healthy,
    Unhealthy,
}

/// A port of the image, and where it is reached from outside if it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortFacts {
    /// Inside the container.
    pub private: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// Address and port of this node.
    pub public: Option<(String, u16)>,
}

/// A mount as it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountFacts {
    /// `bind`, `volume` or `tmpfs`.
    pub kind: String,
    /// Of a volume; else empty.
    pub name: String,
    /// On this node; empty for tmpfs.
    pub source: String,
    /// In the container.
    pub target: String,
    /// Of a volume; else empty.
    pub driver: String,
    pub read_only: bool,
    /// Of a bind mount; else empty.
    pub propagation: String,
}

/// One network of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkFacts {
    /// As `docker network ls` names it.
    pub name: String,
    pub id: String,
    /// 64 hexadecimal digits.
    pub endpoint_id: String,
    /// Bare IP address; empty when the container gave it back.
    pub address: String,
    pub prefix_length: u8,
    pub gateway: String,
    pub mac_address: String,
    pub aliases: Vec<String>,
}

/// Everything about one container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerDetail {
    pub facts: ContainerFacts,
    /// Of its first process; 0 if that does not run.
    pub pid: i32,
    pub oom_killed: bool,
    /// Why it could not start, or what was lost; else empty.
    pub error: String,
    pub health: Option<HealthFacts>,
    pub files: ContainerFiles,
    /// Of its root: `overlay`.
    pub driver: String,
    pub driver_data: BTreeMap<String, String>,
    pub exec_ids: Vec<String>,
    pub process: ProcessFacts,
    /// What its service asked for.
    pub spec: Arc<TaskSpec>,
    /// Name of the OCI runtime.
    pub runtime: String,
    /// Path of its network namespace; empty when it is gone.
    pub netns: String,
}

/// The files of this node that stand for files of the container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerFiles {
    pub resolv_conf: String,
    pub hostname: String,
    pub hosts: String,
    /// Empty if nothing is logged.
    pub log: String,
}

/// How a container fared in its health checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthFacts {
    pub state: HealthState,
    /// Failed checks in a row.
    pub failing_streak: u32,
    /// The last few, oldest first.
    pub checks: Vec<HealthCheck>,
}

/// One check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthCheck {
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    /// -1 if it did not end in time.
    pub exit_code: i32,
    pub output: String,
}

/// What runs in the container: the service's wishes over the image's defaults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProcessFacts {
    pub hostname: String,
    pub user: String,
    pub env: Vec<String>,
    pub entrypoint: Vec<String>,
    pub args: Vec<String>,
    pub working_dir: String,
    pub tty: bool,
    pub open_stdin: bool,
    pub stop_signal: String,
    pub healthcheck: Option<Healthcheck>,
    /// `6379/tcp`
    pub exposed_ports: Vec<String>,
    /// Paths that the image keeps out of its layers.
    pub volumes: Vec<String>,
}

/// Sizes of a container's own files and of its whole root, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContainerSize {
    pub writable: i64,
    pub root: i64,
}

/// Which lines of a container's log are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerLogRequest {
    pub follow: bool,
    /// Only so many of the lines there are; `None`: all of them.
    pub tail: Option<u64>,
    /// Only lines of this instant and later.
    pub since: Option<Timestamp>,
    /// Only lines of this instant and earlier.
    pub until: Option<Timestamp>,
    pub stdout: bool,
    pub stderr: bool,
}

/// What `docker wait` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitFor {
    /// The end of the process; at once if it does not run.
    NotRunning,
    /// The next end of the process.
    NextExit,
    /// The removal of the container.
    Removed,
}

/// How to stop a container; `None` is what its service asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopRequest {
    /// By number.
    pub signal: Option<i32>,
    pub grace: Option<Duration>,
}

/// A path of the container that is not as in its image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathChange {
    pub path: String,
    pub kind: PathChangeKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathChangeKind {
    Modified,
    Added,
    Deleted,
}

/// A path in a container, for `docker cp`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathStat {
    pub name: String,
    pub size: i64,
    /// As Go's `os.FileMode` numbers it.
    pub mode: u32,
    pub modified_at: Timestamp,
    /// Of a symbolic link; else empty.
    pub link_target: String,
}

/// How an archive is put into a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ArchiveOptions {
    /// Refuse to replace a directory by something else, or the other way round.
    pub keep_kinds: bool,
    /// Give files to the container's user rather than to the owners that the archive names.
    pub chown_to_user: bool,
}
