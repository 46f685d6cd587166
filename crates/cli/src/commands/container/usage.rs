//! From samples to the numbers that people read: shares, sums over devices, human sizes.

use skep_api::client::{CpuStats, MemoryStats, StatsSample};

use crate::format::{Cell, Column, Listing, bytes, decimal_bytes, short_id};

/// A container that is watched.
#[derive(Debug)]
pub(super) struct Row {
    /// As the user named it, or its id.
    pub reference: String,
    /// The latest sample.
    pub sample: Option<StatsSample>,
}

const COLUMNS: &[Column] = &[
    Column { field: "Container", heading: "CONTAINER" },
    Column { field: "Name", heading: "NAME" },
    Column { field: "ID", heading: "CONTAINER ID" },
    Column { field: "CPUPerc", heading: "CPU %" },
    Column { field: "MemUsage", heading: "MEM USAGE / LIMIT" },
    Column { field: "MemPerc", heading: "MEM %" },
    Column { field: "NetIO", heading: "NET I/O" },
    Column { field: "BlockIO", heading: "BLOCK I/O" },
    Column { field: "PIDs", heading: "PIDS" },
];

/// One row per container.
pub(super) fn listing(rows: &[Row], no_trunc: bool) -> Listing {
    Listing {
        type_name: "*container.statsContext",
        columns: COLUMNS,
        key: "ID",
        table: &["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"],
        raw: &[],
        rows: rows.iter().map(|row| cells(row, no_trunc)).collect(),
    }
}

fn cells(row: &Row, no_trunc: bool) -> Vec<Cell> {
    let reference = row.reference.as_str();
    let Some(sample) = &row.sample else {
        let unknown = ["--", "-- / --", "--", "--", "--", "--"];
        return [reference, "--", "--"].into_iter().chain(unknown).map(Cell::from).collect();
    };
    let used = used(&sample.memory_stats);
    let limit = sample.memory_stats.limit;
    let share = if limit == 0 { 0.0 } else { used as f64 / limit as f64 * 100.0 };
    let received: u64 = sample.networks.values().map(|network| network.rx_bytes).sum();
    let sent: u64 = sample.networks.values().map(|network| network.tx_bytes).sum();
    let (read, written) = disks(sample);
    let id = if no_trunc { sample.id.as_str() } else { short_id(&sample.id) };
    let pair = |a: u64, b: u64| format!("{} / {}", decimal_bytes(a as i64, 3), decimal_bytes(b as i64, 3));
    vec![
        reference.into(),
        sample.name.trim_start_matches('/').into(),
        id.into(),
        format!("{:.2}%", processors(&sample.precpu_stats, &sample.cpu_stats)).into(),
        format!("{} / {}", bytes(used as i64), bytes(limit as i64)).into(),
        format!("{share:.2}%").into(),
        pair(received, sent).into(),
        pair(read, written).into(),
        sample.pids_stats.current.to_string().into(),
    ]
}

/// The share of one processor, in percent: two busy processors are 200.
fn processors(before: &CpuStats, after: &CpuStats) -> f64 {
    let own = after.cpu_usage.total_usage as f64 - before.cpu_usage.total_usage as f64;
    let all = after.system_cpu_usage as f64 - before.system_cpu_usage as f64;
    let count = match after.online_cpus {
        0 => after.cpu_usage.percpu_usage.len() as f64,
        count => f64::from(count),
    };
    if own > 0.0 && all > 0.0 { own / all * count * 100.0 } else { 0.0 }
}

/// Memory without the page cache that the kernel would give up first.
fn used(memory: &MemoryStats) -> u64 {
    let inactive = memory.stats.get("total_inactive_file").or_else(|| memory.stats.get("inactive_file"));
    match inactive {
        Some(inactive) if *inactive < memory.usage => memory.usage - inactive,
        _ => memory.usage,
    }
}

fn disks(sample: &StatsSample) -> (u64, u64) {
    let sum = |wanted: char| {
        let entries = sample.blkio_stats.io_service_bytes_recursive.iter();
        let entries = entries.filter(|entry| entry.op.to_ascii_lowercase().starts_with(wanted));
        entries.map(|entry| entry.value).sum()
    };
    (sum('r'), sum('w'))
}
