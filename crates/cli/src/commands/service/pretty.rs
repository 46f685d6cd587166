//! `service inspect --pretty`: one service as text for people.
//!
//! The layout, down to tabs and trailing blanks, is docker's; scripts cut it apart. Each section begins with a line
//! break and ends without one.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::Timestamp;
use skep_api::wire::{
    ContainerSpec, Driver, FileTarget, HealthConfig, Placement, PortConfig, ResourceRequirements, Service,
    UpdateConfig, UpdateStatus,
};

use crate::format::{bytes, since};
use crate::grammar::show_duration;

/// Billionths of a CPU in one CPU.
const NANO: f64 = 1e9;

/// Appends formatted text to a string.
macro_rules! put {
    ($text:expr, $($arguments:tt)*) => {
        write!($text, $($arguments)*).expect("writing to a string cannot fail")
    };
}

/// Renders a service; `networks` are the names of its networks by id.
pub(super) fn pretty(service: &Service, networks: &BTreeMap<String, String>, now: Timestamp) -> String {
    let spec = &service.spec;
    let task = &spec.task_template;
    let mut text = String::new();
    head(&mut text, service);
    if let Some(status) = service.update_status.as_ref().filter(|status| !status.state.is_empty()) {
        update_status(&mut text, status, now);
    }
    placement(&mut text, task.placement.as_ref());
    if let Some(config) = &spec.update_config {
        pace(&mut text, "Update", config);
    }
    if let Some(config) = &spec.rollback_config {
        pace(&mut text, "Rollback", config);
    }
    let empty = ContainerSpec::default();
    let container = task.container_spec.as_ref().unwrap_or(&empty);
    process(&mut text, container);
    limits(&mut text, container);
    files(&mut text, container);
    if let Some(driver) = &task.log_driver {
        log_driver(&mut text, driver);
    }
    if let Some(resources) = &task.resources {
        self::resources(&mut text, resources);
    }
    let attachments = if task.networks.is_empty() { &spec.networks } else { &task.networks };
    if !attachments.is_empty() {
        text.push_str("\nNetworks:");
        for network in attachments {
            put!(text, " {}", networks.get(&network.target).unwrap_or(&network.target));
        }
        text.push(' ');
    }
    let mode = spec.endpoint_spec.as_ref().map_or("", |endpoint| endpoint.mode.as_str());
    put!(text, "\nEndpoint Mode:\t{mode}");
    ports(&mut text, &service.endpoint.ports);
    if let Some(check) = &container.healthcheck {
        healthcheck(&mut text, check);
    }
    text.push_str("\n\n");
    text
}

fn head(text: &mut String, service: &Service) {
    let spec = &service.spec;
    put!(text, "\nID:\t\t{}\nName:\t\t{}", service.id, spec.name);
    if !spec.labels.is_empty() {
        text.push_str("\nLabels:");
        for (key, value) in &spec.labels {
            let separator = if value.is_empty() { "" } else { "=" };
            put!(text, "\n {key}{separator}{value}");
        }
    }
    text.push_str("\nService Mode:");
    if spec.mode.global.is_some() {
        text.push_str("\tGlobal");
    } else if let Some(mode) = spec.mode.replicated {
        text.push_str("\tReplicated");
        if let Some(replicas) = mode.replicas {
            put!(text, "\n Replicas:\t{replicas}");
        }
    }
}

fn update_status(text: &mut String, status: &UpdateStatus, now: Timestamp) {
    put!(text, "\nUpdateStatus:\n State:\t\t{}", status.state);
    if let Some(started_at) = status.started_at.filter(|at| !at.is_zero()) {
        put!(text, "\n Started:\t{} ago", since(started_at.0, now));
    }
    if let Some(completed_at) = status.completed_at.filter(|at| !at.is_zero() && status.state == "completed")
    {
        put!(text, "\n Completed:\t{} ago", since(completed_at.0, now));
    }
    put!(text, "\n Message:\t{}", status.message);
}

fn placement(text: &mut String, placement: Option<&Placement>) {
    text.push_str("\nPlacement:");
    let Some(placement) = placement else { return };
    if !placement.constraints.is_empty() {
        put!(text, "\n Constraints:\t[{}]", placement.constraints.join(" "));
    }
    let spreads = placement.preferences.iter().filter_map(|preference| preference.spread.as_ref());
    let spreads: Vec<String> = spreads.map(|spread| format!("spread={}", spread.spread_descriptor)).collect();
    if !spreads.is_empty() {
        put!(text, "\n Preferences:   [{}]", spreads.join(" "));
    }
    if placement.max_replicas > 0 {
        put!(text, "\n Max Replicas Per Node:   {}", placement.max_replicas);
    }
}

fn pace(text: &mut String, what: &str, config: &UpdateConfig) {
    put!(text, "\n{what}Config:\n Parallelism:\t{}", config.parallelism);
    if config.delay > 0 {
        put!(text, "\n Delay:\t\t{}", show_duration(config.delay));
    }
    put!(text, "\n On failure:\t{}", config.failure_action);
    if config.monitor > 0 {
        put!(text, "\n Monitoring Period: {}", show_duration(config.monitor));
    }
    put!(text, "\n Max failure ratio: {}", config.max_failure_ratio);
    put!(text, "\n {:<19}{}", format!("{what} order:"), config.order);
}

fn process(text: &mut String, container: &ContainerSpec) {
    put!(text, "\nContainerSpec:\n Image:\t\t{}", container.image);
    for (label, words) in [("Args", &container.args), ("Env", &container.env)] {
        if !words.is_empty() {
            put!(text, "\n {label}:\t\t{} ", words.join(" "));
        }
    }
    if !container.dir.is_empty() {
        put!(text, "\n Dir:\t\t{}", container.dir);
    }
    if let Some(init) = container.init {
        put!(text, "\n Init:\t\t{init}");
    }
    if !container.user.is_empty() {
        put!(text, "\n User: {}", container.user);
    }
}

fn limits(text: &mut String, container: &ContainerSpec) {
    let (add, drop) = (&container.capability_add, &container.capability_drop);
    if !add.is_empty() || !drop.is_empty() {
        text.push_str("\nCapabilities:");
    }
    for (label, names) in [("Add", add), ("Drop", drop)] {
        if !names.is_empty() {
            put!(text, "\n {label}: {}", names.join(", "));
        }
    }
    if !container.sysctls.is_empty() {
        text.push_str("\nSysCtls:");
    }
    for (key, value) in &container.sysctls {
        let separator = if value.is_empty() { "" } else { ": " };
        put!(text, "\n {key}{separator}{value}");
    }
    if !container.ulimits.is_empty() {
        text.push_str("\nUlimits:");
    }
    for limit in &container.ulimits {
        put!(text, "\n {}: {}:{}", limit.name, limit.soft, limit.hard);
    }
}

fn files(text: &mut String, container: &ContainerSpec) {
    if !container.mounts.is_empty() {
        text.push_str("\nMounts:");
    }
    for mount in &container.mounts {
        put!(text, "\n Target:\t{}\n  Source:\t{}", mount.target, mount.source);
        put!(text, "\n  ReadOnly:\t{}\n  Type:\t\t{}", mount.read_only, mount.kind);
    }
    let target = |file: &Option<FileTarget>| file.as_ref().map(|file| file.name.clone()).unwrap_or_default();
    let configs: Vec<_> = container.configs.iter().filter(|config| config.file.is_some()).collect();
    if !configs.is_empty() {
        text.push_str("\nConfigs:");
    }
    for config in configs {
        put!(text, "\n Target:\t{}\n  Source:\t{}", target(&config.file), config.config_name);
    }
    if !container.secrets.is_empty() {
        text.push_str("\nSecrets:");
    }
    for secret in &container.secrets {
        put!(text, "\n Target:\t{}\n  Source:\t{}", target(&secret.file), secret.secret_name);
    }
}

fn log_driver(text: &mut String, driver: &Driver) {
    put!(text, "\nLog Driver:\n Name:\t\t{}", driver.name);
    if !driver.options.is_empty() {
        text.push_str("\n LogOpts:");
    }
    for (key, value) in &driver.options {
        let separator = if value.is_empty() { "" } else { ":       " };
        put!(text, "\n  {key}{separator}{value}");
    }
    text.push('\n');
}

fn resources(text: &mut String, resources: &ResourceRequirements) {
    text.push_str("\nResources:");
    let amounts = |text: &mut String, nano_cpus: i64, memory: i64| {
        if nano_cpus > 0 {
            put!(text, "\n  CPU:\t\t{}", nano_cpus as f64 / NANO);
        }
        if memory > 0 {
            put!(text, "\n  Memory:\t{}", bytes(memory));
        }
    };
    if let Some(reserved) = &resources.reservations
        && (reserved.nano_cpus > 0 || reserved.memory_bytes > 0)
    {
        text.push_str("\n Reservations:");
        amounts(text, reserved.nano_cpus, reserved.memory_bytes);
    }
    if let Some(limits) = &resources.limits
        && (limits.nano_cpus > 0 || limits.memory_bytes > 0 || limits.pids > 0)
    {
        text.push_str("\n Limits:");
        amounts(text, limits.nano_cpus, limits.memory_bytes);
        if limits.pids > 0 {
            put!(text, "\n  PIDs:\t\t{}", limits.pids);
        }
    }
}

fn ports(text: &mut String, ports: &[PortConfig]) {
    if ports.is_empty() {
        return;
    }
    text.push_str("\nPorts:");
    for port in ports {
        put!(text, "\n PublishedPort = {}\n  Protocol = {}", port.published_port, port.protocol);
        put!(text, "\n  TargetPort = {}\n  PublishMode = {}", port.target_port, port.publish_mode);
    }
    text.push(' ');
}

fn healthcheck(text: &mut String, check: &HealthConfig) {
    put!(text, "\n Healthcheck:\n  Interval = {}", show_duration(check.interval));
    put!(text, "\n  Retries = {}", check.retries);
    put!(text, "\n  StartPeriod =\t{}", show_duration(check.start_period));
    put!(text, "\n  Timeout =\t{}", show_duration(check.timeout));
    if !check.test.is_empty() {
        text.push_str("\n  Tests:");
        for word in &check.test {
            put!(text, "\n\t Test = {word}");
        }
        text.push(' ');
    }
}
