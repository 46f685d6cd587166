//! Everything about one container, in the many words of `docker inspect`.

use std::collections::BTreeMap;

use serde_json::json;
use skep_model::TaskSpec;
use skep_model::endpoint::Port;

use super::super::{container as spec, mount, port, template, time};
use super::{container, words};
use crate::server::facts::{ContainerDetail, ContainerSize, ContainerState, HealthFacts, ProcessFacts};
use crate::wire::local as wire;

/// What containers must not see of `/proc` and `/sys`; the runtime sees to it.
const MASKED_PATHS: [&str; 11] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];
const READONLY_PATHS: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
/// Size of `/dev/shm` in every container, as Docker makes it.
const SHM_BYTES: i64 = 64 << 20;

/// Shows a container.
pub fn to_wire(detail: ContainerDetail, size: Option<ContainerSize>) -> wire::ContainerInspect {
    let facts = &detail.facts;
    wire::ContainerInspect {
        id: facts.id.clone(),
        created: time(facts.created_at),
        path: facts.command.first().cloned().unwrap_or_default(),
        args: facts.command.iter().skip(1).cloned().collect(),
        state: state(&detail),
        image: facts.image_id.clone(),
        resolv_conf_path: detail.files.resolv_conf.clone(),
        hostname_path: detail.files.hostname.clone(),
        hosts_path: detail.files.hosts.clone(),
        log_path: detail.files.log.clone(),
        name: format!("/{}", facts.name),
        driver: detail.driver.clone(),
        platform: "linux".to_owned(),
        exec_ids: (!detail.exec_ids.is_empty()).then(|| detail.exec_ids.clone()),
        host_config: host_config(&detail),
        graph_driver: wire::GraphDriver {
            data: Some(detail.driver_data.clone()),
            name: detail.driver.clone(),
        },
        size_rw: size.map(|size| size.writable),
        size_root_fs: size.map(|size| size.root),
        mounts: facts.mounts.iter().map(container::mount).collect(),
        config: config(&detail),
        network_settings: network_settings(&detail),
        ..wire::ContainerInspect::default()
    }
}

fn state(detail: &ContainerDetail) -> wire::ContainerState {
    let facts = &detail.facts;
    wire::ContainerState {
        status: words::state(facts.state).to_owned(),
        running: facts.state == ContainerState::Running,
        oom_killed: detail.oom_killed,
        pid: i64::from(detail.pid),
        exit_code: i64::from(facts.exit_code),
        error: detail.error.clone(),
        started_at: time(facts.started_at),
        finished_at: time(facts.finished_at),
        health: detail.health.as_ref().map(health),
        ..wire::ContainerState::default()
    }
}

fn health(health: &HealthFacts) -> wire::ContainerHealth {
    let probe = |check: &crate::server::facts::HealthCheck| wire::HealthProbe {
        start: time(check.started_at),
        end: time(check.ended_at),
        exit_code: i64::from(check.exit_code),
        output: check.output.clone(),
    };
    wire::ContainerHealth {
        status: words::health(health.state).to_owned(),
        failing_streak: i64::from(health.failing_streak),
        log: health.checks.iter().map(probe).collect(),
    }
}

fn config(detail: &ContainerDetail) -> wire::ContainerConfig {
    let ProcessFacts {
        hostname,
        user,
        env,
        entrypoint,
        args,
        working_dir,
        tty,
        open_stdin,
        stop_signal,
        healthcheck,
        exposed_ports,
        volumes,
    } = detail.process.clone();
    let some = |words: Vec<String>| (!words.is_empty()).then_some(words);
    wire::ContainerConfig {
        hostname,
        user,
        exposed_ports: set(exposed_ports),
        tty,
        open_stdin,
        env: Some(env),
        cmd: some(args),
        healthcheck: healthcheck.as_ref().map(spec::health_to_wire),
        image: detail.facts.image.clone(),
        volumes: set(volumes),
        working_dir,
        entrypoint: some(entrypoint),
        labels: Some(detail.facts.labels.clone()),
        stop_signal,
        ..wire::ContainerConfig::default()
    }
}

/// Returns names as Go's sets come out: an object with empty values, null without any.
pub(super) fn set(names: Vec<String>) -> Option<BTreeMap<String, serde_json::Value>> {
    (!names.is_empty()).then(|| names.into_iter().map(|name| (name, json!({}))).collect())
}

fn host_config(detail: &ContainerDetail) -> wire::HostConfig {
    let task: &TaskSpec = &detail.spec;
    let container = &task.container;
    let shown = spec::to_wire(container);
    let some = |words: Vec<String>| (!words.is_empty()).then_some(words);
    let limits = task.resources.limits.clone().unwrap_or_default();
    let reservations = task.resources.reservations.clone().unwrap_or_default();
    let dns = shown.dns_config.unwrap_or_default();
    let log = task.log.clone().unwrap_or_default();
    let paths = |paths: &[&str]| Some(paths.iter().map(|&path| path.to_owned()).collect());
    wire::HostConfig {
        log_config: wire::LogConfig {
            kind: if log.name.is_empty() { template::LOG_DRIVER.to_owned() } else { log.name },
            config: log.options,
        },
        network_mode: "default".to_owned(),
        port_bindings: bindings(&task.host_ports),
        cap_add: some(shown.capability_add),
        cap_drop: some(shown.capability_drop),
        cgroupns_mode: "private".to_owned(),
        dns: some(dns.nameservers),
        dns_options: some(dns.options),
        dns_search: some(dns.search),
        extra_hosts: some(container.hosts.iter().flat_map(|line| extra_hosts(line)).collect()),
        group_add: some(shown.groups),
        ipc_mode: "private".to_owned(),
        oom_score_adj: shown.oom_score_adj,
        readonly_rootfs: shown.read_only,
        security_opt: shown
            .privileges
            .is_some_and(|given| given.no_new_privileges)
            .then(|| vec!["no-new-privileges".to_owned()]),
        shm_size: SHM_BYTES,
        sysctls: shown.sysctls,
        runtime: detail.runtime.clone(),
        isolation: "default".to_owned(),
        memory: limits.memory_bytes,
        memory_swap: memory_and_swap(limits.memory_bytes, task.resources.swap_bytes),
        nano_cpus: limits.nano_cpus,
        memory_reservation: reservations.memory_bytes,
        oom_kill_disable: Some(false),
        pids_limit: (limits.pids > 0).then_some(limits.pids),
        ulimits: Some(shown.ulimits),
        mounts: container.mounts.iter().map(|given| host_mount(mount::to_wire(given))).collect(),
        masked_paths: paths(&MASKED_PATHS),
        readonly_paths: paths(&READONLY_PATHS),
        init: shown.init,
        ..wire::HostConfig::default()
    }
}

/// Returns the ports of the node that were asked for, by what they lead to.
fn bindings(ports: &[Port]) -> BTreeMap<String, Vec<wire::PortBinding>> {
    let mut bindings: BTreeMap<String, Vec<wire::PortBinding>> = BTreeMap::new();
    for given in ports {
        let number = if given.published == 0 { String::new() } else { given.published.to_string() };
        let binding = wire::PortBinding { host_ip: String::new(), host_port: number };
        let inside = format!("{}/{}", given.target, port::to_wire(given).protocol);
        bindings.entry(inside).or_default().push(binding);
    }
    bindings
}

/// Returns the limit of memory and swap together, as the runtime sets it: twice the memory if nothing else is said.
fn memory_and_swap(memory: i64, swap: Option<i64>) -> i64 {
    match swap {
        _ if memory == 0 => 0,
        Some(swap) if swap < 0 => -1,
        swap => memory.saturating_add(swap.unwrap_or(memory)),
    }
}

/// From `IP name…`, as a line of /etc/hosts reads, to Docker's `name:IP`.
fn extra_hosts(line: &str) -> Vec<String> {
    let mut words = line.split_ascii_whitespace();
    let address = words.next().unwrap_or_default();
    words.map(|name| format!("{name}:{address}")).collect()
}

fn host_mount(given: crate::wire::Mount) -> wire::HostMount {
    wire::HostMount {
        kind: given.kind,
        source: given.source,
        target: given.target,
        read_only: given.read_only,
        bind_options: given.bind_options,
        volume_options: given.volume_options,
        tmpfs_options: given.tmpfs_options,
    }
}

fn network_settings(detail: &ContainerDetail) -> wire::NetworkSettings {
    let networks = container::networks(&detail.facts.networks);
    // Compat: the default network shows a second time, in the fields from before there were several.
    let first = networks.get("bridge").cloned().unwrap_or_default();
    wire::NetworkSettings {
        sandbox_id: detail.facts.id.clone(),
        sandbox_key: detail.netns.clone(),
        ports: container::port_map(&detail.facts.ports),
        endpoint_id: first.endpoint_id,
        gateway: first.gateway,
        ip_address: first.ip_address,
        ip_prefix_len: first.ip_prefix_len,
        mac_address: first.mac_address,
        networks,
        ..wire::NetworkSettings::default()
    }
}
