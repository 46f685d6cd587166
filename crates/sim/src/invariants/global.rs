//! A global service has one task on each node that takes tasks and meets its constraints, and none elsewhere.
//! What is on a node that is paused or out of reach stays as it is.

use skep_core::Store;
use skep_model::task::SlotId;
use skep_model::{Service, Timestamp};

use super::{Invariant, Moment, task_writes};
use crate::fit::{is_closed, is_open};

pub struct NodesHaveTheirTask;

impl Invariant for NodesHaveTheirTask {
    fn name(&self) -> &'static str {
        "nodes_have_their_task"
    }

    fn see(&mut self, _: Timestamp, moment: &Moment<'_>) -> Result<(), String> {
        match moment {
            Moment::Committed { before, after, changes, .. } => {
                for (known, task) in task_writes(before, changes) {
                    let SlotId::Node(id) = task.slot else { continue };
                    if task.node_id.is_some_and(|node_id| node_id != id) {
                        return Err(format!("{} is on another node than its own", task.name()));
                    }
                    let service = after.service(task.service_id);
                    let is_open = service.is_some_and(|service| is_open(after, service, task.slot));
                    if known.is_none() && !is_open {
                        return Err(format!("{} is made for a node that takes none", task.name()));
                    }
                }
                Ok(())
            }
            Moment::Idle { store, .. } => {
                let mut global = store.services().filter(|service| service.spec.mode.is_global());
                global.try_for_each(|service| nodes(store, service))
            }
            _ => Ok(()),
        }
    }
}

fn nodes(store: &Store, service: &Service) -> Result<(), String> {
    let name = &service.spec.name;
    let numbered = |slot: SlotId| matches!(slot, SlotId::Number(_));
    if let Some(task) = store.tasks_of(service.id).find(|task| numbered(task.slot)) {
        return Err(format!("{} is a replica of a service that has none", task.name()));
    }
    for node in store.nodes() {
        let (slot, host) = (SlotId::Node(node.id), &node.description.hostname);
        let tasks = || store.tasks_in(service.id, slot);
        let live = tasks().filter(|task| task.is_live()).count();
        let standing = tasks().filter(|task| task.is_live() && !task.is_over()).count();
        // One that is over may wait for its restart only if something was left there to restart.
        let is_settled = tasks().any(|task| task.keeps_slot);
        if is_closed(store, service, slot) && live > 0 {
            return Err(format!("{name} has {live} live tasks on {host}, which is closed to it"));
        }
        if is_open(store, service, slot) && live == 0 && !is_settled {
            return Err(format!("{name} has no task on {host}"));
        }
        if standing > 2 {
            return Err(format!("{name} has {live} live tasks on {host}"));
        }
    }
    Ok(())
}
