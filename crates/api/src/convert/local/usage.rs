//! What a container uses, as `docker stats` reads it.

use super::super::time;
use crate::server::facts::{BlockUsage, CpuUsage, NetworkUsage, Usage};
use crate::wire::local as wire;

/// Shows a measurement with the one before it. A container that does not run uses nothing.
pub fn to_wire(id: &str, name: &str, before: Option<&Usage>, now: Option<&Usage>) -> wire::Stats {
    let name = format!("/{name}");
    let Some(now) = now else {
        return wire::Stats { id: id.to_owned(), name, ..wire::Stats::default() };
    };
    wire::Stats {
        read: time(now.at),
        preread: before.map(|before| time(before.at)).unwrap_or_default(),
        pids_stats: wire::PidsStats { current: now.pids, limit: now.pids_limit },
        blkio_stats: blkio(&now.block_io),
        cpu_stats: cpu(&now.cpu),
        precpu_stats: before.map(|before| cpu(&before.cpu)).unwrap_or_default(),
        memory_stats: wire::MemoryStats {
            usage: now.memory.current,
            max_usage: now.memory.peak,
            stats: now.memory.table.clone(),
            limit: now.memory.limit,
        },
        name,
        id: id.to_owned(),
        networks: now.networks.iter().map(|(name, usage)| (name.clone(), network(usage))).collect(),
        ..wire::Stats::default()
    }
}

fn cpu(usage: &CpuUsage) -> wire::CpuStats {
    wire::CpuStats {
        cpu_usage: wire::CpuUsage {
            total_usage: usage.total,
            usage_in_kernelmode: usage.kernel,
            usage_in_usermode: usage.user,
        },
        system_cpu_usage: usage.system,
        online_cpus: usage.online_count,
        throttling_data: wire::ThrottlingData {
            periods: usage.periods,
            throttled_periods: usage.throttled_periods,
            throttled_time: usage.throttled,
        },
    }
}

fn blkio(usage: &[BlockUsage]) -> wire::BlkioStats {
    let entries = usage.iter().flat_map(|device| {
        let entry = |op: &str, value| wire::BlkioEntry {
            major: device.major,
            minor: device.minor,
            op: op.to_owned(),
            value,
        };
        [entry("read", device.read), entry("write", device.written)]
    });
    // Compat: only the bytes are measured; the lists that the kernel no longer fills stay empty, not null.
    wire::BlkioStats {
        io_service_bytes_recursive: Some(entries.collect()),
        io_serviced_recursive: Some(Vec::new()),
        io_queue_recursive: Some(Vec::new()),
        io_service_time_recursive: Some(Vec::new()),
        io_wait_time_recursive: Some(Vec::new()),
        io_merged_recursive: Some(Vec::new()),
        io_time_recursive: Some(Vec::new()),
        sectors_recursive: Some(Vec::new()),
    }
}

fn network(usage: &NetworkUsage) -> wire::NetworkStats {
    let NetworkUsage {
        rx_bytes,
        rx_packets,
        rx_errors,
        rx_dropped,
        tx_bytes,
        tx_packets,
        tx_errors,
        tx_dropped,
    } = *usage;
    wire::NetworkStats {
        rx_bytes,
        rx_packets,
        rx_errors,
        rx_dropped,
        tx_bytes,
        tx_packets,
        tx_errors,
        tx_dropped,
    }
}
