//! Nodes: labels, availability and role.

use skep_model::node::{NodeSpec, NodeState, Role};
use skep_model::request::{Refusal, RefusalClass, Reply};
use skep_model::{Node, NodeId};

use super::check_version;
use crate::store::{Draft, Key};

pub fn update(draft: &mut Draft, id: NodeId, version: u64, spec: NodeSpec) -> Result<Reply, Refusal> {
    let Some(stored) = draft.node(id) else {
        return Err(Refusal::new(RefusalClass::NotFound, format!("node {id} not found")));
    };
    check_version(draft, Key::Node(id), &stored.meta, version)?;
    if stored.spec.role == Role::Manager && spec.role == Role::Worker {
        let managers = draft.nodes().filter(|node| node.spec.role == Role::Manager).count();
        if managers <= 1 {
            let text = "attempting to demote the last manager of the swarm";
            return Err(Refusal::new(RefusalClass::FailedPrecondition, text));
        }
    }
    draft.put_node(Node { spec, ..Node::clone(stored) });
    Ok(Reply::Done)
}

/// Removes a node that is down, or any with `force`. Its tasks are orphaned and replaced.
pub fn remove(draft: &mut Draft, id: NodeId, force: bool) -> Result<Reply, Refusal> {
    let Some(node) = draft.node(id) else {
        return Err(Refusal::new(RefusalClass::NotFound, format!("node {id} not found")));
    };
    if node.spec.role == Role::Manager {
        let text = format!(
            "node {id} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal"
        );
        return Err(Refusal::new(RefusalClass::FailedPrecondition, text));
    }
    if node.status.state != NodeState::Down && !force {
        let text = format!("node {id} is not down and can't be removed");
        return Err(Refusal::new(RefusalClass::FailedPrecondition, text));
    }
    draft.delete_node(id);
    Ok(Reply::Done)
}
