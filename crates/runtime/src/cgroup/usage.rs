//! What a group has used, from the kernel's own files of both versions.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{CgroupError, Hierarchies, Hierarchy, Version, read};
use crate::usage::{BlockUsage, CpuUsage, MemoryUsage};

/// Numbers by name.
type Table = BTreeMap<String, u64>;

/// Nanoseconds in a tick of USER_HZ, which Linux fixes at 100 for programs.
const TICK_NANOS: u64 = 10_000_000;
/// cgroup v1 says "unlimited" with the largest multiple of a page; anything near is meant so.
const UNLIMITED_MIN: u64 = 1 << 62;

impl Hierarchies {
    /// Returns a controller's directory for `path`.
    fn group_of(&self, controller: &str, path: &str) -> Option<(&Hierarchy, PathBuf)> {
        let hierarchy = self.find(controller)?;
        Some((hierarchy, hierarchy.group(path)))
    }

    /// Returns CPU time. Zeros without the controller.
    pub(crate) fn cpu_usage(&self, path: &str) -> Result<CpuUsage, CgroupError> {
        let mut usage = CpuUsage::default();
        if let Some((hierarchy, group)) = self.group_of("cpu", path) {
            let table = table(&group.join("cpu.stat"))?;
            let value = |name: &str| table.get(name).copied().unwrap_or_default();
            usage.periods = value("nr_periods");
            usage.throttled_periods = value("nr_throttled");
            match hierarchy.version {
                Version::V1 => usage.throttled = value("throttled_time"),
                Version::V2 => {
                    usage.throttled = value("throttled_usec") * 1000;
                    usage.total = value("usage_usec") * 1000;
                    usage.kernel = value("system_usec") * 1000;
                    usage.user = value("user_usec") * 1000;
                }
            }
        }
        if let Some((Hierarchy { version: Version::V1, .. }, group)) = self.group_of("cpuacct", path) {
            usage.total = number(&group.join("cpuacct.usage"))?.unwrap_or_default();
            let table = table(&group.join("cpuacct.stat"))?;
            let nanos = |name: &str| table.get(name).copied().unwrap_or_default() * TICK_NANOS;
            (usage.kernel, usage.user) = (nanos("system"), nanos("user"));
        }
        Ok(usage)
    }

    /// Returns memory in use; the limit is `None` without one.
    pub(crate) fn memory_usage(&self, path: &str) -> Result<MemoryUsage, CgroupError> {
        let Some((hierarchy, group)) = self.group_of("memory", path) else {
            return Ok(MemoryUsage::default());
        };
        let (current, peak, limit) = match hierarchy.version {
            Version::V1 => ("memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.limit_in_bytes"),
            Version::V2 => ("memory.current", "memory.peak", "memory.max"),
        };
        Ok(MemoryUsage {
            current: number(&group.join(current))?.unwrap_or_default(),
            // Kernels before 5.19 do not tell.
            peak: optional(number(&group.join(peak)))?.flatten().unwrap_or_default(),
            limit: number(&group.join(limit))?.filter(|limit| *limit < UNLIMITED_MIN),
            table: table(&group.join("memory.stat"))?,
        })
    }

    /// Returns the number of processes and threads, and the limit on it.
    pub(crate) fn pids_usage(&self, path: &str) -> Result<(u64, Option<u64>), CgroupError> {
        let Some((_, group)) = self.group_of("pids", path) else { return Ok((0, None)) };
        Ok((number(&group.join("pids.current"))?.unwrap_or_default(), number(&group.join("pids.max"))?))
    }

    /// Returns the bytes moved to and from each disk.
    pub(crate) fn block_usage(&self, path: &str) -> Result<Vec<BlockUsage>, CgroupError> {
        let Some((hierarchy, group)) = self.group_of("blkio", path).or_else(|| self.group_of("io", path))
        else {
            return Ok(Vec::new());
        };
        Ok(match hierarchy.version {
            Version::V1 => block_v1(&read(&group.join("blkio.throttle.io_service_bytes_recursive"))?),
            Version::V2 => block_v2(&read(&group.join("io.stat"))?),
        })
    }

    /// Returns the pids on the host of everything in `path` and below.
    pub(crate) fn processes(&self, path: &str) -> Result<Vec<i32>, CgroupError> {
        let group = self.find("pids").or_else(|| self.used().next()).map(|hierarchy| hierarchy.group(path));
        let Some(group) = group else { return Ok(Vec::new()) };
        Ok(super::tree::processes(&group)?.into_iter().collect())
    }
}

/// Lines of `8:0 Read 4096`.
fn block_v1(text: &str) -> Vec<BlockUsage> {
    let mut disks: BTreeMap<(u64, u64), BlockUsage> = BTreeMap::new();
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(device), Some(kind), Some(value)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let (Some((major, minor)), Ok(bytes)) = (device_number(device), value.parse()) else { continue };
        let disk =
            disks.entry((major, minor)).or_insert(BlockUsage { major, minor, ..BlockUsage::default() });
        match kind {
            "Read" => disk.read = bytes,
            "Write" => disk.written = bytes,
            _ => {}
        }
    }
    disks.into_values().collect()
}

/// Lines of `8:0 rbytes=4096 wbytes=0 …`.
fn block_v2(text: &str) -> Vec<BlockUsage> {
    let disk = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let (major, minor) = device_number(fields.next()?)?;
        let values: Table = fields
            .filter_map(|field| field.split_once('='))
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect();
        let value = |name: &str| values.get(name).copied().unwrap_or_default();
        Some(BlockUsage { major, minor, read: value("rbytes"), written: value("wbytes") })
    };
    text.lines().filter_map(disk).collect()
}

fn device_number(text: &str) -> Option<(u64, u64)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Reads a file with one number; `None` for "max".
fn number(path: &Path) -> Result<Option<u64>, CgroupError> {
    let text = read(path)?;
    match text.trim() {
        "max" => Ok(None),
        number => number.parse().map(Some).map_err(|_| CgroupError::File {
            path: path.into(),
            source: io::Error::new(io::ErrorKind::InvalidData, "not a number"),
        }),
    }
}

/// Reads lines of a name and a number.
fn table(path: &Path) -> Result<Table, CgroupError> {
    let text = read(path)?;
    let pair = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    };
    Ok(text.lines().filter_map(pair).collect())
}

/// Makes an absent file an absent value.
fn optional<T>(result: Result<T, CgroupError>) -> Result<Option<T>, CgroupError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(CgroupError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the CPU time of the whole machine in nanoseconds, idle included, and the number of CPUs online.
pub(crate) fn machine_cpu() -> io::Result<(u64, u32)> {
    let text = fs::read_to_string("/proc/stat")?;
    let mut lines = text.lines().filter(|line| line.starts_with("cpu"));
    // Guest time is part of user time, so seven columns and the one stolen by the hypervisor are all.
    let total: u64 = lines
        .next()
        .into_iter()
        .flat_map(|line| line.split_ascii_whitespace().skip(1).take(8))
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok((total * TICK_NANOS, u32::try_from(lines.count()).unwrap_or(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_tell_of_disks() {
        let expected = [
            BlockUsage { major: 7, minor: 0, read: 5, written: 0 },
            BlockUsage { major: 8, minor: 16, read: 4096, written: 8192 },
        ];
        let v1 = "8:16 Read 4096\n8:16 Write 8192\n8:16 Sync 1\n8:16 Total 12288\n7:0 Read 5\nTotal 12293\n";
        assert_eq!(block_v1(v1), expected);
        let v2 = "7:0 rbytes=5 wbytes=0 rios=1\n8:16 rbytes=4096 wbytes=8192 rios=2 wios=3 dbytes=0\n9:0\n";
        assert_eq!(block_v2(v2)[..2], expected);
    }

    #[test]
    fn the_machine_has_a_clock_of_its_own() {
        let (time, count) = machine_cpu().expect("readable");
        assert!(time > 0 && count > 0);
    }
}
