//! Marks the tasks that have to leave a node: it is drained, or it is not what it was when they were placed (a label
//! went, or there are fewer CPUs, less memory, fewer units of something than was promised).
//!
//! What is marked is moved by [`super::relocate`], within the service's budget, and counts against nobody. Where a
//! node shrank, as few go as will do: those that were to go already, then those that cost least, and of these the
//! newest. Ports, platform and plugins are not looked at again, as in Swarm; a change of the service's own placement
//! is a rollout's business. A mark whose reason is gone is taken back.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use skep_model::constraint::Constraint;
use skep_model::node::{Availability, NodeState};
use skep_model::task::{Leave, LeaveCause, SlotId, TaskState};
use skep_model::{Node, NodeId, Task, TaskId};

use crate::schedule::{Load, Seat, manner};
use crate::store::{Draft, Store};

/// What Swarm says of a task whose node does not fit it any more.
const MESSAGE: &str = "assigned node no longer meets constraints";

/// Marks what a node cannot keep.
pub fn plan(draft: &mut Draft, id: NodeId) {
    // What is on a node that is down is given up as it is.
    let Some(node) = draft.node(id).filter(|node| node.status.state != NodeState::Down).cloned() else {
        return;
    };
    let stays = |task: &&Arc<Task>| task.is_live() && !task.is_over();
    let tasks: Vec<_> = draft.tasks_on(id).filter(stays).cloned().collect();
    let is_numbered = |task: &&Arc<Task>| matches!(task.slot, SlotId::Number(_));
    let causes = match node.spec.availability {
        // What belongs to the node is closed there by its orchestrator.
        Availability::Drain => {
            tasks.iter().filter(is_numbered).map(|task| (task.id, LeaveCause::Drain)).collect()
        }
        Availability::Active if node.takes_tasks() => unfit(draft, &node, &tasks),
        // Compat: a node that is paused is left alone (Swarm 28), and one that is out of reach will tell. Neither is
        // drained any more.
        Availability::Active | Availability::Pause => {
            let known = tasks.iter().filter_map(|task| Some((task.id, task.leaves.as_ref()?.cause.clone())));
            known.filter(|(_, cause)| *cause != LeaveCause::Drain).collect()
        }
    };
    for task in tasks {
        mark(draft, &task, causes.get(&task.id).cloned());
    }
}

/// Returns what the node cannot have any more, and why.
fn unfit(draft: &Draft, node: &Arc<Node>, tasks: &[Arc<Task>]) -> BTreeMap<TaskId, LeaveCause> {
    let mut causes = BTreeMap::new();
    let cause = |what: &str| LeaveCause::Unfit(format!("{MESSAGE}: {what}"));
    let mut left = Vec::new();
    for task in tasks {
        match unmet(draft, node, task) {
            Some(constraint) => drop(causes.insert(task.id, cause(&constraint))),
            None => left.push(task),
        }
    }
    let mut load = Load::new(node.clone(), Seat::ONLY);
    left.iter().for_each(|task| load.add(task, manner(draft, task)));
    left.sort_by_key(|task| cost(task));
    for task in left {
        if let Some(resource) = load.exceeded_with(task) {
            load.remove(task);
            causes.insert(task.id, cause(&format!("too little {resource}")));
        }
    }
    causes
}

/// Writes why the task has to leave, or that it may stay, if that is news.
fn mark(draft: &mut Draft, task: &Task, cause: Option<LeaveCause>) {
    let known = task.leaves.as_ref().map(|leave| &leave.cause);
    // Whether another node is less loaded is not judged here.
    let is_settled = known == cause.as_ref() || cause.is_none() && known == Some(&LeaveCause::Rebalance);
    if is_settled {
        return;
    }
    let since = task.leaves.as_ref().map_or(draft.now(), |leave| leave.since);
    draft.change_task(task.id, |task| {
        match &cause {
            Some(LeaveCause::Unfit(what)) => task.status.err.clone_from(what),
            _ if task.status.err.starts_with(MESSAGE) => task.status.err.clear(),
            _ => {}
        }
        task.leaves = cause.map(|cause| Leave { cause, since });
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

/// Orders tasks by what their loss costs: what was to go already first, then what does not run, then what can run
/// elsewhere, then the newest.
fn cost(task: &Task) -> impl Ord + use<> {
    let is_bound = matches!(task.slot, SlotId::Node(_));
    let is_unfit = matches!(&task.leaves, Some(Leave { cause: LeaveCause::Unfit(_), .. }));
    (!is_unfit, task.status.state == TaskState::Running, is_bound, Reverse((task.meta.created_at, task.id)))
}
