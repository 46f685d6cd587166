//! What the caller asks for: one container, described in Swarm's and Docker's terms.
//!
//! Plain data, written as JSON into the bundle, so that a shim (and a later daemon) reads exactly what was asked.
//! It carries no decision of the runtime: `spec` turns it into an OCI configuration, `shim::rootfs` mounts it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One container. Every field but `id`, `rootfs` and `process.args` may stay at its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Container {
    /// 12 to 64 lower-case hexadecimal digits, unique on the node.
    pub id: String,
    /// The file system the process sees as `/`.
    pub rootfs: Rootfs,
    /// The process to run as PID 1.
    pub process: Process,
    /// Host name of the UTS namespace; empty means the first 12 digits of `id`.
    pub hostname: String,
    /// Bind and tmpfs mounts, applied in order of depth.
    pub mounts: Vec<Mount>,
    /// Files on the host that appear under `/etc`.
    pub etc: EtcFiles,
    /// Network namespace to join (a path such as `/run/netns/x`). `None`: an own, empty one with `lo` up.
    pub netns: Option<PathBuf>,
    /// Limits of the container's cgroup.
    pub resources: Resources,
    /// Differences from Docker's default capabilities.
    pub capabilities: Capabilities,
    /// Sets `no_new_privs`: setuid programs gain nothing.
    pub no_new_privileges: bool,
    /// Bounds of the JSON log.
    pub log: LogLimits,
    /// OOM preference, -1000 to 1000; lowering it is best effort.
    pub oom_score_adj: i32,
    /// Resource limits of the process; values above the shim's hard limit are clamped to it.
    pub ulimits: Vec<Ulimit>,
    /// Namespaced kernel parameters, such as `net.core.somaxconn`.
    pub sysctls: BTreeMap<String, String>,
}

/// The layers that make the root file system.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rootfs {
    /// Unpacked layers, top-most first. At least one.
    pub layers: Vec<PathBuf>,
    /// Mounts `/` read-only inside the container.
    pub read_only: bool,
}

/// The process that becomes PID 1 of the container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// Command line; `args[0]` is searched in the container's `PATH` unless it contains a slash.
    pub args: Vec<String>,
    /// `NAME=value` pairs; a later one wins. `PATH`, `HOME` and `HOSTNAME` get defaults.
    pub env: Vec<String>,
    /// Working directory, absolute; created if missing. Empty means `/`.
    pub cwd: String,
    /// `name|uid[:group|gid]`, resolved inside the container's root. Empty means root.
    pub user: String,
    /// Additional groups, by name or number.
    pub groups: Vec<String>,
    /// Runs on a terminal of its own: output and error become one stream.
    pub terminal: Option<TerminalSize>,
    /// Keeps standard input open for whoever attaches; else it reads nothing. A terminal always takes input.
    pub open_stdin: bool,
    /// Runs below a small init, which passes signals on and reaps what the program leaves behind.
    pub init: bool,
}

/// Size of a terminal in characters. A size of zero leaves the kernel's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Height.
    pub rows: u16,
    /// Width.
    pub columns: u16,
}

/// How mounts made on one side of a bind are seen on the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    /// Mounts made later stay on the side that made them (Docker's default).
    #[default]
    Private,
    /// Mounts made later on the host appear in the container.
    Slave,
}

/// What becomes of the mounts below the source of a bind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Nested {
    /// They come along, and are as read-only as the bind.
    #[default]
    Included,
    /// They come along and stay as writable as they are.
    Writable,
    /// They stay behind.
    Excluded,
}

/// One mount of the container beside its root.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Mount {
    /// A file or directory of the host.
    Bind {
        /// Existing absolute path on the host.
        source: PathBuf,
        /// Absolute path in the container; created if missing.
        target: PathBuf,
        /// Refuses writes, also below nested mounts.
        read_only: bool,
        /// Propagation of later mounts.
        propagation: Propagation,
        /// What becomes of the mounts below the source.
        #[serde(default)]
        nested: Nested,
    },
    /// An empty file system in memory.
    Tmpfs {
        /// Absolute path in the container; created if missing.
        target: PathBuf,
        /// Upper bound in bytes; `None` leaves the kernel's default (half of the memory).
        size_bytes: Option<u64>,
        /// Permission bits of its root; `None` means 1777.
        mode: Option<u32>,
    },
}

impl Mount {
    /// Returns the path in the container.
    pub fn target(&self) -> &Path {
        match self {
            Mount::Bind { target, .. } | Mount::Tmpfs { target, .. } => target,
        }
    }
}

/// Files of the host that are bound over the ones of the image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EtcFiles {
    /// Source of `/etc/resolv.conf`.
    pub resolv_conf: Option<PathBuf>,
    /// Source of `/etc/hosts`.
    pub hosts: Option<PathBuf>,
    /// Source of `/etc/hostname`.
    pub hostname: Option<PathBuf>,
}

/// Limits of the container's cgroup; `None` is unlimited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Swap beside the memory limit in bytes; -1 is unlimited, `None` as much as memory. Without a memory limit, or where
    /// the kernel does not account for swap, it means nothing.
    pub swap_bytes: Option<i64>,
    /// How readily the kernel swaps, 0 to 100; `None` is its default. cgroup v1 only.
    pub swappiness: Option<u64>,
    /// CPU time in billionths of a core (1_500_000_000 is one core and a half).
    pub nano_cpus: Option<u64>,
    /// Number of processes and threads.
    pub pids_limit: Option<u64>,
}

/// Differences from the default capability set, by Linux name with or without `CAP_`, or `ALL`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Capabilities to add.
    pub add: Vec<String>,
    /// Capabilities to drop; dropping happens before adding, so `drop ALL, add X` leaves X.
    pub drop: Vec<String>,
}

/// Bounds of the container's JSON log, and what is noted in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogLimits {
    /// A file that would grow beyond this many bytes is rotated; `None` never rotates.
    pub max_size_bytes: Option<u64>,
    /// Number of files kept, the current one included; at least 1.
    pub max_files: u32,
    /// Noted with each line.
    pub attributes: BTreeMap<String, String>,
    /// Keeps nothing at all.
    pub discard: bool,
}

impl Default for LogLimits {
    fn default() -> Self {
        LogLimits { max_size_bytes: None, max_files: 1, attributes: BTreeMap::new(), discard: false }
    }
}

/// One resource limit of the process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ulimit {
    /// Docker's short name, such as `nofile`.
    pub name: String,
    /// Soft limit; `u64::MAX` is unlimited.
    pub soft: u64,
    /// Hard limit; `u64::MAX` is unlimited.
    pub hard: u64,
}

/// A command to run inside a running container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Exec {
    /// Command line.
    pub args: Vec<String>,
    /// Pairs added to the environment of the container's process.
    pub env: Vec<String>,
    /// `name|uid[:group|gid]`; `None` means the user of the container's process.
    pub user: Option<String>,
    /// Working directory; `None` means that of the container's process.
    pub cwd: Option<String>,
    /// Has every capability that the daemon has. The system call filter and the devices stay the container's.
    pub privileged: bool,
    /// Runs on a terminal of its own.
    pub terminal: Option<TerminalSize>,
    /// Goes on when its daemon hangs up; else the command and its process group are killed then.
    pub outlives_daemon: bool,
}

/// Returns whether `id` has the form that paths, sockets and cgroups are derived from.
pub(crate) fn is_valid_id(id: &str) -> bool {
    (12..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
