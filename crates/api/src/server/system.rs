//! The handshake and what the daemon says of itself: `/_ping`, `/version`, `/info`, `/skep/v1/health`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use serde_json::json;

use super::entry::{MINOR_MAX, MINOR_MIN};
use super::error::Error;
use super::facts::{HostFacts, LocalNode, LocalState};
use super::{Context, View, reply};
use crate::convert::cluster;
use crate::convert::template::{LOG_DRIVER, LOG_DRIVERS};
use crate::wire;

pub fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/_ping", get(ping).head(ping_head))
        .route("/version", get(version))
        .route("/info", get(info))
        .route("/skep/v1/health", get(health))
}

async fn ping(State(context): State<Arc<Context>>) -> Response {
    let text = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (ping_headers(&context.backend.local_node()), text, "OK").into_response()
}

async fn ping_head(State(context): State<Arc<Context>>) -> Response {
    (ping_headers(&context.backend.local_node()), [(header::CONTENT_LENGTH, "0")]).into_response()
}

fn ping_headers(local: &LocalNode) -> [(&'static str, &'static str); 3] {
    let swarm = match (local.state, local.is_manager) {
        (LocalState::Active, true) => "active/manager",
        (LocalState::Active, false) => "active/worker",
        (state, _) => state_word(state),
    };
    [("cache-control", "no-cache, no-store, must-revalidate"), ("pragma", "no-cache"), ("swarm", swarm)]
}

fn state_word(state: LocalState) -> &'static str {
    match state {
        LocalState::Inactive => "inactive",
        LocalState::Pending => "pending",
        LocalState::Active => "active",
        LocalState::Error => "error",
        LocalState::Locked => "locked",
    }
}

/// Readiness: whether this node serves, and what.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    local_node_state: &'static str,
    control_available: bool,
    /// Index of the last log entry seen; absent where there is no log.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u64>,
}

async fn health(State(context): State<Arc<Context>>) -> Result<Response, Error> {
    let local = context.backend.local_node();
    let state = state_word(local.state);
    let serving = match local.state {
        LocalState::Active | LocalState::Inactive => true,
        LocalState::Pending | LocalState::Error | LocalState::Locked => false,
    };
    let index = match local.is_manager && serving {
        true => Some(context.view().await?.index()),
        false => None,
    };
    let health = Health { local_node_state: state, control_available: index.is_some(), index };
    let status = if serving { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(reply::json_with(status, &health))
}

async fn version(State(context): State<Arc<Context>>) -> Response {
    let host = context.backend.host().await;
    let api_version = format!("1.{MINOR_MAX}");
    let min_api_version = format!("1.{MINOR_MIN}");
    let arch = go_architecture(&host.architecture).to_owned();
    let details = [
        ("ApiVersion", api_version.clone()),
        ("Arch", arch.clone()),
        ("BuildTime", host.built_at.clone()),
        ("Experimental", "false".to_owned()),
        ("GitCommit", host.commit.clone()),
        ("GoVersion", String::new()),
        ("KernelVersion", host.kernel_version.clone()),
        ("MinAPIVersion", min_api_version.clone()),
        ("Os", "linux".to_owned()),
    ];
    let engine = wire::Component {
        // Compat: Portainer looks for a component of this name.
        name: "Engine".to_owned(),
        version: host.version.clone(),
        details: details.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    };
    reply::json(&wire::SystemVersion {
        platform: wire::PlatformName { name: "Skep".to_owned() },
        components: vec![engine],
        version: host.version,
        api_version,
        min_api_version,
        git_commit: host.commit,
        os: "linux".to_owned(),
        arch,
        kernel_version: host.kernel_version,
        build_time: host.built_at,
        ..Default::default()
    })
}

/// Images and `docker version` name architectures as Go does, nodes as `uname` does.
fn go_architecture(uname: &str) -> &str {
    match uname {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

async fn info(State(context): State<Arc<Context>>) -> Response {
    let host = context.backend.host().await;
    let swarm = swarm_info(&context).await;
    reply::json(&host_to_wire(host, swarm))
}

fn host_to_wire(host: HostFacts, swarm: wire::SwarmInfo) -> wire::Info {
    let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let containers = host.containers;
    wire::Info {
        id: host.id,
        containers: count(containers.running + containers.paused + containers.stopped),
        containers_running: count(containers.running),
        containers_paused: count(containers.paused),
        containers_stopped: count(containers.stopped),
        images: count(host.image_count),
        driver: host.storage_driver,
        driver_status: Some(host.storage_status),
        plugins: wire::PluginsInfo {
            volume: Some(vec!["local".to_owned()]),
            network: Some(vec!["bridge".to_owned()]),
            authorization: None,
            log: Some(LOG_DRIVERS.map(str::to_owned).into()),
        },
        memory_limit: host.limits.memory,
        swap_limit: host.limits.swap,
        cpu_cfs_period: host.limits.cpu_quota,
        cpu_cfs_quota: host.limits.cpu_quota,
        cpu_shares: host.limits.cpu_shares,
        cpu_set: host.limits.cpu_set,
        pids_limit: host.limits.pids,
        ipv4_forwarding: host.forwards_ipv4,
        debug: host.debug,
        nfd: count(host.file_count),
        system_time: jiff::Timestamp::now().to_string(),
        logging_driver: LOG_DRIVER.to_owned(),
        cgroup_driver: "cgroupfs".to_owned(),
        cgroup_version: host.cgroup_version,
        kernel_version: host.kernel_version,
        operating_system: host.operating_system,
        os_version: host.os_version,
        os_type: "linux".to_owned(),
        architecture: host.architecture,
        // Compat: what `docker login` without an argument logs in to.
        index_server_address: "https://index.docker.io/v1/".to_owned(),
        registry_config: Some(registry_config(&host.insecure_registries)),
        ncpu: i64::from(host.cpu_count),
        mem_total: host.memory_bytes,
        docker_root_dir: host.data_root,
        name: host.hostname,
        labels: host.labels,
        server_version: host.version,
        runtimes: BTreeMap::from([("skep".to_owned(), json!({ "path": "skep" }))]),
        default_runtime: "skep".to_owned(),
        swarm,
        live_restore_enabled: true,
        security_options: Some(host.security_options),
        cdi_spec_dirs: Some(Vec::new()),
        warnings: (!host.warnings.is_empty()).then_some(host.warnings),
        ..Default::default()
    }
}

/// Registries of the machine itself are asked without TLS, whatever is configured.
const LOOPBACK: &str = "127.0.0.0/8";

fn registry_config(insecure: &[String]) -> serde_json::Value {
    let (nets, hosts): (Vec<&String>, Vec<&String>) = insecure.iter().partition(|entry| entry.contains('/'));
    let mut nets: Vec<&str> = nets.into_iter().map(String::as_str).collect();
    if !nets.contains(&LOOPBACK) {
        nets.push(LOOPBACK);
    }
    let index = |name: &str, secure: bool, official: bool| json!({"Name": name, "Mirrors": [], "Secure": secure, "Official": official});
    let mut indexes = BTreeMap::from([("docker.io".to_owned(), index("docker.io", true, true))]);
    indexes.extend(hosts.into_iter().map(|host| (host.clone(), index(host, false, false))));
    json!({"InsecureRegistryCIDRs": nets, "IndexConfigs": indexes, "Mirrors": []})
}

/// The swarm block: this node's part, and on managers the cluster.
async fn swarm_info(context: &Context) -> wire::SwarmInfo {
    let local = context.backend.local_node();
    let info = wire::SwarmInfo {
        node_id: local.id.map(|id| id.to_string()).unwrap_or_default(),
        node_addr: local.addr,
        local_node_state: state_word(local.state).to_owned(),
        control_available: local.is_manager && local.state == LocalState::Active,
        error: local.error,
        ..Default::default()
    };
    if !info.control_available {
        return info;
    }
    match context.backend.view().await {
        Ok(view) => with_cluster(info, &*view),
        Err(refusal) => wire::SwarmInfo { error: refusal.message, ..info },
    }
}

fn with_cluster(info: wire::SwarmInfo, view: &dyn View) -> wire::SwarmInfo {
    let managers: Vec<wire::Peer> = view
        .nodes()
        .filter_map(|node| {
            let addr = node.manager_addr.clone()?;
            Some(wire::Peer { node_id: node.id.to_string(), addr })
        })
        .collect();
    wire::SwarmInfo {
        nodes: view.nodes().count() as u64,
        managers: managers.len() as u64,
        remote_managers: Some(managers),
        cluster: view.cluster().map(cluster::to_wire),
        ..info
    }
}
