//! What constraints and placement preferences can say of a node, under Swarm's names.

use std::borrow::Cow;
use std::fmt;

use crate::node::{Node, Role};

/// A property of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Property {
    Id,
    Hostname,
    Role,
    Os,
    Architecture,
    /// A label that an operator gave the node.
    NodeLabel(String),
    /// A label that the node's daemon was started with.
    EngineLabel(String),
}

/// The keys that name a property, for people.
pub const KNOWN_KEYS: &str = "node.id, node.hostname, node.role, node.platform.os, node.platform.arch, node.labels.KEY, engine.labels.KEY";

const NODE_LABELS: &str = "node.labels.";
const ENGINE_LABELS: &str = "engine.labels.";

impl Property {
    /// Returns the property of this name. Label keys keep their case, the words before them do not matter.
    pub fn parse(key: &str) -> Option<Property> {
        let label = |prefix: &str| {
            let (head, label) = key.split_at_checked(prefix.len())?;
            (head.eq_ignore_ascii_case(prefix) && !label.is_empty()).then(|| label.to_owned())
        };
        match key.to_ascii_lowercase().as_str() {
            "node.id" => Some(Property::Id),
            "node.hostname" => Some(Property::Hostname),
            "node.role" => Some(Property::Role),
            "node.platform.os" => Some(Property::Os),
            "node.platform.arch" => Some(Property::Architecture),
            _ => label(NODE_LABELS)
                .map(Property::NodeLabel)
                .or_else(|| label(ENGINE_LABELS).map(Property::EngineLabel)),
        }
    }

    /// Returns what the node has; a missing label is the empty text.
    pub fn of<'n>(&self, node: &'n Node) -> Cow<'n, str> {
        match self {
            Property::Id => node.id.to_string().into(),
            Property::Hostname => node.description.hostname.as_str().into(),
            Property::Role => match node.spec.role {
                Role::Manager => "manager".into(),
                Role::Worker => "worker".into(),
            },
            Property::Os => node.description.platform.os.as_str().into(),
            Property::Architecture => architecture(&node.description.platform.architecture).into(),
            Property::NodeLabel(key) => node.spec.labels.get(key).map_or("", String::as_str).into(),
            Property::EngineLabel(key) => {
                node.description.engine_labels.get(key).map_or("", String::as_str).into()
            }
        }
    }

    /// Returns whether the node's property has this value, without regard to case.
    pub fn is(&self, node: &Node, value: &str) -> bool {
        let has = self.of(node);
        match self {
            Property::Architecture => has.eq_ignore_ascii_case(architecture(&value.to_ascii_lowercase())),
            _ => has.eq_ignore_ascii_case(value),
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Property::Id => f.write_str("node.id"),
            Property::Hostname => f.write_str("node.hostname"),
            Property::Role => f.write_str("node.role"),
            Property::Os => f.write_str("node.platform.os"),
            Property::Architecture => f.write_str("node.platform.arch"),
            Property::NodeLabel(key) => write!(f, "{NODE_LABELS}{key}"),
            Property::EngineLabel(key) => write!(f, "{ENGINE_LABELS}{key}"),
        }
    }
}

/// Returns Docker's name of an architecture that `uname` names otherwise.
pub fn architecture(name: &str) -> &str {
    match name {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
