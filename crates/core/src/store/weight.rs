//! About how many bytes a change takes in the log, so that a pass ends before its entry grows too large.
//!
//! An estimate from the lengths of texts: names of fields and numbers are counted by the lump.

use skep_model::mount::{Mount, MountKind, VolumeOptions};
use skep_model::{ServiceSpec, Task, TaskSpec};

use super::Change;

/// Bytes of fixed fields in one object, generously.
const OBJECT_BYTES: usize = 1_024;
/// Bytes of the fixed fields of a task, with the names of the fields.
const TASK_BYTES: usize = 640;
/// Bytes of what has no texts of note.
const SMALL_BYTES: usize = 256;
/// Bytes of a published port; its name is short.
const PORT_BYTES: usize = 128;

pub fn of(change: &Change) -> usize {
    match change {
        Change::PutTask(task) => TASK_BYTES + of_task(task),
        Change::PutRevision(revision) => OBJECT_BYTES + of_template(&revision.template),
        Change::PutService(service) => {
            let previous = service.previous.as_ref().map_or(0, |previous| of_spec(&previous.spec));
            OBJECT_BYTES + of_spec(&service.spec) + previous
        }
        Change::PutRollout(_) => OBJECT_BYTES,
        Change::PutNode(node) => 4 * OBJECT_BYTES + of_pairs(&node.spec.labels),
        Change::PutCluster(cluster) => 4 * OBJECT_BYTES + of_pairs(&cluster.spec.labels),
        Change::PutStep(_)
        | Change::DeleteNode(_)
        | Change::DeleteService(_)
        | Change::DeleteRevision { .. }
        | Change::DeleteTask { .. }
        | Change::DeleteRollout(_)
        | Change::DeleteStep { .. } => SMALL_BYTES,
    }
}

fn of_task(task: &Task) -> usize {
    let texts = task.service.name.len() + task.status.err.len() + task.status.message.len();
    texts + of_pairs(&task.service.labels) + task.restarts.len() * 9
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

/// Returns about how many bytes pairs of texts take.
pub fn of_pairs(pairs: &std::collections::BTreeMap<String, String>) -> usize {
    pairs.iter().map(|(key, value)| key.len() + value.len() + 10).sum()
}
