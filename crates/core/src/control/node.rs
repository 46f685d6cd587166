//! Nodes: labels, availability and role.

use skep_model::node::{NodeSpec, Role};
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
