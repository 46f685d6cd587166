//! The story of a run: each change of the store in one line.

use skep_core::{Change, Store};
use skep_model::ServiceId;

use crate::trace::short;

/// Says in one line what a change changes.
pub(super) fn describe(before: &Store, change: &Change) -> String {
    let name = |id: ServiceId| before.service(id).map_or_else(|| short(id), |known| known.spec.name.clone());
    match change {
        Change::PutCluster(_) => "cluster".to_owned(),
        Change::PutNode(node) => {
            format!("node {} {:?} {:?}", node.description.hostname, node.status.state, node.spec.availability)
        }
        Change::PutService(service) => format!(
            "service {} revision {} image {} {:?}",
            service.spec.name, service.revision, service.spec.task.container.image, service.spec.mode
        ),
        Change::DeleteService(id) => format!("service {} gone", name(*id)),
        Change::PutTask(task) => {
            let node = task.node_id.and_then(|id| before.node(id));
            let node = node.map_or("-", |node| node.description.hostname.as_str());
            let (name, slot, id) = (&task.service.name, task.slot, short(task.id));
            let (revision, wanted, status) = (task.revision, task.desired, &task.status);
            format!(
                "task {name}.{slot} {id} r{revision} {node} wanted {wanted:?} is {:?} {}",
                status.state, status.err
            )
        }
        Change::DeleteTask { id, service_id, .. } => format!("task {} {} gone", name(*service_id), short(id)),
        Change::PutRollout(rollout) => {
            format!(
                "rollout {} {:?} {:?} to r{} {} of {} failed {}",
                name(rollout.service_id),
                rollout.direction,
                rollout.phase,
                rollout.revision,
                rollout.failed_count,
                rollout.slot_count,
                rollout.message
            )
        }
        Change::PutStep(step) => {
            let mark = match (step.failed, step.settled_at) {
                (true, _) => "failed",
                (false, Some(_)) => "settled",
                (false, None) => "open",
            };
            format!("step {}.{} {mark} {}", name(step.service_id), step.slot, short(step.task_id))
        }
        Change::DeleteStep { service_id, slot } => format!("step {}.{slot} gone", name(*service_id)),
        Change::PutRevision(revision) => {
            format!(
                "revision {} r{} stable {:?}",
                name(revision.service_id),
                revision.number,
                revision.stable_at
            )
        }
        Change::DeleteRevision { service_id, number } => {
            format!("revision {} r{number} gone", name(*service_id))
        }
        Change::DeleteNode(id) => format!("node {} gone", short(*id)),
        Change::DeleteRollout(id) => format!("rollout {} gone", name(*id)),
    }
}
