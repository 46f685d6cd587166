//! What a container uses: processor, memory, processes, disks, network.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::time::SystemTime;

use thiserror::Error;

use crate::cgroup::{CgroupError, machine_cpu};
use crate::handle::Handle;
use crate::runtime::blocking;

/// One measurement. All counters are since the container's start.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// When it was made.
    pub at: SystemTime,
    /// Processor time.
    pub cpu: CpuUsage,
    /// Memory in use.
    pub memory: MemoryUsage,
    /// Processes and threads.
    pub pids: u64,
    /// `None` without a limit.
    pub pids_limit: Option<u64>,
    /// By disk.
    pub block_io: Vec<BlockUsage>,
    /// By the name of the interface inside, `lo` left out.
    pub networks: BTreeMap<String, NetworkUsage>,
}

/// Processor time in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CpuUsage {
    /// In the container.
    pub total: u64,
    /// The kernel's part of it.
    pub kernel: u64,
    /// The programs' part of it.
    pub user: u64,
    /// Of the whole machine, idle time included.
    pub system: u64,
    /// Processors online.
    pub online_count: u32,
    /// Accounting periods with work in them.
    pub periods: u64,
    /// Those in which the limit was reached.
    pub throttled_periods: u64,
    /// How long the container had to wait then.
    pub throttled: u64,
}

/// Bytes of memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryUsage {
    /// Page cache included.
    pub current: u64,
    /// The most there ever was; 0 if the kernel does not tell.
    pub peak: u64,
    /// `None` without a limit.
    pub limit: Option<u64>,
    /// The kernel's own table, `memory.stat`.
    pub table: BTreeMap<String, u64>,
}

/// Bytes moved between a container and a disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockUsage {
    /// Major device number.
    pub major: u64,
    /// Minor device number.
    pub minor: u64,
    /// Bytes read.
    pub read: u64,
    /// Bytes written.
    pub written: u64,
}

/// Counters of one interface, received and sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the kernel's")]
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

/// A container that cannot be measured.
#[derive(Debug, Error)]
pub enum UsageError {
    /// It does not run.
    #[error("container {0} is not running")]
    NotRunning(String),
    /// Its group cannot be read.
    #[error("cannot measure container {id}")]
    Cgroup {
        /// The container.
        id: String,
        /// Cause.
        #[source]
        source: CgroupError,
    },
    /// Another file of the kernel cannot be read.
    #[error("cannot measure container {id}")]
    Kernel {
        /// The container.
        id: String,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The daemon is shutting down.
    #[error("measurement interrupted")]
    Interrupted(#[source] io::Error),
}

impl Handle {
    /// Measures the container, which must run.
    pub async fn usage(&self) -> Result<Usage, UsageError> {
        let handle = self.clone();
        let measured = blocking(move || handle.measure()).await.map_err(UsageError::Interrupted)?;
        // It may have ended meanwhile, which explains whatever was not there.
        match measured {
            Err(_) if !self.is_alive() => Err(UsageError::NotRunning(self.id().to_owned())),
            measured => measured,
        }
    }

    /// Returns the pids on the host of all the container's processes.
    pub async fn processes(&self) -> Result<Vec<i32>, UsageError> {
        let handle = self.clone();
        let id = self.id().to_owned();
        let list = move || handle.hierarchies().processes(&handle.cgroup());
        blocking(list)
            .await
            .map_err(UsageError::Interrupted)?
            .map_err(|source| UsageError::Cgroup { id, source })
    }

    fn measure(&self) -> Result<Usage, UsageError> {
        let id = || self.id().to_owned();
        let cgroup = |source| UsageError::Cgroup { id: id(), source };
        let kernel = |source| UsageError::Kernel { id: id(), source };
        let pid = self.pid().filter(|_| self.is_alive()).ok_or_else(|| UsageError::NotRunning(id()))?;
        let (hierarchies, path) = (self.hierarchies(), self.cgroup());
        let (system, online_count) = machine_cpu().map_err(kernel)?;
        let cpu = hierarchies.cpu_usage(&path).map_err(cgroup)?;
        let (pids, pids_limit) = hierarchies.pids_usage(&path).map_err(cgroup)?;
        let networks = fs::read_to_string(format!("/proc/{pid}/net/dev")).map_err(kernel)?;
        Ok(Usage {
            at: SystemTime::now(),
            cpu: CpuUsage { system, online_count, ..cpu },
            memory: hierarchies.memory_usage(&path).map_err(cgroup)?,
            pids,
            pids_limit,
            block_io: hierarchies.block_usage(&path).map_err(cgroup)?,
            networks: interfaces(&networks),
        })
    }
}

/// Reads `/proc/net/dev`: two lines of titles, then a name and sixteen numbers.
fn interfaces(text: &str) -> BTreeMap<String, NetworkUsage> {
    let interface = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        let numbers: Vec<u64> =
            numbers.split_ascii_whitespace().filter_map(|field| field.parse().ok()).collect();
        let [
            rx_bytes,
            rx_packets,
            rx_errors,
            rx_dropped,
            _,
            _,
            _,
            _,
            tx_bytes,
            tx_packets,
            tx_errors,
            tx_dropped,
            ..,
        ] = numbers[..]
        else {
            return None;
        };
        let usage = NetworkUsage {
            rx_bytes,
            rx_packets,
            rx_errors,
            rx_dropped,
            tx_bytes,
            tx_packets,
            tx_errors,
            tx_dropped,
        };
        Some((name.trim().to_owned(), usage))
    };
    text.lines().skip(2).filter_map(interface).filter(|(name, _)| name != "lo").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_read_as_the_kernel_prints_them() {
        let text = "Inter-|   Receive                                                |  Transmit\n \
                    face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
                    lo:  100    1    0    0    0     0          0         0      100       1    0    0    0     0       0          0\n  \
                    eth0: 1   2    3    4    5     6          7         8      9       10    11    12    13     14       15          16\n";
        let found = interfaces(text);
        let expected = NetworkUsage {
            rx_bytes: 1,
            rx_packets: 2,
            rx_errors: 3,
            rx_dropped: 4,
            tx_bytes: 9,
            tx_packets: 10,
            tx_errors: 11,
            tx_dropped: 12,
        };
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [("eth0".to_owned(), expected)]);
    }
}
