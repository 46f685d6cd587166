//! A node and its specification.

use skep_model::node::{Availability, NodeDescription, NodeSpec, NodeState, Role};
use skep_model::{Cluster, Node};

use super::{Unconverted, cluster, invalid, template, time};
use crate::wire;

/// Converts what an operator sets.
pub fn to_model(spec: wire::NodeSpec) -> Result<NodeSpec, Unconverted> {
    let role = match spec.role.as_str() {
        "worker" => Role::Worker,
        "manager" => Role::Manager,
        other => return Err(invalid(format!("invalid Role: {other:?}"))),
    };
    let availability = availability_to_model(&spec.availability)?;
    Ok(NodeSpec { name: spec.name, labels: spec.labels, role, availability })
}

/// Converts an availability; the word is required.
pub fn availability_to_model(word: &str) -> Result<Availability, Unconverted> {
    Ok(match word {
        "active" => Availability::Active,
        "pause" => Availability::Pause,
        "drain" => Availability::Drain,
        other => return Err(invalid(format!("invalid Availability: {other:?}"))),
    })
}

/// Shows a node. The authority is the cluster's; `leads` tells whether this node leads it.
pub fn to_wire(node: &Node, cluster: Option<&Cluster>, leads: bool) -> wire::Node {
    let description = &node.description;
    wire::Node {
        id: node.id.to_string(),
        version: wire::Version { index: node.meta.version },
        created_at: time(node.meta.created_at),
        updated_at: time(node.meta.updated_at),
        spec: spec_to_wire(&node.spec),
        description: wire::NodeDescription {
            hostname: description.hostname.clone(),
            platform: template::platform_to_wire(&description.platform),
            resources: wire::Resources {
                nano_cpus: description.nano_cpus,
                memory_bytes: description.memory_bytes,
                generic_resources: description.generic.iter().map(template::generic_to_wire).collect(),
            },
            engine: wire::EngineDescription {
                engine_version: description.engine_version.clone(),
                labels: description.engine_labels.clone(),
                plugins: plugins(description),
            },
            tls_info: cluster.map(|cluster| cluster::tls_info(&cluster.authority)).unwrap_or_default(),
        },
        status: wire::NodeStatus {
            state: state_word(node.status.state).to_owned(),
            message: node.status.message.clone(),
            addr: node.status.addr.clone(),
        },
        manager_status: node.manager_addr.as_ref().map(|addr| wire::ManagerStatus {
            leader: leads,
            reachability: reachability_word(node).to_owned(),
            addr: addr.clone(),
        }),
    }
}

fn spec_to_wire(spec: &NodeSpec) -> wire::NodeSpec {
    wire::NodeSpec {
        name: spec.name.clone(),
        labels: spec.labels.clone(),
        role: role_word(spec.role).to_owned(),
        availability: availability_word(spec.availability).to_owned(),
    }
}

/// The drivers that a node says it has, else those that every node has.
fn plugins(description: &NodeDescription) -> Vec<wire::PluginDescription> {
    let said = description.plugins.iter();
    let said = said.map(|one| wire::PluginDescription { kind: one.kind.clone(), name: one.name.clone() });
    let said: Vec<_> = said.collect();
    if !said.is_empty() {
        return said;
    }
    let logs = template::LOG_DRIVERS.map(|name| ("Log", name));
    let all = logs.into_iter().chain([("Network", "bridge"), ("Volume", "local")]);
    all.map(|(kind, name)| wire::PluginDescription { kind: kind.to_owned(), name: name.to_owned() }).collect()
}

/// Returns Swarm's word for a role.
pub fn role_word(role: Role) -> &'static str {
    match role {
        Role::Worker => "worker",
        Role::Manager => "manager",
    }
}

/// Returns Swarm's word for an availability.
pub fn availability_word(availability: Availability) -> &'static str {
    match availability {
        Availability::Active => "active",
        Availability::Pause => "pause",
        Availability::Drain => "drain",
    }
}

/// Returns Swarm's word for what the managers think of a node.
pub fn state_word(state: NodeState) -> &'static str {
    match state {
        NodeState::Unknown => "unknown",
        NodeState::Down => "down",
        NodeState::Ready => "ready",
        NodeState::Disconnected => "disconnected",
    }
}

/// Returns Swarm's word for whether the other managers reach this one.
pub fn reachability_word(node: &Node) -> &'static str {
    match node.status.state {
        NodeState::Ready => "reachable",
        NodeState::Unknown => "unknown",
        NodeState::Down | NodeState::Disconnected => "unreachable",
    }
}
