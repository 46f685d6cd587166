//! A service and its specification.

use std::sync::Arc;

use skep_model::endpoint::{Endpoint, EndpointMode};
use skep_model::rollout::Wait;
use skep_model::service::Mode;
use skep_model::template::RegistryAuth;
use skep_model::{Rollout, Service, ServiceSpec};

use super::{Unconverted, invalid, port, refuse_if, template, time, update};
use crate::wire;

/// Converts a specification, with the registry credentials that came beside it.
pub fn to_model(spec: wire::ServiceSpec, auth: Option<RegistryAuth>) -> Result<ServiceSpec, Unconverted> {
    refuse_if(!spec.networks.is_empty(), "--network")?;
    let mut task = template::to_model(spec.task_template)?;
    task.registry_auth = auth;
    let endpoint = endpoint_to_model(spec.endpoint_spec)?;
    let converted = ServiceSpec {
        name: spec.name,
        labels: spec.labels,
        task: Arc::new(task),
        mode: mode_to_model(&spec.mode)?,
        update: spec.update_config.map(|config| update::to_model(config, "update")).transpose()?,
        rollback: spec.rollback_config.map(|config| update::to_model(config, "rollback")).transpose()?,
        endpoint: Endpoint::default(),
    };
    Ok(converted.with_endpoint(endpoint))
}

fn mode_to_model(mode: &wire::ServiceMode) -> Result<Mode, Unconverted> {
    let named = [
        mode.replicated.is_some(),
        mode.global.is_some(),
        mode.replicated_job.is_some(),
        mode.global_job.is_some(),
    ];
    if named.iter().filter(|named| **named).count() > 1 {
        return Err(invalid("must specify only one service mode"));
    }
    if mode.global.is_some() {
        return Ok(Mode::Global);
    }
    if mode.global_job.is_some() {
        return Ok(Mode::GlobalJob);
    }
    if let Some(job) = &mode.replicated_job {
        let max_concurrent = job.max_concurrent.unwrap_or(1);
        let total_completions = job.total_completions.unwrap_or(max_concurrent);
        return Ok(Mode::ReplicatedJob { max_concurrent, total_completions });
    }
    let replicas = mode.replicated.and_then(|replicated| replicated.replicas);
    Ok(Mode::Replicated { replicas: replicas.unwrap_or(1) })
}

fn endpoint_to_model(endpoint: Option<wire::EndpointSpec>) -> Result<Endpoint, Unconverted> {
    let Some(endpoint) = endpoint else { return Ok(Endpoint::default()) };
    let mode = match endpoint.mode.as_str() {
        "" | "vip" => EndpointMode::Vip,
        "dnsrr" => EndpointMode::Dnsrr,
        other => return Err(invalid(format!("invalid resolution mode: {other:?}"))),
    };
    let ports = endpoint.ports.into_iter().map(port::to_model).collect::<Result<_, _>>()?;
    Ok(Endpoint { mode, ports })
}

/// Shows a specification as the client gave it.
pub fn spec_to_wire(spec: &ServiceSpec) -> wire::ServiceSpec {
    wire::ServiceSpec {
        name: spec.name.clone(),
        labels: spec.labels.clone(),
        // Compat: services name their runtime, tasks do not.
        task_template: wire::TaskSpec { runtime: "container".to_owned(), ..template::to_wire(&spec.task) },
        mode: mode_to_wire(spec.mode.clone()),
        update_config: spec.update.as_ref().map(update::to_wire),
        rollback_config: spec.rollback.as_ref().map(update::to_wire),
        networks: Vec::new(),
        // Compat: always there with its mode, because Traefik switches on the word.
        endpoint_spec: Some(endpoint_to_wire(&spec.endpoint)),
    }
}

fn mode_to_wire(mode: Mode) -> wire::ServiceMode {
    let mut shown = wire::ServiceMode::default();
    match mode {
        Mode::Replicated { replicas } => {
            shown.replicated = Some(wire::ReplicatedService { replicas: Some(replicas) });
        }
        Mode::Global => shown.global = Some(wire::Empty {}),
        Mode::ReplicatedJob { max_concurrent, total_completions } => {
            let (max_concurrent, total_completions) = (Some(max_concurrent), Some(total_completions));
            shown.replicated_job = Some(wire::ReplicatedJob { max_concurrent, total_completions });
        }
        Mode::GlobalJob => shown.global_job = Some(wire::Empty {}),
    }
    shown
}

fn endpoint_to_wire(endpoint: &Endpoint) -> wire::EndpointSpec {
    let mode = match endpoint.mode {
        EndpointMode::Vip => "vip",
        EndpointMode::Dnsrr => "dnsrr",
    };
    wire::EndpointSpec { mode: mode.to_owned(), ports: endpoint.ports.iter().map(port::to_wire).collect() }
}

/// Shows a service with the progress of its rollout, and what that waits for.
pub fn to_wire(service: &Service, rollout: Option<&Rollout>, wait: Option<&Wait>) -> wire::Service {
    wire::Service {
        id: service.id.to_string(),
        version: wire::Version { index: service.meta.version },
        created_at: time(service.meta.created_at),
        updated_at: time(service.meta.updated_at),
        spec: spec_to_wire(&service.spec),
        previous_spec: service.previous.as_ref().map(|previous| Box::new(spec_to_wire(&previous.spec))),
        endpoint: wire::Endpoint {
            spec: endpoint_to_wire(&service.spec.endpoint),
            ports: service.spec.endpoint.ports.iter().map(port::to_wire).collect(),
            ..Default::default()
        },
        update_status: rollout.and_then(|rollout| update::status_to_wire(rollout, wait)),
        service_status: None,
        job_status: service.job.map(|job| wire::JobStatus {
            job_iteration: wire::Version { index: job.iteration },
            last_execution: time(job.last_execution_at),
        }),
    }
}
