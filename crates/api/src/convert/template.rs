//! The task template: resources, restarts, placement and logs around a container.

use std::collections::BTreeMap;

use skep_model::TaskSpec;
use skep_model::log::LogDriver;
use skep_model::template::{
    GivenEmpty, Limits, Placement, Platform, Reservations, Resources, RestartCondition, RestartPolicy,
};

use super::{Unconverted, argument, container, duration, invalid, nanos, refuse_if, unsupported};
use crate::wire;

/// The log driver that is used where none is named.
pub const LOG_DRIVER: &str = "json-file";
/// All log drivers, under Docker's names. Their options are judged with the specification.
pub const LOG_DRIVERS: [&str; 3] = [LOG_DRIVER, "local", "none"];

/// Converts a template; the credentials of its image are the caller's to add.
pub fn to_model(spec: wire::TaskSpec) -> Result<TaskSpec, Unconverted> {
    match spec.runtime.as_str() {
        "" | "container" => {}
        other => return Err(unsupported(format_args!("runtime {other:?}"))),
    }
    refuse_if(spec.plugin_spec.is_some(), "PluginSpec")?;
    refuse_if(spec.network_attachment_spec.is_some(), "NetworkAttachmentSpec")?;
    refuse_if(!spec.networks.is_empty(), "--network")?;
    let Some(container) = spec.container_spec else {
        return Err(invalid("mismatched Runtime and *Spec fields"));
    };
    let resources = spec.resources.map(resources_to_model).transpose()?;
    let placement = spec.placement.map(placement_to_model).transpose()?;
    let given_empty = GivenEmpty {
        resources: resources.as_ref().is_some_and(|given| *given == Resources::default()),
        placement: placement.as_ref().is_some_and(|given| *given == Placement::default()),
    };
    Ok(TaskSpec {
        container: container::to_model(container)?,
        resources: resources.unwrap_or_default(),
        restart: spec.restart_policy.map(restart_to_model).transpose()?,
        placement: placement.unwrap_or_default(),
        log: spec.log_driver.map(log_to_model).transpose()?,
        host_ports: Vec::new(),
        force_update: spec.force_update,
        registry_auth: None,
        given_empty,
    })
}

fn resources_to_model(resources: wire::ResourceRequirements) -> Result<Resources, Unconverted> {
    let reservations = resources.reservations;
    Ok(Resources {
        limits: resources.limits.map(|limits| Limits {
            nano_cpus: limits.nano_cpus,
            memory_bytes: limits.memory_bytes,
            pids: limits.pids,
        }),
        reservations: reservations.map(reservations_to_model).transpose()?,
        swap_bytes: resources.swap_bytes,
        swappiness: resources.memory_swappiness,
    })
}

fn reservations_to_model(kept: wire::Resources) -> Result<Reservations, Unconverted> {
    let mut generic = BTreeMap::new();
    for resource in kept.generic_resources {
        match resource.discrete_resource_spec {
            Some(discrete) => *generic.entry(discrete.kind).or_default() += discrete.value,
            // Compat: Swarm takes no reservation of a unit by its name either.
            None => return Err(unsupported("a generic resource reserved by name")),
        }
    }
    Ok(Reservations { nano_cpus: kept.nano_cpus, memory_bytes: kept.memory_bytes, generic })
}

fn restart_to_model(policy: wire::RestartPolicy) -> Result<RestartPolicy, Unconverted> {
    let condition = match policy.condition.as_str() {
        "" | "any" => RestartCondition::Any,
        "none" => RestartCondition::None,
        "on-failure" => RestartCondition::OnFailure,
        other => return Err(invalid(format!("invalid RestartCondition: {other:?}"))),
    };
    let span = |nanos: Option<i64>, what: &str| {
        let negative = || argument(format!("TaskSpec: {what} cannot be negative"));
        nanos.map(|nanos| duration(nanos).ok_or_else(negative)).transpose()
    };
    Ok(RestartPolicy {
        condition,
        delay: span(policy.delay, "restart-delay")?,
        max_attempts: policy.max_attempts.unwrap_or(0),
        window: span(policy.window, "restart-window")?,
    })
}

fn placement_to_model(placement: wire::Placement) -> Result<Placement, Unconverted> {
    let spread = |given: wire::PlacementPreference| given.spread.map(|spread| spread.spread_descriptor);
    let platform = |given: wire::Platform| Platform { architecture: given.architecture, os: given.os };
    Ok(Placement {
        constraints: placement.constraints,
        preferences: placement.preferences.into_iter().filter_map(spread).collect(),
        platforms: placement.platforms.into_iter().map(platform).collect(),
        max_replicas: placement.max_replicas,
    })
}

fn log_to_model(log: wire::Driver) -> Result<LogDriver, Unconverted> {
    if !log.name.is_empty() && !LOG_DRIVERS.contains(&log.name.as_str()) {
        return Err(unsupported(format_args!("--log-driver {}", log.name)));
    }
    Ok(LogDriver { name: log.name, options: log.options })
}

/// Shows a template as the client gave it, without its credentials.
pub fn to_wire(spec: &TaskSpec) -> wire::TaskSpec {
    let resources = spec.given_empty.resources || spec.resources != Resources::default();
    let placement = spec.given_empty.placement || spec.placement != Placement::default();
    wire::TaskSpec {
        container_spec: Some(container::to_wire(&spec.container)),
        resources: resources.then(|| resources_to_wire(&spec.resources)),
        restart_policy: spec.restart.as_ref().map(restart_to_wire),
        placement: placement.then(|| placement_to_wire(&spec.placement)),
        log_driver: spec
            .log
            .as_ref()
            .map(|log| wire::Driver { name: log.name.clone(), options: log.options.clone() }),
        force_update: spec.force_update,
        ..Default::default()
    }
}

fn resources_to_wire(resources: &Resources) -> wire::ResourceRequirements {
    wire::ResourceRequirements {
        limits: resources.limits.as_ref().map(|limits| wire::Limit {
            nano_cpus: limits.nano_cpus,
            memory_bytes: limits.memory_bytes,
            pids: limits.pids,
        }),
        reservations: resources.reservations.as_ref().map(|kept| wire::Resources {
            nano_cpus: kept.nano_cpus,
            memory_bytes: kept.memory_bytes,
            generic_resources: kept.generic.iter().map(generic_to_wire).collect(),
        }),
        swap_bytes: resources.swap_bytes,
        memory_swappiness: resources.swappiness,
    }
}

pub(super) fn generic_to_wire((kind, value): (&String, &i64)) -> wire::GenericResource {
    let discrete = wire::DiscreteResource { kind: kind.clone(), value: *value };
    wire::GenericResource { discrete_resource_spec: Some(discrete), named_resource_spec: None }
}

fn spread_to_wire(descriptor: &str) -> wire::PlacementPreference {
    wire::PlacementPreference { spread: Some(wire::SpreadOver { spread_descriptor: descriptor.to_owned() }) }
}

/// Shows a restart policy; condition and attempts are always named, as in Docker.
pub(super) fn restart_to_wire(policy: &RestartPolicy) -> wire::RestartPolicy {
    let condition = match policy.condition {
        RestartCondition::Any => "any",
        RestartCondition::None => "none",
        RestartCondition::OnFailure => "on-failure",
    };
    wire::RestartPolicy {
        condition: condition.to_owned(),
        delay: policy.delay.map(nanos),
        max_attempts: Some(policy.max_attempts),
        window: policy.window.map(nanos),
    }
}

fn placement_to_wire(placement: &Placement) -> wire::Placement {
    wire::Placement {
        constraints: placement.constraints.clone(),
        preferences: placement.preferences.iter().map(|descriptor| spread_to_wire(descriptor)).collect(),
        max_replicas: placement.max_replicas,
        platforms: placement.platforms.iter().map(platform_to_wire).collect(),
    }
}

pub(super) fn platform_to_wire(platform: &Platform) -> wire::Platform {
    wire::Platform { architecture: platform.architecture.clone(), os: platform.os.clone() }
}
