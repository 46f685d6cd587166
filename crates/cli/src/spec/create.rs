//! The spec of a new service.

use clap::Args;
use skep_api::wire::{
    ContainerSpec, DnsConfig, Driver, Empty, EndpointSpec, Limit, Mount, NetworkAttachmentConfig, Placement,
    PlacementPreference, PortConfig, Privileges, ReplicatedJob, ReplicatedService, ResourceRequirements,
    Resources, ServiceMode, ServiceSpec, TaskSpec, Ulimit,
};

use super::flags::by_name;
use super::{Environment, SpecFlags, capability, health, key_values, pace};
use crate::fault::Fault;
use crate::grammar::{
    FileRef, config_ref, dns_search, env, generic_resource, generic_resources, host, ip_address, label,
    mount, network, placement_pref, publish, secret_ref, ulimit,
};

/// The ports of one `--publish`.
pub(crate) type Ports = Vec<PortConfig>;

#[derive(Args, Clone, Debug, Default, PartialEq)]
pub(crate) struct CreateFlags {
    #[command(flatten)]
    pub shared: SpecFlags,
    /// Specify configurations to expose to the service
    #[arg(long, value_name = "config", value_parser = config_ref)]
    pub config: Vec<FileRef>,
    /// Placement constraints
    #[arg(long, value_name = "list")]
    pub constraint: Vec<String>,
    /// Container labels
    #[arg(long, value_name = "list", value_parser = label)]
    pub container_label: Vec<String>,
    /// Set custom DNS servers
    #[arg(long, value_name = "list", value_parser = ip_address)]
    pub dns: Vec<String>,
    /// Set DNS options
    #[arg(long, value_name = "list")]
    pub dns_option: Vec<String>,
    /// Set custom DNS search domains
    #[arg(long, value_name = "list", value_parser = dns_search)]
    pub dns_search: Vec<String>,
    /// Set environment variables
    #[arg(short, long, value_name = "list", value_parser = env)]
    pub env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "list")]
    pub env_file: Vec<String>,
    /// User defined resources
    #[arg(long, value_name = "list", value_parser = generic_resource)]
    pub generic_resource: Vec<String>,
    /// Set one or more supplementary user groups for the container
    #[arg(long, value_name = "list")]
    pub group: Vec<String>,
    /// Set one or more custom host-to-IP mappings (host:ip)
    #[arg(long, value_name = "list", value_parser = host)]
    pub host: Vec<String>,
    /// Service labels
    #[arg(short, long, value_name = "list", value_parser = label)]
    pub label: Vec<String>,
    /// Service mode ("replicated", "global", "replicated-job", "global-job") (default "replicated")
    #[arg(long, value_name = "string")]
    pub mode: Option<String>,
    /// Attach a filesystem mount to the service
    #[arg(long, value_name = "mount", value_parser = mount)]
    pub mount: Vec<Mount>,
    /// Service name
    #[arg(long, value_name = "string")]
    pub name: Option<String>,
    /// Network attachments
    #[arg(long, value_name = "network", value_parser = network)]
    pub network: Vec<NetworkAttachmentConfig>,
    /// Add a placement preference
    #[arg(long, value_name = "pref", value_parser = placement_pref)]
    pub placement_pref: Vec<PlacementPreference>,
    /// Publish a port as a node port
    #[arg(short, long, value_name = "port", value_parser = publish)]
    pub publish: Vec<Ports>,
    /// Specify secrets to expose to the service
    #[arg(long, value_name = "secret", value_parser = secret_ref)]
    pub secret: Vec<FileRef>,
    /// Sysctl options
    #[arg(long, value_name = "list")]
    pub sysctl: Vec<String>,
    /// Ulimit options (default [])
    #[arg(long, value_name = "ulimit", value_parser = ulimit)]
    pub ulimit: Vec<Ulimit>,
}

/// Builds the spec; networks, secrets and configs still carry names, and the image is as typed.
pub(crate) fn build(
    flags: &CreateFlags,
    image: &str,
    arguments: &[String],
    environment: &Environment<'_>,
) -> Result<ServiceSpec, Fault> {
    let env = environment.collect(&flags.env_file, &flags.env)?;
    let shared = &flags.shared;
    let healthcheck = health::build(shared)?;
    let mode = mode(flags)?;
    if pace::is_given(shared) && (mode.replicated_job.is_some() || mode.global_job.is_some()) {
        return Err(Fault::new("update and rollback configuration is not supported for jobs"));
    }
    let mut spec = ServiceSpec {
        name: flags.name.clone().unwrap_or_default(),
        labels: key_values(&flags.label),
        task_template: task(flags)?,
        mode,
        endpoint_spec: Some(EndpointSpec {
            mode: shared.endpoint_mode.as_deref().unwrap_or("vip").to_lowercase(),
            ports: flags.publish.concat(),
        }),
        ..ServiceSpec::default()
    };
    pace::merge_update(shared, &mut spec.update_config);
    pace::merge_rollback(shared, &mut spec.rollback_config);
    spec.task_template.container_spec =
        Some(ContainerSpec { env, healthcheck, ..container(flags, image, arguments) });
    Ok(spec)
}

fn container(flags: &CreateFlags, image: &str, arguments: &[String]) -> ContainerSpec {
    let shared = flags.shared.clone();
    let (capability_add, capability_drop) = capability::build(&shared.cap_add, &shared.cap_drop);
    let credentials = shared.credential_spec.filter(|spec| *spec != Default::default());
    ContainerSpec {
        image: image.to_owned(),
        labels: key_values(&flags.container_label),
        command: shared.entrypoint.unwrap_or_default(),
        args: arguments.to_vec(),
        hostname: shared.hostname.unwrap_or_default(),
        dir: shared.workdir.unwrap_or_default(),
        user: shared.user.unwrap_or_default(),
        groups: flags.group.clone(),
        privileges: credentials
            .map(|spec| Privileges { credential_spec: Some(spec), ..Privileges::default() }),
        init: Some(shared.init.unwrap_or(false)),
        stop_signal: shared.stop_signal.unwrap_or_default(),
        tty: shared.tty.unwrap_or(false),
        read_only: shared.read_only.unwrap_or(false),
        mounts: flags.mount.clone(),
        stop_grace_period: shared.stop_grace_period,
        hosts: flags.host.iter().map(|host| swarm_host(host)).collect(),
        dns_config: Some(DnsConfig {
            nameservers: flags.dns.clone(),
            search: flags.dns_search.clone(),
            options: flags.dns_option.clone(),
        }),
        isolation: shared.isolation.unwrap_or_default(),
        sysctls: key_values(&flags.sysctl),
        capability_add,
        capability_drop,
        ulimits: by_name(flags.ulimit.clone()),
        oom_score_adj: shared.oom_score_adj.unwrap_or(0),
        ..ContainerSpec::default()
    }
}

fn task(flags: &CreateFlags) -> Result<TaskSpec, Fault> {
    let shared = &flags.shared;
    let limits = Limit {
        nano_cpus: shared.limit_cpu.unwrap_or(0),
        memory_bytes: shared.limit_memory.unwrap_or(0),
        pids: shared.limit_pids.unwrap_or(0),
    };
    let reservations = Resources {
        nano_cpus: shared.reserve_cpu.unwrap_or(0),
        memory_bytes: shared.reserve_memory.unwrap_or(0),
        generic_resources: generic_resources(&flags.generic_resource)?,
    };
    let mut task = TaskSpec {
        resources: Some(ResourceRequirements {
            limits: Some(limits),
            reservations: Some(reservations),
            ..Default::default()
        }),
        placement: Some(Placement {
            constraints: flags.constraint.clone(),
            preferences: flags.placement_pref.clone(),
            max_replicas: shared.replicas_max_per_node.unwrap_or(0),
            platforms: Vec::new(),
        }),
        networks: flags.network.clone(),
        log_driver: log_driver(shared),
        ..TaskSpec::default()
    };
    pace::merge_restart(shared, &mut task.restart_policy);
    Ok(task)
}

/// The log driver; options without a driver have nobody to go to.
pub(super) fn log_driver(flags: &SpecFlags) -> Option<Driver> {
    let name = flags.log_driver.clone().filter(|name| !name.is_empty())?;
    Some(Driver { name, options: key_values(&flags.log_opt) })
}

/// Turns `name:ip` into `ip name`, the order of /etc/hosts.
pub(super) fn swarm_host(host: &str) -> String {
    let (name, address) = host.split_once(':').unwrap_or((host, ""));
    format!("{address} {name}")
}

fn mode(flags: &CreateFlags) -> Result<ServiceMode, Fault> {
    let shared = &flags.shared;
    let wrong =
        |flag: &str, modes: &str| Err(Fault::new(format!("{flag} can only be used with {modes} mode")));
    let name = flags.mode.as_deref().unwrap_or("replicated");
    if matches!(name, "global" | "global-job") {
        if shared.replicas.is_some() {
            return wrong("replicas", "replicated or replicated-job");
        }
        if shared.replicas_max_per_node.unwrap_or(0) > 0 {
            return wrong("replicas-max-per-node", "replicated or replicated-job");
        }
    }
    if matches!(name, "global" | "global-job" | "replicated") && shared.max_concurrent.is_some() {
        return wrong("max-concurrent", "replicated-job");
    }
    let mut mode = ServiceMode::default();
    match name {
        "replicated" => mode.replicated = Some(ReplicatedService { replicas: shared.replicas }),
        "global" => mode.global = Some(Empty {}),
        "replicated-job" => {
            mode.replicated_job = Some(ReplicatedJob {
                max_concurrent: shared.max_concurrent.or(shared.replicas),
                total_completions: shared.replicas,
            });
        }
        "global-job" => mode.global_job = Some(Empty {}),
        _ => return Err(Fault::new(format!("Unknown mode: {name}, only replicated and global supported"))),
    }
    Ok(mode)
}
