//! What the managers think of a node that speaks, is silent, or is lost.
//!
//! ```text
//!   new leader ──► unknown ──registers──► ready ──silent for 3 periods──► down ──24 hours──► tasks orphaned
//!                     └──────────silent for 6 periods─────────────────────►┘
//! ```
//!
//! The instant at which a node went down is stored, so that a change of leader does not begin the day anew.

use skep_model::node::{NodeDescription, NodeState};
use skep_model::task::TaskState;
use skep_model::{Node, NodeId, TaskId, Timestamp, limits};

use crate::store::{Draft, Store};

/// The node is up as far as the last leader knew; this one has yet to hear of it.
pub fn is_doubted(draft: &mut Draft, id: NodeId) {
    let Some(node) = draft.node(id).filter(|node| node.status.state != NodeState::Down) else { return };
    let (mut node, now) = (Node::clone(node), draft.now());
    let text = "Node moved to \"unknown\" state due to leadership change in cluster";
    node.enter(NodeState::Unknown, text, now);
    put_if_news(draft, node);
}

/// The node registered. Returns whether it is one of the cluster's.
pub fn appears(draft: &mut Draft, id: NodeId, description: NodeDescription, addr: String) -> bool {
    let Some(node) = draft.node(id) else { return false };
    let (mut node, now) = (Node::clone(node), draft.now());
    node.description = description;
    node.status.addr = addr;
    node.enter(NodeState::Ready, "", now);
    put_if_news(draft, node);
    true
}

/// Nothing was heard of the node for as long as may be. Returns when to look again.
pub fn is_overdue(draft: &mut Draft, id: NodeId) -> Option<Timestamp> {
    let (node, now) = (draft.node(id)?, draft.now());
    let text = match node.status.state {
        NodeState::Down => {
            return match orphan_tasks(draft, id, "Task belonged to a node that was down for too long") {
                true => None,
                false => Some(now),
            };
        }
        NodeState::Unknown => "heartbeat failure for node in \"unknown\" state",
        NodeState::Ready | NodeState::Disconnected => "heartbeat failure",
    };
    let mut node = Node::clone(node);
    node.enter(NodeState::Down, text, now);
    let lost_at = lost_at(&node);
    draft.put_node(node);
    Some(lost_at)
}

/// Returns when what is on a node that is down is given up for good.
pub fn lost_at(node: &Node) -> Timestamp {
    node.status.since + limits::NODE_LOST_AFTER
}

/// Gives up for good what was not seen to end on a node. Returns whether the draft had room for all of it.
fn orphan_tasks(draft: &mut Draft, id: NodeId, message: &'static str) -> bool {
    for task in unended_on(draft, id) {
        if draft.is_full() {
            return false;
        }
        orphan(draft, task, message);
    }
    true
}

/// Returns the tasks on a node that were not seen to end.
pub fn unended_on(store: &Store, id: NodeId) -> Vec<TaskId> {
    store.tasks_on(id).filter(|task| task.status.state <= TaskState::Running).map(|task| task.id).collect()
}

/// Nothing will be heard of the task any more.
pub fn orphan(draft: &mut Draft, id: TaskId, message: &'static str) {
    let now = draft.now();
    draft.change_task(id, |task| {
        task.status.state = TaskState::Orphaned;
        task.status.message = message.into();
        task.status.err.clear();
        (task.status.at, task.status.applied_at) = (now, now);
    });
}

fn put_if_news(draft: &mut Draft, node: Node) {
    if draft.node(node.id).is_none_or(|known| **known != node) {
        draft.put_node(node);
    }
}
