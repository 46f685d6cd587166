//! About how many bytes a change takes in the log, so that a pass ends before its entry grows too large.
//!
//! An estimate from the lengths of texts: names of fields and numbers are counted by the lump.

use skep_model::mount::{Mount, MountKind, VolumeOptions};
use skep_model::{ServiceSpec, Task, TaskSpec};

use super::Change;

/// Bytes of fixed fields in one object, generously.
const OBJECT_BYTES: usize = 1_024;
/// Bytes of one slot's step in a rollout.
const STEP_BYTES: usize = 128;
/// Bytes of a published port; its name is short.
const PORT_BYTES: usize = 128;

pub fn of(change: &Change) -> usize {
    let content = match change {
        Change::PutTask(task) => of_task(task),
        Change::PutService(service) => {
            let previous = service.previous.as_ref().map_or(0, |previous| of_spec(&previous.spec));
            of_spec(&service.spec) + previous
        }
        Change::PutRollout(rollout) => {
            let proven = rollout.proven.as_ref().map_or(0, |proven| of_template(&proven.task));
            proven + rollout.steps.len() * STEP_BYTES
        }
        Change::PutNode(_) | Change::PutCluster(_) => 4 * OBJECT_BYTES,
        Change::DeleteService(_) | Change::DeleteTask { .. } | Change::DeleteRollout(_) => 0,
    };
    OBJECT_BYTES + content
}

fn of_task(task: &Task) -> usize {
    let texts = task.service.name.len() + task.status.err.len() + task.status.message.len();
    texts + of_pairs(&task.service.labels) + task.restarts.len() * 9 + of_template(&task.spec)
}

/// Returns about how many bytes a specification takes.
pub fn of_spec(spec: &ServiceSpec) -> usize {
    let ports = spec.endpoint.ports.len() * PORT_BYTES;
    spec.name.len() + of_pairs(&spec.labels) + of_template(&spec.task) + ports
}

fn of_mount(mount: &Mount) -> usize {
    let kind = match &mount.kind {
        MountKind::Bind(bind) => bind.source.len(),
        MountKind::Volume(volume) => volume.source.len() + volume.options.as_ref().map_or(0, of_volume),
        MountKind::Tmpfs(_) => 0,
    };
    mount.target.len() + kind + 256
}

fn of_volume(options: &VolumeOptions) -> usize {
    let driver = options.driver.as_ref().map_or(0, |driver| of_pairs(&driver.options));
    options.subpath.len() + of_pairs(&options.labels) + driver
}

fn of_template(spec: &TaskSpec) -> usize {
    let container = &spec.container;
    let lists = [&container.command, &container.args, &container.env, &container.groups, &container.hosts];
    let more = [&container.capability_add, &container.capability_drop, &spec.placement.constraints];
    let texts: usize = lists.into_iter().chain(more).flatten().map(|text| text.len() + 5).sum();
    let mounts: usize = container.mounts.iter().map(of_mount).sum();
    let ports = spec.host_ports.len() * PORT_BYTES;
    let health: usize =
        container.healthcheck.iter().flat_map(|health| &health.test).map(|text| text.len() + 5).sum();
    let log = spec.log.as_ref().map_or(0, |log| of_pairs(&log.options));
    let auth = spec.registry_auth.as_ref().map_or(0, |auth| auth.0.len());
    OBJECT_BYTES
        + container.image.len()
        + container.dir.len()
        + container.user.len()
        + of_pairs(&container.labels)
        + of_pairs(&container.sysctls)
        + texts
        + mounts
        + ports
        + health
        + log
        + auth
}

fn of_pairs(pairs: &std::collections::BTreeMap<String, String>) -> usize {
    pairs.iter().map(|(key, value)| key.len() + value.len() + 10).sum()
}
