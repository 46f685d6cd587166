//! What is known of a container: its record, its task, its image, put together for lists and for inspect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use skep_agent::{ContainerRecord, ContainerView, HealthView, MountRecord, image};
use skep_api::server::facts::{
    ContainerDetail, ContainerFacts, ContainerFiles, ContainerState, Fault, HealthCheck, HealthFacts,
    HealthState, MountFacts, NetworkFacts, PortFacts, ProcessFacts,
};
use skep_core::worker::health::{self, State};
use skep_model::endpoint::{Port, Protocol};
use skep_model::template::ContainerSpec;
use skep_model::{TaskSpec, Timestamp};

use super::{Daemon, failed};

/// The network of every container, under the name that Docker gives it.
pub(crate) const NETWORK: &str = "bridge";
/// As `/networks` numbers it.
pub(crate) const NETWORK_ID: &str = "b71d6ed2a7c5b0e4d3f8a9167c2e5d40b71d6ed2a7c5b0e4d3f8a9167c2e5d40";

/// Returns what a list shows of all containers.
pub(super) async fn list(daemon: &Daemon) -> Vec<ContainerFacts> {
    let mut rows = Vec::new();
    // Many containers are of few images, and each is read from the disk.
    let mut images: BTreeMap<String, Option<image::Image>> = BTreeMap::new();
    for view in daemon.engine.containers() {
        let id = view.record.image_id.clone();
        if !images.contains_key(&id) {
            images.insert(id.clone(), image_of(daemon, &view).await);
        }
        rows.push(assemble(daemon, &view, images[&id].as_ref()));
    }
    rows
}

/// Returns everything about a container.
pub(super) async fn detail(daemon: &Daemon, view: &ContainerView) -> Result<ContainerDetail, Fault> {
    let spec = spec(daemon, view)?;
    let image = image_of(daemon, view).await;
    let paths = daemon.engine.paths(view.record.task_id).map_err(|error| failed(&error))?;
    let text = |path: std::path::PathBuf| path.display().to_string();
    let is_connected = view.address.is_some();
    let keeps_log = view.record.log_driver != "none";
    Ok(ContainerDetail {
        facts: assemble(daemon, view, image.as_ref()),
        pid: view.pid,
        oom_killed: view.ended.as_ref().is_some_and(|(exit, _)| exit.oom_killed),
        error: view.ended.as_ref().and_then(|(exit, _)| exit.lost.clone()).unwrap_or_default(),
        health: view.health.as_ref().map(health_facts),
        files: ContainerFiles {
            resolv_conf: text(paths.resolv_conf),
            hostname: text(paths.hostname),
            hosts: text(paths.hosts),
            log: if keeps_log { text(paths.log) } else { String::new() },
        },
        driver: "overlay".to_owned(),
        driver_data: Default::default(),
        exec_ids: daemon.containers.execs_of(&view.record.container_id),
        process: process(view, &spec.container, image.as_ref()),
        spec,
        runtime: runtime_name(daemon),
        netns: if is_connected { text(paths.netns) } else { String::new() },
    })
}

/// Returns the name of the OCI runtime in use.
pub(crate) fn runtime_name(daemon: &Daemon) -> String {
    let path = daemon.settings.oci_runtime.as_deref();
    let name = path.and_then(std::path::Path::file_name);
    name.map_or("skep".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn spec(daemon: &Daemon, view: &ContainerView) -> Result<Arc<TaskSpec>, Fault> {
    let task = daemon.engine.task(view.record.task_id).map_err(|error| failed(&error))?;
    Ok(task.map(|task| task.spec).unwrap_or_default())
}

/// An image may have gone while a container of it remains; then its defaults are not known any more.
async fn image_of(daemon: &Daemon, view: &ContainerView) -> Option<image::Image> {
    let id = view.record.image_id.parse().ok()?;
    daemon.engine.images().find_id(id).await.ok().flatten()
}

fn assemble(daemon: &Daemon, view: &ContainerView, image: Option<&image::Image>) -> ContainerFacts {
    let record = &view.record;
    let (state, finished_at) = match (view.started_at, &view.ended) {
        (Some(_), None) => (ContainerState::Running, Timestamp::default()),
        // Of what was lost nobody may know whether it had been started: after a restart of the machine, above all.
        (started_at, Some((exit, at))) if started_at.is_some() || exit.lost.is_some() => {
            (ContainerState::Exited, *at)
        }
        // Compat: what never ran is created for as long as it is there, whatever became of it.
        (_, _) => (ContainerState::Created, Timestamp::default()),
    };
    ContainerFacts {
        id: record.container_id.clone(),
        name: record.name.clone(),
        image: record.image.clone(),
        image_id: record.image_id.clone(),
        command: record.command.clone(),
        created_at: record.created_at,
        labels: record.labels.clone(),
        state,
        health: view.health.as_ref().map(|view| health_state(view.health.state)),
        started_at: view.started_at.unwrap_or_default(),
        finished_at,
        exit_code: match (state, &view.ended) {
            (ContainerState::Exited, Some((exit, _))) => exit.code,
            _ => 0,
        },
        ports: ports(record, image),
        mounts: record.mounts.iter().map(|one| mount(daemon, one)).collect(),
        networks: vec![network(daemon, view)],
    }
}

fn health_state(state: State) -> HealthState {
    match state {
        State::Starting => HealthState::Starting,
        State::Healthy => HealthState::Healthy,
        State::Unhealthy => HealthState::Unhealthy,
    }
}

fn health_facts(view: &HealthView) -> HealthFacts {
    let check = |probe: &skep_agent::HealthProbe| HealthCheck {
        started_at: probe.started_at,
        ended_at: probe.ended_at,
        exit_code: probe.exit_code,
        output: probe.output.clone(),
    };
    HealthFacts {
        state: health_state(view.health.state),
        failing_streak: view.health.failing_streak,
        checks: view.probes.iter().map(check).collect(),
    }
}

/// Returns the ports that the image speaks of, and those of this node that lead to the container.
fn ports(record: &ContainerRecord, image: Option<&image::Image>) -> Vec<PortFacts> {
    let open = |port: &Port| PortFacts {
        private: port.target,
        protocol: protocol(port.protocol).to_owned(),
        public: Some(("0.0.0.0".to_owned(), port.published)),
    };
    let mut ports: Vec<PortFacts> = record.ports.iter().map(open).collect();
    for text in image.iter().flat_map(|image| &image.config.exposed_ports) {
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let Ok(private) = number.parse() else { continue };
        let is_open = ports.iter().any(|port| port.private == private && port.protocol == protocol);
        if !is_open {
            ports.push(PortFacts { private, protocol: protocol.to_owned(), public: None });
        }
    }
    ports.sort();
    ports
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

fn mount(daemon: &Daemon, mount: &MountRecord) -> MountFacts {
    let volume = daemon.engine.volumes().find(&mount.volume).ok();
    let source = volume.map_or(mount.source.clone(), |volume| volume.mountpoint.display().to_string());
    MountFacts {
        kind: mount.kind.clone(),
        name: mount.volume.clone(),
        source,
        target: mount.target.clone(),
        driver: mount.driver.clone(),
        read_only: mount.read_only,
        propagation: mount.propagation.clone(),
    }
}

fn network(daemon: &Daemon, view: &ContainerView) -> NetworkFacts {
    let network = NetworkFacts {
        name: NETWORK.to_owned(),
        id: NETWORK_ID.to_owned(),
        endpoint_id: view.record.container_id.clone(),
        ..NetworkFacts::default()
    };
    let Some(address) = view.address else { return network };
    let subnet = daemon.settings.subnet;
    NetworkFacts {
        address: address.to_string(),
        prefix_length: subnet.prefix(),
        gateway: subnet.gateway().to_string(),
        mac_address: skep_net::Mac::of(address).to_string(),
        ..network
    }
}

/// Compat: Docker lists the service's variables before those of the image.
fn own_first(env: Vec<String>, spec: &ContainerSpec) -> Vec<String> {
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let own: BTreeSet<String> = spec.env.iter().map(|pair| name(pair)).collect();
    let (mut first, rest): (Vec<_>, Vec<_>) = env.into_iter().partition(|pair| own.contains(&name(pair)));
    first.extend(rest);
    first
}

fn process(view: &ContainerView, spec: &ContainerSpec, image: Option<&image::Image>) -> ProcessFacts {
    let config = image.map(|image| image.config.clone()).unwrap_or_default();
    let env = skep_agent::environment(spec, &config);
    let or = |own: &str, inherited: String| if own.is_empty() { inherited } else { own.to_owned() };
    let (entrypoint, args) = match (spec.command.is_empty(), spec.args.is_empty()) {
        (true, true) => (config.entrypoint, config.cmd),
        (true, false) => (config.entrypoint, spec.args.clone()),
        (false, _) => (spec.command.clone(), spec.args.clone()),
    };
    let inherited = view.record.image_health.as_ref();
    let mut exposed: BTreeSet<String> = config.exposed_ports.into_iter().collect();
    exposed
        .extend(view.record.ports.iter().map(|port| format!("{}/{}", port.target, protocol(port.protocol))));
    ProcessFacts {
        hostname: or(&spec.hostname, view.record.container_id[..12].to_owned()),
        user: or(&spec.user, config.user),
        env: own_first(env, spec),
        entrypoint,
        args,
        working_dir: or(&spec.dir, config.working_dir),
        tty: spec.tty,
        open_stdin: spec.open_stdin,
        stop_signal: or(&spec.stop_signal, config.stop_signal),
        healthcheck: health::effective(spec.healthcheck.as_ref(), inherited),
        exposed_ports: exposed.into_iter().collect(),
        volumes: config.volumes.into_iter().collect(),
    }
}
