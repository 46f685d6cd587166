//! Takes tasks from nodes that are not what they were when the tasks were placed: a label went, or there are
//! fewer CPUs, less memory, fewer units of something than was promised.
//!
//! A task that is *evicted* is given up as on a drained node: it stops, and its slot gets another one elsewhere;
//! that counts against nobody. Where a node shrank, as few go as will do: those that cost least first, and of
//! these the newest. Ports, platform and plugins are not looked at again, as in Swarm; a change of the service's
//! own placement is a rollout's business.

use std::cmp::Reverse;
use std::sync::Arc;

use skep_model::constraint::Constraint;
use skep_model::task::{SlotId, TaskState};
use skep_model::{Node, NodeId, Task};

use crate::schedule::{Load, manner};
use crate::store::{Draft, Store};

/// What Swarm says of such a task.
const MESSAGE: &str = "assigned node no longer meets constraints";

/// Evicts what a node cannot have any more.
pub fn plan(draft: &mut Draft, id: NodeId) {
    // Compat: a node that is paused is left alone (Swarm 28); one that is drained or down gives up everything.
    let Some(node) = draft.node(id).filter(|node| node.takes_tasks()).cloned() else { return };
    let stays = |task: &&Arc<Task>| task.is_live() && !task.is_over() && !task.is_evicted;
    let tasks: Vec<_> = draft.tasks_on(id).filter(stays).cloned().collect();
    let (unmet, mut left): (Vec<_>, Vec<_>) = tasks
        .into_iter()
        .map(|task| (unmet(draft, &node, &task), task))
        .partition(|(text, _)| text.is_some());
    for (text, task) in unmet {
        evict(draft, &task, &text.unwrap_or_default());
    }
    let mut load = Load::new(node);
    left.iter().for_each(|(_, task)| load.add(task, manner(draft, task)));
    left.sort_by_key(|(_, task)| cost(task));
    for (_, task) in left {
        if let Some(resource) = load.exceeded_with(&task) {
            load.remove(&task);
            evict(draft, &task, &format!("too little {resource}"));
        }
    }
}

fn evict(draft: &mut Draft, task: &Task, what: &str) {
    draft.change_task(task.id, |task| {
        task.is_evicted = true;
        task.status.err = format!("{MESSAGE}: {what}");
    });
}

/// Returns the first constraint that the node does not meet any more. What belongs to a node is closed there by
/// its orchestrator; what its service would place elsewhere today is moved by a rollout, at its pace.
fn unmet(store: &Store, node: &Node, task: &Task) -> Option<String> {
    if matches!(task.slot, SlotId::Node(_)) {
        return None;
    }
    let fails = |text: &&String| !Constraint::parse(text).is_ok_and(|constraint| constraint.matches(node));
    let is_in_force = |text: &&String| {
        let service = store.service(task.service_id);
        service.is_none_or(|service| service.spec.task.placement.constraints.contains(text))
    };
    task.spec.placement.constraints.iter().filter(is_in_force).find(fails).cloned()
}

/// Orders tasks by what their loss costs: what does not run first, then what can run elsewhere, then the newest.
fn cost(task: &Task) -> impl Ord + use<> {
    let is_bound = matches!(task.slot, SlotId::Node(_));
    (task.status.state == TaskState::Running, is_bound, Reverse((task.meta.created_at, task.id)))
}
