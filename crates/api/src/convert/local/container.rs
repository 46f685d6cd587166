//! A container as a row of a list, its mounts, ports and networks, and commands in it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::time;
use super::words;
use crate::server::facts::{
    ContainerFacts, ContainerSize, ExecFacts, MountFacts, NetworkFacts, PathChange, PathChangeKind, PortFacts,
};
use crate::wire::local as wire;

/// Returns the instant in whole seconds, as lists show it; 0 for never.
pub fn unix_seconds(at: skep_model::Timestamp) -> i64 {
    if at == skep_model::Timestamp::default() { 0 } else { time(at).0.as_second() }
}

/// Shows a container in a list. What is asked for by a name that has moved on since is shown by its id.
pub fn summary(row: &ContainerFacts, size: Option<ContainerSize>, now: Timestamp) -> wire::ContainerSummary {
    let size = size.unwrap_or_default();
    wire::ContainerSummary {
        id: row.id.clone(),
        names: vec![format!("/{}", row.name)],
        image: row.image.clone(),
        image_id: row.image_id.clone(),
        command: words::command(&row.command),
        created: unix_seconds(row.created_at),
        ports: row.ports.iter().map(port).collect(),
        size_rw: size.writable,
        size_root_fs: size.root,
        labels: row.labels.clone(),
        state: words::state(row.state).to_owned(),
        status: words::status(row, now),
        host_config: wire::SummaryHostConfig { network_mode: "default".to_owned() },
        network_settings: wire::SummaryNetworks { networks: networks(&row.networks) },
        mounts: row.mounts.iter().map(mount).collect(),
    }
}

fn port(port: &PortFacts) -> wire::Port {
    let (ip, public_port) = port.public.clone().unwrap_or_default();
    wire::Port { ip, private_port: port.private, public_port, kind: port.protocol.clone() }
}

/// Returns ports by what they are inside, with what leads to them.
pub fn port_map(ports: &[PortFacts]) -> BTreeMap<String, Option<Vec<wire::PortBinding>>> {
    let mut map: BTreeMap<String, Option<Vec<wire::PortBinding>>> = BTreeMap::new();
    for port in ports {
        let bindings = map.entry(format!("{}/{}", port.private, port.protocol)).or_default();
        if let Some((ip, public)) = &port.public {
            let binding = wire::PortBinding { host_ip: ip.clone(), host_port: public.to_string() };
            bindings.get_or_insert_default().push(binding);
        }
    }
    map
}

/// Shows a mount as it was made.
pub fn mount(mount: &MountFacts) -> wire::MountPoint {
    wire::MountPoint {
        kind: mount.kind.clone(),
        name: mount.name.clone(),
        source: mount.source.clone(),
        destination: mount.target.clone(),
        driver: mount.driver.clone(),
        // Compat: dockerd gives volumes this mode, and others none.
        mode: if mount.kind == "volume" { "z".to_owned() } else { String::new() },
        rw: !mount.read_only,
        propagation: mount.propagation.clone(),
    }
}

/// Shows networks by their names.
pub fn networks(networks: &[NetworkFacts]) -> BTreeMap<String, wire::EndpointSettings> {
    networks.iter().map(|network| (network.name.clone(), endpoint(network))).collect()
}

fn endpoint(network: &NetworkFacts) -> wire::EndpointSettings {
    wire::EndpointSettings {
        aliases: (!network.aliases.is_empty()).then(|| network.aliases.clone()),
        mac_address: network.mac_address.clone(),
        network_id: network.id.clone(),
        endpoint_id: network.endpoint_id.clone(),
        gateway: network.gateway.clone(),
        ip_address: network.address.clone(),
        ip_prefix_len: network.prefix_length,
        ..wire::EndpointSettings::default()
    }
}

/// Shows a command and what became of it.
pub fn exec(exec: ExecFacts) -> wire::ExecInspect {
    let mut command = exec.spec.command.into_iter();
    wire::ExecInspect {
        id: exec.id,
        running: exec.running,
        exit_code: exec.exit_code,
        process_config: wire::ExecProcess {
            tty: exec.spec.tty,
            entrypoint: command.next().unwrap_or_default(),
            arguments: command.collect(),
            privileged: exec.spec.privileged,
            user: exec.spec.user,
        },
        open_stdin: exec.spec.stdin,
        open_stderr: exec.spec.stderr,
        open_stdout: exec.spec.stdout,
        can_remove: false,
        container_id: exec.container_id,
        detach_keys: exec.spec.detach_keys,
        pid: exec.pid,
    }
}

/// Shows a path that is not as in the image.
pub fn path_change(change: PathChange) -> wire::PathChange {
    let kind = match change.kind {
        PathChangeKind::Modified => 0,
        PathChangeKind::Added => 1,
        PathChangeKind::Deleted => 2,
    };
    wire::PathChange { path: change.path, kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_grouped_by_what_they_are_inside() {
        let port = |public: Option<u16>| PortFacts {
            private: 80,
            protocol: "tcp".into(),
            public: public.map(|port| ("0.0.0.0".into(), port)),
        };
        let map = port_map(&[port(None), port(Some(8080)), port(Some(8081))]);
        let bindings = map["80/tcp"].as_ref().expect("bindings");
        assert_eq!(bindings.iter().map(|one| one.host_port.as_str()).collect::<Vec<_>>(), ["8080", "8081"]);
        assert_eq!(port_map(&[port(None)])["80/tcp"], None);
    }
}
