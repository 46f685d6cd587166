//! Samples of what a container uses: cumulative counters, two of which make a rate.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One sample, with the one before.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct StatsSample {
    /// Begins with a slash.
    pub name: String,
    /// 64 hexadecimal digits.
    pub id: String,
    /// Processors at this sample.
    pub cpu_stats: CpuStats,
    /// Processors at the sample before.
    pub precpu_stats: CpuStats,
    /// Memory.
    pub memory_stats: MemoryStats,
    /// Disks.
    pub blkio_stats: BlockStats,
    /// Interfaces, by name.
    pub networks: BTreeMap<String, InterfaceStats>,
    /// Processes.
    pub pids_stats: PidStats,
}

/// Time on the processors.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CpuStats {
    /// Of the container.
    pub cpu_usage: CpuUsage,
    /// Of the whole host, in nanoseconds.
    pub system_cpu_usage: u64,
    /// Processors the container may use.
    pub online_cpus: u32,
}

/// Time on the processors.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct CpuUsage {
    /// Nanoseconds.
    pub total_usage: u64,
    /// The same for each processor, on cgroup v1.
    pub percpu_usage: Vec<u64>,
}

/// Memory in bytes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct MemoryStats {
    /// With the page cache.
    pub usage: u64,
    /// What it may use.
    pub limit: u64,
    /// The counters of the kernel.
    pub stats: BTreeMap<String, u64>,
}

/// Disks.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct BlockStats {
    /// One for each device and direction.
    pub io_service_bytes_recursive: Vec<BlockEntry>,
}

/// Bytes in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct BlockEntry {
    /// `read`, `write`…
    pub op: String,
    /// Bytes.
    pub value: u64,
}

/// One interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct InterfaceStats {
    /// Bytes in.
    pub rx_bytes: u64,
    /// Bytes out.
    pub tx_bytes: u64,
}

/// Processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PidStats {
    /// How many there are.
    pub current: u64,
}
