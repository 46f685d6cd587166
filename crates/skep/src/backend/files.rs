//! Files and measurements of containers, from the runtime's terms to the API's.

use skep_api::server::facts::{
    BlockUsage, CpuUsage, MemoryUsage, NetworkUsage, PathChange, PathChangeKind, PathStat, Usage,
};

use super::instant;

/// Returns a count of bytes as the API counts.
pub(super) fn bytes(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(super) fn stat(stat: skep_runtime::PathStat) -> PathStat {
    let skep_runtime::PathStat { name, size, mode, modified_at, link_target } = stat;
    PathStat { name, size: bytes(size), mode, modified_at: instant(modified_at), link_target }
}

pub(super) fn change(change: skep_runtime::Change) -> PathChange {
    use skep_runtime::ChangeKind;
    let kind = match change.kind {
        ChangeKind::Modified => PathChangeKind::Modified,
        ChangeKind::Added => PathChangeKind::Added,
        ChangeKind::Deleted => PathChangeKind::Deleted,
    };
    PathChange { path: change.path.display().to_string(), kind }
}

/// Converts a measurement. A container without a limit has the machine's memory as its own.
pub(super) fn usage(usage: skep_runtime::Usage, machine_memory: u64) -> Usage {
    let skep_runtime::Usage { at, cpu, memory, pids, pids_limit, block_io, networks } = usage;
    let block = |block: skep_runtime::BlockUsage| {
        let skep_runtime::BlockUsage { major, minor, read, written } = block;
        BlockUsage { major, minor, read, written }
    };
    Usage {
        at: instant(at),
        cpu: CpuUsage {
            total: cpu.total,
            kernel: cpu.kernel,
            user: cpu.user,
            system: cpu.system,
            online_count: cpu.online_count,
            periods: cpu.periods,
            throttled_periods: cpu.throttled_periods,
            throttled: cpu.throttled,
        },
        memory: MemoryUsage {
            current: memory.current,
            peak: memory.peak,
            limit: memory.limit.unwrap_or(machine_memory),
            table: memory.table,
        },
        pids,
        pids_limit: pids_limit.unwrap_or(0),
        block_io: block_io.into_iter().map(block).collect(),
        networks: networks.into_iter().map(|(name, usage)| (name, network(&usage))).collect(),
    }
}

fn network(usage: &skep_runtime::NetworkUsage) -> NetworkUsage {
    NetworkUsage {
        rx_bytes: usage.rx_bytes,
        rx_packets: usage.rx_packets,
        rx_errors: usage.rx_errors,
        rx_dropped: usage.rx_dropped,
        tx_bytes: usage.tx_bytes,
        tx_packets: usage.tx_packets,
        tx_errors: usage.tx_errors,
        tx_dropped: usage.tx_dropped,
    }
}
