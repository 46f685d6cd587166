//! The container half of a service spec: image, process, files, limits of one container.
//!
//! Same rules as in `service`: Go's field order, Go's omissions, words kept as strings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Driver, zero};

/// What runs in each task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ContainerSpec {
    /// Reference as the client pinned it: `name:tag@digest`.
    #[serde(skip_serializing_if = "zero")]
    pub image: String,
    /// Docker's `Labels`.
    #[serde(skip_serializing_if = "zero")]
    pub labels: BTreeMap<String, String>,
    /// Replaces the image's ENTRYPOINT.
    #[serde(skip_serializing_if = "zero")]
    pub command: Vec<String>,
    /// Replaces the image's CMD.
    #[serde(skip_serializing_if = "zero")]
    pub args: Vec<String>,
    /// May hold a template.
    #[serde(skip_serializing_if = "zero")]
    pub hostname: String,
    /// `K=V`, or a bare `K` that unsets.
    #[serde(skip_serializing_if = "zero")]
    pub env: Vec<String>,
    /// Working directory.
    #[serde(skip_serializing_if = "zero")]
    pub dir: String,
    /// `<name|uid>[:<group|gid>]`.
    #[serde(skip_serializing_if = "zero")]
    pub user: String,
    /// Docker's `Groups`.
    #[serde(skip_serializing_if = "zero")]
    pub groups: Vec<String>,
    /// Docker's `Privileges`.
    #[serde(skip_serializing_if = "zero")]
    pub privileges: Option<Privileges>,
    /// Absent: the node decides.
    #[serde(skip_serializing_if = "zero")]
    pub init: Option<bool>,
    /// Docker's `StopSignal`.
    #[serde(skip_serializing_if = "zero")]
    pub stop_signal: String,
    /// Docker's `TTY`.
    #[serde(rename = "TTY", skip_serializing_if = "zero")]
    pub tty: bool,
    /// Docker's `OpenStdin`.
    #[serde(skip_serializing_if = "zero")]
    pub open_stdin: bool,
    /// The root file system, not the mounts.
    #[serde(skip_serializing_if = "zero")]
    pub read_only: bool,
    /// Docker's `Mounts`.
    #[serde(skip_serializing_if = "zero")]
    pub mounts: Vec<Mount>,
    /// Nanoseconds between the stop signal and SIGKILL; absent means 10 s.
    #[serde(skip_serializing_if = "zero")]
    pub stop_grace_period: Option<i64>,
    /// Docker's `Healthcheck`.
    #[serde(skip_serializing_if = "zero")]
    pub healthcheck: Option<HealthConfig>,
    /// `IP name…` lines for /etc/hosts.
    #[serde(skip_serializing_if = "zero")]
    pub hosts: Vec<String>,
    /// Docker's `DNSConfig`.
    #[serde(rename = "DNSConfig", skip_serializing_if = "zero")]
    pub dns_config: Option<DnsConfig>,
    /// Docker's `Secrets`.
    #[serde(skip_serializing_if = "zero")]
    pub secrets: Vec<SecretReference>,
    /// Docker's `Configs`.
    #[serde(skip_serializing_if = "zero")]
    pub configs: Vec<ConfigReference>,
    /// Docker's `Isolation`.
    #[serde(skip_serializing_if = "zero")]
    pub isolation: String,
    /// Docker's `Sysctls`.
    #[serde(skip_serializing_if = "zero")]
    pub sysctls: BTreeMap<String, String>,
    /// Docker's `CapabilityAdd`.
    #[serde(skip_serializing_if = "zero")]
    pub capability_add: Vec<String>,
    /// Docker's `CapabilityDrop`.
    #[serde(skip_serializing_if = "zero")]
    pub capability_drop: Vec<String>,
    /// Docker's `Ulimits`.
    #[serde(skip_serializing_if = "zero")]
    pub ulimits: Vec<Ulimit>,
    /// -1000 to 1000.
    #[serde(skip_serializing_if = "zero")]
    pub oom_score_adj: i64,
}

/// Security options. Stacks always send the first three.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Privileges {
    /// Docker's `CredentialSpec`.
    pub credential_spec: Option<CredentialSpec>,
    /// Docker's `SELinuxContext`.
    #[serde(rename = "SELinuxContext")]
    pub selinux_context: Option<SelinuxContext>,
    /// Docker's `Seccomp`.
    #[serde(skip_serializing_if = "zero")]
    pub seccomp: Option<SeccompOptions>,
    /// Docker's `AppArmor`.
    #[serde(skip_serializing_if = "zero")]
    pub app_armor: Option<AppArmorOptions>,
    /// Docker's `NoNewPrivileges`.
    pub no_new_privileges: bool,
}

/// A managed service account (Windows).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct CredentialSpec {
    /// Docker's `Config`.
    pub config: String,
    /// Docker's `File`.
    pub file: String,
    /// Docker's `Registry`.
    pub registry: String,
}

/// SELinux labels of the container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SelinuxContext {
    /// Docker's `Disable`.
    pub disable: bool,
    /// Docker's `User`.
    pub user: String,
    /// Docker's `Role`.
    pub role: String,
    /// Docker's `Type`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Docker's `Level`.
    pub level: String,
}

/// Which system call filter applies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SeccompOptions {
    /// `default`, `unconfined` or `custom`.
    #[serde(skip_serializing_if = "zero")]
    pub mode: String,
    /// Base64 of a JSON profile.
    #[serde(skip_serializing_if = "zero")]
    pub profile: String,
}

/// Which AppArmor profile applies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AppArmorOptions {
    /// `default` or `disabled`.
    #[serde(skip_serializing_if = "zero")]
    pub mode: String,
}

/// How the health of a container is probed. Durations in nanoseconds, 0 means inherit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HealthConfig {
    /// Empty: inherit; `NONE`: disable; `CMD …`; `CMD-SHELL …`.
    #[serde(skip_serializing_if = "zero")]
    pub test: Vec<String>,
    /// Docker's `Interval`.
    #[serde(skip_serializing_if = "zero")]
    pub interval: i64,
    /// Docker's `Timeout`.
    #[serde(skip_serializing_if = "zero")]
    pub timeout: i64,
    /// Docker's `StartPeriod`.
    #[serde(skip_serializing_if = "zero")]
    pub start_period: i64,
    /// Docker's `StartInterval`.
    #[serde(skip_serializing_if = "zero")]
    pub start_interval: i64,
    /// Failures in a row that make it unhealthy.
    #[serde(skip_serializing_if = "zero")]
    pub retries: i64,
}

/// One mount of the container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Mount {
    /// `bind`, `volume`, `tmpfs`, `npipe`, `cluster` or `image`.
    #[serde(rename = "Type", skip_serializing_if = "zero")]
    pub kind: String,
    /// Docker's `Source`.
    #[serde(skip_serializing_if = "zero")]
    pub source: String,
    /// Absolute path in the container.
    #[serde(skip_serializing_if = "zero")]
    pub target: String,
    /// Docker's `ReadOnly`.
    #[serde(skip_serializing_if = "zero")]
    pub read_only: bool,
    /// Docker's `Consistency`.
    #[serde(skip_serializing_if = "zero")]
    pub consistency: String,
    /// Docker's `BindOptions`.
    #[serde(skip_serializing_if = "zero")]
    pub bind_options: Option<BindOptions>,
    /// Docker's `VolumeOptions`.
    #[serde(skip_serializing_if = "zero")]
    pub volume_options: Option<VolumeOptions>,
    /// Docker's `ImageOptions`.
    #[serde(skip_serializing_if = "zero")]
    pub image_options: Option<ImageOptions>,
    /// Docker's `TmpfsOptions`.
    #[serde(skip_serializing_if = "zero")]
    pub tmpfs_options: Option<TmpfsOptions>,
    /// Docker's `ClusterOptions`.
    #[serde(skip_serializing_if = "zero")]
    pub cluster_options: Option<EmptyOptions>,
}

/// Options that hold nothing yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EmptyOptions {}

/// Options of a bind mount.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct BindOptions {
    /// Docker's `Propagation`.
    #[serde(skip_serializing_if = "zero")]
    pub propagation: String,
    /// Docker's `NonRecursive`.
    #[serde(skip_serializing_if = "zero")]
    pub non_recursive: bool,
    /// Docker's `CreateMountpoint`.
    #[serde(skip_serializing_if = "zero")]
    pub create_mountpoint: bool,
    /// Docker's `ReadOnlyNonRecursive`.
    #[serde(skip_serializing_if = "zero")]
    pub read_only_non_recursive: bool,
    /// Docker's `ReadOnlyForceRecursive`.
    #[serde(skip_serializing_if = "zero")]
    pub read_only_force_recursive: bool,
}

/// Options of a volume mount.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumeOptions {
    /// Docker's `NoCopy`.
    #[serde(skip_serializing_if = "zero")]
    pub no_copy: bool,
    /// Docker's `Labels`.
    #[serde(skip_serializing_if = "zero")]
    pub labels: BTreeMap<String, String>,
    /// Docker's `Subpath`.
    #[serde(skip_serializing_if = "zero")]
    pub subpath: String,
    /// Docker's `DriverConfig`.
    #[serde(skip_serializing_if = "zero")]
    pub driver_config: Option<Driver>,
}

/// Options of an image mount.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageOptions {
    /// Docker's `Subpath`.
    #[serde(skip_serializing_if = "zero")]
    pub subpath: String,
}

/// Options of a tmpfs mount.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TmpfsOptions {
    /// 0 means no limit.
    #[serde(skip_serializing_if = "zero")]
    pub size_bytes: i64,
    /// Permission bits; 0 means 1777.
    #[serde(skip_serializing_if = "zero")]
    pub mode: u32,
    /// Docker's `Options`.
    #[serde(skip_serializing_if = "zero")]
    pub options: Vec<Vec<String>>,
}

/// A secret the container sees as a file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SecretReference {
    /// Docker's `File`.
    pub file: Option<FileTarget>,
    /// Docker's `SecretID`.
    #[serde(rename = "SecretID")]
    pub secret_id: String,
    /// Docker's `SecretName`.
    pub secret_name: String,
}

/// A config the container sees as a file, or the runtime reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ConfigReference {
    /// Docker's `File`.
    #[serde(skip_serializing_if = "zero")]
    pub file: Option<FileTarget>,
    /// Docker's `Runtime`.
    #[serde(skip_serializing_if = "zero")]
    pub runtime: Option<EmptyOptions>,
    /// Docker's `ConfigID`.
    #[serde(rename = "ConfigID")]
    pub config_id: String,
    /// Docker's `ConfigName`.
    pub config_name: String,
}

/// Where and how a secret or a config appears.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct FileTarget {
    /// Docker's `Name`.
    pub name: String,
    /// Docker's `UID`.
    #[serde(rename = "UID")]
    pub uid: String,
    /// Docker's `GID`.
    #[serde(rename = "GID")]
    pub gid: String,
    /// Permission bits, as a number.
    pub mode: u32,
}

/// One resource limit; -1 means unlimited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Ulimit {
    /// Docker's `Name`.
    pub name: String,
    /// Docker's `Hard`.
    pub hard: i64,
    /// Docker's `Soft`.
    pub soft: i64,
}

/// What goes to resolv.conf.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DnsConfig {
    /// Docker's `Nameservers`.
    #[serde(skip_serializing_if = "zero")]
    pub nameservers: Vec<String>,
    /// Docker's `Search`.
    #[serde(skip_serializing_if = "zero")]
    pub search: Vec<String>,
    /// Docker's `Options`.
    #[serde(skip_serializing_if = "zero")]
    pub options: Vec<String>,
}
