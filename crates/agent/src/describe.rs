//! What a node says of itself when it registers.

use std::collections::BTreeMap;

use skep_model::node::NodeDescription;
use skep_model::template::Platform;

/// Returns the machine's host name.
pub fn hostname() -> String {
    let uname = rustix::system::uname();
    uname.nodename().to_string_lossy().into_owned()
}

/// Returns what this machine is, in the kernel's words.
pub fn platform() -> Platform {
    Platform {
        architecture: rustix::system::uname().machine().to_string_lossy().into_owned(),
        os: "linux".to_owned(),
    }
}

/// Returns the description of this machine. `labels` are those given to the daemon.
pub fn describe(engine_version: &str, labels: BTreeMap<String, String>) -> NodeDescription {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    NodeDescription {
        hostname: hostname(),
        platform: platform(),
        nano_cpus: i64::try_from(cpus).unwrap_or(1).saturating_mul(1_000_000_000),
        memory_bytes: memory_bytes(),
        engine_version: engine_version.to_owned(),
        engine_labels: labels,
        ..NodeDescription::default()
    }
}

/// Returns the memory of the machine in bytes.
fn memory_bytes() -> i64 {
    let info = rustix::system::sysinfo();
    let bytes = u128::from(info.totalram) * u128::from(info.mem_unit.max(1));
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
