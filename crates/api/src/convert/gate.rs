//! What an old client's words may mean: fields that its API version does not have are dropped before conversion, as
//! Docker does, so that a library that sends its whole struct gets what its own documentation says.

use crate::wire;

/// An API version: major 1 and this minor.
pub type Minor = u32;

/// Drops what API version 1.`minor` does not have.
pub fn service_spec(spec: &mut wire::ServiceSpec, minor: Minor) {
    if minor < 41 {
        spec.mode.replicated_job = None;
        spec.mode.global_job = None;
        if let Some(limits) = spec.task_template.resources.as_mut().and_then(|given| given.limits.as_mut()) {
            limits.pids = 0;
        }
    }
    if let Some(placement) = spec.task_template.placement.as_mut().filter(|_| minor < 40) {
        placement.max_replicas = 0;
    }
    if let Some(container) = &mut spec.task_template.container_spec {
        gate_container(container, minor);
    }
}

fn gate_container(container: &mut wire::ContainerSpec, minor: Minor) {
    if minor < 46 {
        container.oom_score_adj = 0;
        for options in container.mounts.iter_mut().filter_map(|mount| mount.tmpfs_options.as_mut()) {
            options.options.clear();
        }
    }
    if minor < 44 {
        if let Some(privileges) = &mut container.privileges {
            privileges.seccomp = None;
            privileges.app_armor = None;
            privileges.no_new_privileges = false;
        }
        if let Some(check) = &mut container.healthcheck {
            check.start_interval = 0;
        }
    }
    if minor < 41 {
        container.capability_add.clear();
        container.capability_drop.clear();
        container.ulimits.clear();
    }
    if minor < 40 {
        container.sysctls.clear();
    }
}
