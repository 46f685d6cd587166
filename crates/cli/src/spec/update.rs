//! Flags merged into the spec of an existing service.

use std::collections::BTreeMap;

use clap::Args;
use skep_api::wire::{
    ContainerSpec, DiscreteResource, GenericResource, Mount, NetworkAttachmentConfig, Placement,
    PlacementPreference, PortConfig, Resources, ServiceSpec, TaskSpec, Ulimit,
};

use super::create::{Ports, log_driver, swarm_host};
use super::environment::{name, replace};
use super::flags::{Words, by_name};
use super::pace::set;
use super::{Environment, SpecFlags, capability, health, key_values, pace};
use crate::fault::Fault;
use crate::grammar::{
    FileRef, config_ref, dns_search, env, generic_resource, generic_resources, host, ip_address, label,
    mount, network, placement_pref, publish, secret_ref, ulimit, words,
};

#[derive(Args, Clone, Debug, Default, PartialEq)]
pub(crate) struct UpdateFlags {
    #[command(flatten)]
    pub shared: SpecFlags,
    /// Service command args
    #[arg(long, value_name = "command", value_parser = words)]
    pub args: Option<Words>,
    /// Add or update a config file on a service
    #[arg(long, value_name = "config", value_parser = config_ref)]
    pub config_add: Vec<FileRef>,
    /// Remove a configuration file
    #[arg(long, value_name = "list")]
    pub config_rm: Vec<String>,
    /// Add or update a placement constraint
    #[arg(long, value_name = "list")]
    pub constraint_add: Vec<String>,
    /// Remove a constraint
    #[arg(long, value_name = "list")]
    pub constraint_rm: Vec<String>,
    /// Add or update a container label
    #[arg(long, value_name = "list", value_parser = label)]
    pub container_label_add: Vec<String>,
    /// Remove a container label by its key
    #[arg(long, value_name = "list")]
    pub container_label_rm: Vec<String>,
    /// Add or update a custom DNS server
    #[arg(long, value_name = "list", value_parser = ip_address)]
    pub dns_add: Vec<String>,
    /// Add or update a DNS option
    #[arg(long, value_name = "list")]
    pub dns_option_add: Vec<String>,
    /// Remove a DNS option
    #[arg(long, value_name = "list")]
    pub dns_option_rm: Vec<String>,
    /// Remove a custom DNS server
    #[arg(long, value_name = "list")]
    pub dns_rm: Vec<String>,
    /// Add or update a custom DNS search domain
    #[arg(long, value_name = "list", value_parser = dns_search)]
    pub dns_search_add: Vec<String>,
    /// Remove a DNS search domain
    #[arg(long, value_name = "list")]
    pub dns_search_rm: Vec<String>,
    /// Add or update an environment variable
    #[arg(long, value_name = "list", value_parser = env)]
    pub env_add: Vec<String>,
    /// Remove an environment variable
    #[arg(long, value_name = "list")]
    pub env_rm: Vec<String>,
    /// Force update even if no changes require it
    #[arg(long)]
    pub force: bool,
    /// Add a Generic resource
    #[arg(long, value_name = "list", value_parser = generic_resource)]
    pub generic_resource_add: Vec<String>,
    /// Remove a Generic resource
    #[arg(long, value_name = "list")]
    pub generic_resource_rm: Vec<String>,
    /// Add an additional supplementary user group to the container
    #[arg(long, value_name = "list")]
    pub group_add: Vec<String>,
    /// Remove a previously added supplementary user group from the container
    #[arg(long, value_name = "list")]
    pub group_rm: Vec<String>,
    /// Add a custom host-to-IP mapping ("host:ip")
    #[arg(long, value_name = "list", value_parser = host)]
    pub host_add: Vec<String>,
    /// Remove a custom host-to-IP mapping ("host:ip")
    #[arg(long, value_name = "list")]
    pub host_rm: Vec<String>,
    /// Service image tag
    #[arg(long, value_name = "string")]
    pub image: Option<String>,
    /// Add or update a service label
    #[arg(long, value_name = "list", value_parser = label)]
    pub label_add: Vec<String>,
    /// Remove a label by its key
    #[arg(long, value_name = "list")]
    pub label_rm: Vec<String>,
    /// Add or update a mount on a service
    #[arg(long, value_name = "mount", value_parser = mount)]
    pub mount_add: Vec<Mount>,
    /// Remove a mount by its target path
    #[arg(long, value_name = "list")]
    pub mount_rm: Vec<String>,
    /// Add a network
    #[arg(long, value_name = "network", value_parser = network)]
    pub network_add: Vec<NetworkAttachmentConfig>,
    /// Remove a network
    #[arg(long, value_name = "list")]
    pub network_rm: Vec<String>,
    /// Add a placement preference
    #[arg(long, value_name = "pref", value_parser = placement_pref)]
    pub placement_pref_add: Vec<PlacementPreference>,
    /// Remove a placement preference
    #[arg(long, value_name = "pref", value_parser = placement_pref)]
    pub placement_pref_rm: Vec<PlacementPreference>,
    /// Add or update a published port
    #[arg(long, value_name = "port", value_parser = publish)]
    pub publish_add: Vec<Ports>,
    /// Remove a published port by its target port
    #[arg(long, value_name = "port", value_parser = publish)]
    pub publish_rm: Vec<Ports>,
    /// Rollback to previous specification
    #[arg(long)]
    pub rollback: bool,
    /// Add or update a secret on a service
    #[arg(long, value_name = "secret", value_parser = secret_ref)]
    pub secret_add: Vec<FileRef>,
    /// Remove a secret
    #[arg(long, value_name = "list")]
    pub secret_rm: Vec<String>,
    /// Add or update a Sysctl option
    #[arg(long, value_name = "list")]
    pub sysctl_add: Vec<String>,
    /// Remove a Sysctl option
    #[arg(long, value_name = "list")]
    pub sysctl_rm: Vec<String>,
    /// Add or update a ulimit option (default [])
    #[arg(long, value_name = "ulimit", value_parser = ulimit)]
    pub ulimit_add: Vec<Ulimit>,
    /// Remove a ulimit option
    #[arg(long, value_name = "list")]
    pub ulimit_rm: Vec<String>,
}

/// Merges all flags but those about networks, secrets and configs, which need the daemon.
pub(crate) fn apply(
    flags: &UpdateFlags,
    spec: &mut ServiceSpec,
    environment: &Environment<'_>,
) -> Result<(), Fault> {
    let shared = &flags.shared;
    merge_map(&mut spec.labels, &flags.label_rm, &flags.label_add);
    let task = &mut spec.task_template;
    apply_container(flags, task.container_spec.get_or_insert_default(), environment)?;
    apply_resources(flags, task)?;
    apply_placement(flags, task);
    pace::merge_restart(shared, &mut task.restart_policy);
    if let Some(replicas) = shared.replicas {
        let mode = spec.mode.replicated.as_mut();
        let mode = mode.ok_or_else(|| Fault::new("replicas can only be used with replicated mode"))?;
        mode.replicas = Some(replicas);
    }
    pace::merge_update(shared, &mut spec.update_config);
    pace::merge_rollback(shared, &mut spec.rollback_config);
    if let Some(mode) = &shared.endpoint_mode {
        spec.endpoint_spec.get_or_insert_default().mode.clone_from(mode);
    }
    if !flags.publish_add.is_empty() || !flags.publish_rm.is_empty() {
        let ports = &mut spec.endpoint_spec.get_or_insert_default().ports;
        merge_ports(ports, &flags.publish_rm.concat(), &flags.publish_add.concat());
    }
    if let Some(driver) = log_driver(shared) {
        task.log_driver = Some(driver);
    }
    task.force_update += u64::from(flags.force);
    Ok(())
}

fn apply_container(
    flags: &UpdateFlags,
    container: &mut ContainerSpec,
    environment: &Environment<'_>,
) -> Result<(), Fault> {
    let shared = flags.shared.clone();
    merge_map(&mut container.labels, &flags.container_label_rm, &flags.container_label_add);
    merge_map(&mut container.sysctls, &flags.sysctl_rm, &flags.sysctl_add);
    set(&mut container.image, flags.image.clone());
    set(&mut container.args, flags.args.clone());
    set(&mut container.command, shared.entrypoint.clone());
    set(&mut container.dir, shared.workdir.clone());
    set(&mut container.user, shared.user.clone());
    set(&mut container.hostname, shared.hostname.clone());
    set(&mut container.isolation, shared.isolation.clone());
    set(&mut container.stop_signal, shared.stop_signal.clone());
    set(&mut container.tty, shared.tty);
    set(&mut container.read_only, shared.read_only);
    set(&mut container.oom_score_adj, shared.oom_score_adj);
    container.init = shared.init.or(container.init);
    container.stop_grace_period = shared.stop_grace_period.or(container.stop_grace_period);
    merge_env(&mut container.env, &flags.env_rm, environment.lookup(&flags.env_add));
    merge_mounts(&mut container.mounts, &flags.mount_rm, &flags.mount_add)?;
    merge_hosts(&mut container.hosts, &flags.host_rm, &flags.host_add);
    merge_ulimits(&mut container.ulimits, &flags.ulimit_rm, &flags.ulimit_add);
    merge_sorted(&mut container.groups, &flags.group_rm, &flags.group_add);
    let dns_flags = [
        &flags.dns_add,
        &flags.dns_rm,
        &flags.dns_option_add,
        &flags.dns_option_rm,
        &flags.dns_search_add,
        &flags.dns_search_rm,
    ];
    if dns_flags.iter().any(|flag| !flag.is_empty()) {
        let dns = container.dns_config.get_or_insert_default();
        merge_dns(&mut dns.nameservers, &flags.dns_rm, &flags.dns_add);
        merge_dns(&mut dns.search, &flags.dns_search_rm, &flags.dns_search_add);
        merge_dns(&mut dns.options, &flags.dns_option_rm, &flags.dns_option_add);
    }
    capability::merge(&shared.cap_add, &shared.cap_drop, container);
    health::merge(&shared, &mut container.healthcheck)
}

fn apply_resources(flags: &UpdateFlags, task: &mut TaskSpec) -> Result<(), Fault> {
    let shared = &flags.shared;
    if shared.limit_cpu.is_some() || shared.limit_memory.is_some() || shared.limit_pids.is_some() {
        let resources = task.resources.get_or_insert_default();
        resources.reservations.get_or_insert_default();
        let limits = resources.limits.get_or_insert_default();
        set(&mut limits.nano_cpus, shared.limit_cpu);
        set(&mut limits.memory_bytes, shared.limit_memory);
        set(&mut limits.pids, shared.limit_pids);
    }
    if shared.reserve_cpu.is_some() || shared.reserve_memory.is_some() {
        let resources = task.resources.get_or_insert_default();
        resources.limits.get_or_insert_default();
        let reservations = resources.reservations.get_or_insert_default();
        set(&mut reservations.nano_cpus, shared.reserve_cpu);
        set(&mut reservations.memory_bytes, shared.reserve_memory);
    }
    if flags.generic_resource_add.is_empty() && flags.generic_resource_rm.is_empty() {
        return Ok(());
    }
    let resources = task.resources.get_or_insert_default();
    let reservations = resources.reservations.get_or_insert_default();
    merge_generic(reservations, &flags.generic_resource_rm, &flags.generic_resource_add)
}

fn merge_generic(reservations: &mut Resources, remove: &[String], add: &[String]) -> Result<(), Fault> {
    let added = generic_resources(add)?;
    let known = reservations.generic_resources.drain(..).chain(added);
    let mut by_kind: BTreeMap<String, i64> = known
        .filter_map(|resource| resource.discrete_resource_spec)
        .map(|one| (one.kind, one.value))
        .collect();
    for kind in remove {
        if by_kind.remove(kind).is_none() {
            return Err(Fault::new(format!("could not find generic-resource `{kind}` to remove it")));
        }
    }
    let resource = |(kind, value)| GenericResource {
        discrete_resource_spec: Some(DiscreteResource { kind, value }),
        ..GenericResource::default()
    };
    reservations.generic_resources = by_kind.into_iter().map(resource).collect();
    Ok(())
}

fn apply_placement(flags: &UpdateFlags, task: &mut TaskSpec) {
    let placement = &mut task.placement;
    if !flags.constraint_add.is_empty() || !flags.constraint_rm.is_empty() {
        let constraints = &mut placement.get_or_insert_with(Placement::default).constraints;
        merge_sorted(constraints, &flags.constraint_rm, &flags.constraint_add);
    }
    if !flags.placement_pref_add.is_empty() || !flags.placement_pref_rm.is_empty() {
        let preferences = &mut placement.get_or_insert_with(Placement::default).preferences;
        preferences.retain(|preference| !flags.placement_pref_rm.contains(preference));
        preferences.extend(flags.placement_pref_add.iter().cloned());
    }
    if let Some(max_replicas) = flags.shared.replicas_max_per_node {
        placement.get_or_insert_with(Placement::default).max_replicas = max_replicas;
    }
}

fn merge_map(map: &mut BTreeMap<String, String>, remove: &[String], add: &[String]) {
    map.retain(|key, _| !remove.contains(key));
    map.extend(key_values(add));
}

/// Unlike docker, which shuffles the variables on every addition, this keeps their order.
fn merge_env(variables: &mut Vec<String>, remove: &[String], add: Vec<String>) {
    variables.retain(|variable| !remove.iter().any(|removed| removed == name(variable)));
    for variable in add {
        replace(variables, variable);
    }
}

/// Adds, then removes exact texts, then sorts, so that the result is predictable.
fn merge_sorted(items: &mut Vec<String>, remove: &[String], add: &[String]) {
    if remove.is_empty() && add.is_empty() {
        return;
    }
    items.extend_from_slice(add);
    items.retain(|item| !remove.contains(item));
    items.sort();
}

fn merge_dns(items: &mut Vec<String>, remove: &[String], add: &[String]) {
    items.extend_from_slice(add);
    items.retain(|item| !remove.contains(item));
    items.sort();
    items.dedup();
}

/// Unlike docker, which sorts the mounts on every update and so restarts all tasks for a new label, this leaves them
/// alone unless a flag is about them.
fn merge_mounts(mounts: &mut Vec<Mount>, remove: &[String], add: &[Mount]) -> Result<(), Fault> {
    if remove.is_empty() && add.is_empty() {
        return Ok(());
    }
    let mut by_target: BTreeMap<String, Mount> =
        mounts.drain(..).map(|mount| (mount.target.clone(), mount)).collect();
    for (index, mount) in add.iter().enumerate() {
        if add[..index].iter().any(|earlier| earlier.target == mount.target) {
            return Err(Fault::new("duplicate mount target"));
        }
        by_target.insert(mount.target.clone(), mount.clone());
    }
    by_target.retain(|target, _| !remove.contains(target));
    mounts.extend(by_target.into_values());
    mounts.sort_by(|a, b| (&a.source, &a.target).cmp(&(&b.source, &b.target)));
    Ok(())
}

/// Removes a name from every line, or from the lines of one address with `name:ip`; then appends.
fn merge_hosts(hosts: &mut Vec<String>, remove: &[String], add: &[String]) {
    if remove.is_empty() && add.is_empty() {
        return;
    }
    let removed: Vec<(&str, &str)> =
        remove.iter().map(|text| text.split_once(':').unwrap_or((text, ""))).collect();
    let mut merged: Vec<String> = Vec::new();
    for line in hosts.drain(..) {
        let mut words = line.split_whitespace();
        let Some(address) = words.next() else { continue };
        let is_removed =
            |host: &&str| removed.iter().any(|(name, ip)| name == host && (ip.is_empty() || *ip == address));
        let kept: Vec<&str> = words.filter(|host| !is_removed(host)).collect();
        if !kept.is_empty() {
            merged.push(format!("{address} {}", kept.join(" ")));
        }
    }
    for line in merged.into_iter().chain(add.iter().map(|host| swarm_host(host))) {
        if !hosts.contains(&line) {
            hosts.push(line);
        }
    }
}

fn merge_ulimits(ulimits: &mut Vec<Ulimit>, remove: &[String], add: &[Ulimit]) {
    if remove.is_empty() && add.is_empty() {
        return;
    }
    let known = std::mem::take(ulimits).into_iter().filter(|ulimit| !remove.contains(&ulimit.name));
    *ulimits = by_name(known.chain(add.iter().cloned()).collect());
}

/// Removes by target port, protocol and mode, whatever port is published; then adds what is not there.
fn merge_ports(ports: &mut Vec<PortConfig>, remove: &[PortConfig], add: &[PortConfig]) {
    ports.retain(|port| {
        !remove.iter().any(|removed| {
            port.target_port == removed.target_port
                && protocol(port) == protocol(removed)
                && publish_mode(port) == publish_mode(removed)
        })
    });
    for port in add {
        if !ports.iter().any(|known| port_key(known) == port_key(port)) {
            ports.push(port.clone());
        }
    }
    ports.sort_by_key(port_key);
    ports.dedup_by_key(|port| port_key(port));
}

fn protocol(port: &PortConfig) -> &str {
    if port.protocol.is_empty() { "tcp" } else { &port.protocol }
}

fn publish_mode(port: &PortConfig) -> &str {
    if port.publish_mode.is_empty() { "ingress" } else { &port.publish_mode }
}

/// The text docker sorts and compares ports by.
fn port_key(port: &PortConfig) -> String {
    format!("{}:{}/{}/{}", port.published_port, port.target_port, protocol(port), publish_mode(port))
}
