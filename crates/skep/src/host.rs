//! What the daemon tells about its machine.

use std::path::Path;

use skep_agent::{ContainerView, Engine};
use skep_api::server::facts::{ContainerCounts, HostFacts, LimitFacts};
use skep_api::wire::Condition;
use skep_runtime::Layout;

use crate::daemon::options::{LogLevel, Settings};
use crate::daemon::root::{RootError, write_atomically};
use crate::doctor::{self, Features};
use crate::manager::entropy;

/// Returns the name of this daemon, drawn once per data directory.
pub fn engine_id(data_root: &Path) -> Result<String, RootError> {
    let path = data_root.join("engine-id");
    match std::fs::read_to_string(&path) {
        Ok(id) if !id.trim().is_empty() => Ok(id.trim().to_owned()),
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(RootError::Io { action: "read", path, source })
        }
        _ => {
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let parts: Vec<String> =
                [4, 2, 2, 2, 6].iter().map(|length| hex(&entropy::<6>()[..*length])).collect();
            let id = parts.join("-");
            write_atomically(&path, id.as_bytes())?;
            Ok(id)
        }
    }
}

/// Returns the facts for `/info` and `/version`.
pub async fn facts(engine_id: &str, settings: &Settings, engine: &Engine, features: &Features) -> HostFacts {
    let uname = rustix::system::uname();
    let os = os_release(&std::fs::read_to_string("/etc/os-release").unwrap_or_default());
    let probe = &features.runtime;
    let containers = engine.containers();
    let is_running = |container: &&ContainerView| container.started_at.is_some() && container.ended.is_none();
    let running = containers.iter().filter(is_running).count() as u64;
    HostFacts {
        id: engine_id.to_owned(),
        hostname: skep_agent::hostname(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("SKEP_COMMIT").unwrap_or_default().to_owned(),
        built_at: String::new(),
        architecture: uname.machine().to_string_lossy().into_owned(),
        kernel_version: uname.release().to_string_lossy().into_owned(),
        operating_system: os.pretty_name,
        os_version: os.version_id,
        cpu_count: std::thread::available_parallelism().map_or(1, |count| count.get() as u32),
        memory_bytes: skep_agent::describe("", Default::default()).memory_bytes,
        data_root: settings.data_root.display().to_string(),
        labels: settings.labels.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        insecure_registries: settings.insecure_registries.clone(),
        cgroup_version: match &probe.cgroups {
            Ok(Layout::V2) => "2".to_owned(),
            _ => "1".to_owned(),
        },
        limits: LimitFacts {
            memory: probe.memory.is_ok(),
            swap: probe.memory.is_ok(),
            cpu_quota: probe.cpu.is_ok(),
            cpu_shares: probe.cpu.is_ok(),
            cpu_set: false,
            pids: probe.pids.is_ok(),
        },
        forwards_ipv4: std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward")
            .is_ok_and(|text| text.trim() == "1"),
        security_options: vec!["name=seccomp,profile=builtin".to_owned()],
        containers: ContainerCounts {
            running,
            paused: 0,
            stopped: (containers.len() as u64).saturating_sub(running),
        },
        image_count: engine.images().list().await.map_or(0, |images| images.len() as u64),
        storage_driver: "overlay".to_owned(),
        storage_status: Vec::new(),
        debug: settings.log_level == LogLevel::Debug,
        file_count: std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64),
        warnings: doctor::of_machine(features, settings)
            .iter()
            .filter(|finding| finding.condition != Condition::Ok)
            .map(|finding| format!("WARNING: {finding}"))
            .collect(),
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct OsRelease {
    pretty_name: String,
    version_id: String,
}

fn os_release(text: &str) -> OsRelease {
    let field = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
    };
    OsRelease { pretty_name: field("PRETTY_NAME"), version_id: field("VERSION_ID") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_os_release() {
        let text = "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\n";
        let found = os_release(text);
        assert_eq!(found.pretty_name, "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(found.version_id, "12");
    }
}
