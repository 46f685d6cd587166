//! Nodes: labels, availability and role.

use skep_model::node::{Availability, DRAIN, DRAIN_FORCE, NodeSpec, NodeState, Role};
use skep_model::request::{Refusal, RefusalClass, Reply};
use skep_model::{Node, NodeId};

use super::{check_labels, check_version};
use crate::dispatch::presence;
use crate::store::Draft;

pub fn update(draft: &mut Draft, id: NodeId, version: u64, mut spec: NodeSpec) -> Result<Reply, Refusal> {
    let Some(stored) = draft.node(id) else {
        return Err(Refusal::new(RefusalClass::NotFound, format!("node {id} not found")));
    };
    check_version(draft, &stored.meta, version)?;
    check_labels(&spec.labels)?;
    if let Some(how) = spec.labels.get(DRAIN).filter(|how| *how != DRAIN_FORCE) {
        let text = format!("label {DRAIN}: {how:?} is not {DRAIN_FORCE}");
        return Err(Refusal::new(RefusalClass::InvalidArgument, text));
    }
    if stored.spec.role == Role::Manager && spec.role == Role::Worker {
        check_demotion(draft, id)?;
    }
    if spec.availability != Availability::Drain && spec.labels.remove(DRAIN).is_some() {
        // What stood there goes with the drain that it was for: another one is another question.
        check_is_told_before(stored)?;
    }
    draft.put_node(Node { spec, ..Node::clone(stored) });
    Ok(Reply::Done)
}

/// Refuses to be told how a node is drained that is not to be.
fn check_is_told_before(stored: &Node) -> Result<(), Refusal> {
    if stored.spec.labels.contains_key(DRAIN) {
        return Ok(());
    }
    let text = format!(
        "label {DRAIN}={DRAIN_FORCE} says how a node is drained, and this one is not to be: set it together with the \
         availability drain (skep node update --availability drain --force)"
    );
    Err(Refusal::new(RefusalClass::InvalidArgument, text))
}

/// A manager may go as long as the others are a quorum of those that remain.
fn check_demotion(draft: &Draft, id: NodeId) -> Result<(), Refusal> {
    let others = || draft.nodes().filter(|node| node.spec.role == Role::Manager && node.id != id);
    let remaining = others().count();
    if remaining == 0 {
        let text = "attempting to demote the last manager of the swarm";
        return Err(Refusal::new(RefusalClass::FailedPrecondition, text));
    }
    let reachable = others().filter(|node| node.status.state != NodeState::Down).count();
    if reachable < remaining / 2 + 1 {
        let text = "can't remove member from the raft: this would result in a loss of quorum";
        return Err(Refusal::new(RefusalClass::FailedPrecondition, text));
    }
    Ok(())
}

/// Removes a node that is not up, or any with `force`. Its tasks are orphaned and replaced; those that could
/// run nowhere else are forgotten.
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
    if node.status.state == NodeState::Ready && !force {
        let text = format!("node {id} is not down and can't be removed");
        return Err(Refusal::new(RefusalClass::FailedPrecondition, text));
    }
    for task in presence::unended_on(draft, id) {
        presence::orphan(draft, task, "Task belonged to a node that has been deleted");
    }
    draft.delete_node(id);
    Ok(Reply::Done)
}
