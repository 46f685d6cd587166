//! What a container uses, and its processes.

use std::collections::BTreeMap;

use skep_model::Timestamp;

/// What a container uses, at one instant. All counters are since its start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    pub at: Timestamp,
    pub cpu: CpuUsage,
    pub memory: MemoryUsage,
    pub pids: u64,
    /// 0: unlimited.
    pub pids_limit: u64,
    pub block_io: Vec<BlockUsage>,
    /// By the interface's name inside.
    pub networks: BTreeMap<String, NetworkUsage>,
}

/// Times in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuUsage {
    pub total: u64,
    pub kernel: u64,
    pub user: u64,
    /// Of the whole machine, all CPUs added up.
    pub system: u64,
    pub online_count: u32,
    pub periods: u64,
    pub throttled_periods: u64,
    pub throttled: u64,
}

/// Bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryUsage {
    pub current: u64,
    /// 0 if the kernel does not tell.
    pub peak: u64,
    /// Of the container, or of the machine if it has none.
    pub limit: u64,
    /// The kernel's own table.
    pub table: BTreeMap<String, u64>,
}

/// Bytes moved between a container and a disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockUsage {
    pub major: u64,
    pub minor: u64,
    pub read: u64,
    pub written: u64,
}

/// Counters of one interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkUsage {
    pub rx_bytes: u64,
    pub rx_packets: u64,
    pub rx_errors: u64,
    pub rx_dropped: u64,
    pub tx_bytes: u64,
    pub tx_packets: u64,
    pub tx_errors: u64,
    pub tx_dropped: u64,
}

/// The processes of a container, as `ps` shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processes {
    pub titles: Vec<String>,
    pub rows: Vec<Vec<String>>,
}
