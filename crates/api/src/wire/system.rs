//! What a daemon says about itself: `/info`, `/version`, the digest of an image, the body of an error.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{SwarmInfo, zero};

/// Answer of `GET /info`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Info {
    /// Docker's `ID`.
    #[serde(rename = "ID")]
    pub id: String,
    /// Docker's `Containers`.
    pub containers: i64,
    /// Docker's `ContainersRunning`.
    pub containers_running: i64,
    /// Docker's `ContainersPaused`.
    pub containers_paused: i64,
    /// Docker's `ContainersStopped`.
    pub containers_stopped: i64,
    /// Docker's `Images`.
    pub images: i64,
    /// Docker's `Driver`.
    pub driver: String,
    /// Docker's `DriverStatus`.
    pub driver_status: Option<Vec<[String; 2]>>,
    /// Docker's `Plugins`.
    pub plugins: PluginsInfo,
    /// Docker's `MemoryLimit`.
    pub memory_limit: bool,
    /// Docker's `SwapLimit`.
    pub swap_limit: bool,
    /// Docker's `CpuCfsPeriod`.
    pub cpu_cfs_period: bool,
    /// Docker's `CpuCfsQuota`.
    pub cpu_cfs_quota: bool,
    /// Docker's `CPUShares`.
    #[serde(rename = "CPUShares")]
    pub cpu_shares: bool,
    /// Docker's `CPUSet`.
    #[serde(rename = "CPUSet")]
    pub cpu_set: bool,
    /// Docker's `PidsLimit`.
    pub pids_limit: bool,
    /// Docker's `IPv4Forwarding`.
    #[serde(rename = "IPv4Forwarding")]
    pub ipv4_forwarding: bool,
    /// Docker's `Debug`.
    pub debug: bool,
    /// Docker's `NFd`.
    #[serde(rename = "NFd")]
    pub nfd: i64,
    /// Docker's `OomKillDisable`.
    pub oom_kill_disable: bool,
    /// Docker's `NGoroutines`.
    #[serde(rename = "NGoroutines")]
    pub ngoroutines: i64,
    /// Docker's `SystemTime`.
    pub system_time: String,
    /// Docker's `LoggingDriver`.
    pub logging_driver: String,
    /// Docker's `CgroupDriver`.
    pub cgroup_driver: String,
    /// Docker's `CgroupVersion`.
    #[serde(skip_serializing_if = "zero")]
    pub cgroup_version: String,
    /// Docker's `NEventsListener`.
    #[serde(rename = "NEventsListener")]
    pub nevents_listener: i64,
    /// Docker's `KernelVersion`.
    pub kernel_version: String,
    /// Docker's `OperatingSystem`.
    pub operating_system: String,
    /// Docker's `OSVersion`.
    #[serde(rename = "OSVersion")]
    pub os_version: String,
    /// Docker's `OSType`.
    #[serde(rename = "OSType")]
    pub os_type: String,
    /// Docker's `Architecture`.
    pub architecture: String,
    /// Docker's `IndexServerAddress`.
    pub index_server_address: String,
    /// Docker's `RegistryConfig`.
    pub registry_config: Option<serde_json::Value>,
    /// Docker's `NCPU`.
    #[serde(rename = "NCPU")]
    pub ncpu: i64,
    /// Bytes.
    pub mem_total: i64,
    /// Docker's `GenericResources`.
    pub generic_resources: Option<Vec<super::GenericResource>>,
    /// Docker's `DockerRootDir`.
    pub docker_root_dir: String,
    /// Docker's `HttpProxy`.
    pub http_proxy: String,
    /// Docker's `HttpsProxy`.
    pub https_proxy: String,
    /// Docker's `NoProxy`.
    pub no_proxy: String,
    /// Docker's `Name`.
    pub name: String,
    /// Docker's `Labels`.
    pub labels: Vec<String>,
    /// Docker's `ExperimentalBuild`.
    pub experimental_build: bool,
    /// Docker's `ServerVersion`.
    pub server_version: String,
    /// Docker's `Runtimes`.
    pub runtimes: BTreeMap<String, serde_json::Value>,
    /// Docker's `DefaultRuntime`.
    pub default_runtime: String,
    /// Docker's `Swarm`.
    pub swarm: SwarmInfo,
    /// Docker's `LiveRestoreEnabled`.
    pub live_restore_enabled: bool,
    /// Docker's `Isolation`.
    pub isolation: String,
    /// Docker's `InitBinary`.
    pub init_binary: String,
    /// Docker's `ContainerdCommit`.
    pub containerd_commit: Commit,
    /// Docker's `RuncCommit`.
    pub runc_commit: Commit,
    /// Docker's `InitCommit`.
    pub init_commit: Commit,
    /// Docker's `SecurityOptions`.
    pub security_options: Option<Vec<String>>,
    /// Docker's `CDISpecDirs`.
    #[serde(rename = "CDISpecDirs")]
    pub cdi_spec_dirs: Option<Vec<String>>,
    /// Docker's `Warnings`.
    pub warnings: Option<Vec<String>>,
}

/// Drivers a daemon offers, by kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PluginsInfo {
    /// Docker's `Volume`.
    pub volume: Option<Vec<String>>,
    /// Docker's `Network`.
    pub network: Option<Vec<String>>,
    /// Docker's `Authorization`.
    pub authorization: Option<Vec<String>>,
    /// Docker's `Log`.
    pub log: Option<Vec<String>>,
}

/// The revision of a companion program.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Commit {
    /// Docker's `ID`.
    #[serde(rename = "ID")]
    pub id: String,
}

/// Answer of `GET /version`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct SystemVersion {
    /// Docker's `Platform`.
    pub platform: PlatformName,
    /// Docker's `Components`.
    #[serde(skip_serializing_if = "zero")]
    pub components: Vec<Component>,
    /// Docker's `Version`.
    pub version: String,
    /// Docker's `ApiVersion`.
    pub api_version: String,
    /// Docker's `MinAPIVersion`.
    #[serde(rename = "MinAPIVersion", skip_serializing_if = "zero")]
    pub min_api_version: String,
    /// Docker's `GitCommit`.
    pub git_commit: String,
    /// Docker's `GoVersion`.
    pub go_version: String,
    /// Docker's `Os`.
    pub os: String,
    /// Docker's `Arch`.
    pub arch: String,
    /// Docker's `KernelVersion`.
    #[serde(skip_serializing_if = "zero")]
    pub kernel_version: String,
    /// Docker's `Experimental`.
    #[serde(skip_serializing_if = "zero")]
    pub experimental: bool,
    /// Docker's `BuildTime`.
    #[serde(skip_serializing_if = "zero")]
    pub build_time: String,
}

/// What the product calls itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PlatformName {
    /// Docker's `Name`.
    pub name: String,
}

/// One program of the daemon.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Component {
    /// Docker's `Name`.
    pub name: String,
    /// Docker's `Version`.
    pub version: String,
    /// Docker's `Details`.
    #[serde(skip_serializing_if = "zero")]
    pub details: BTreeMap<String, String>,
}
