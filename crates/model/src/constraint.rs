//! The placement constraint language: `node.labels.zone == b`, `node.role!=manager`.
//!
//! Parsing is Swarm's. Values are compared whole and without regard to case; a missing label is the empty
//! string. A key that names no [`Property`] parses, as in Swarm, and is refused where a service is written:
//! it could match no node.

use std::net::IpAddr;

use crate::node::Node;
use crate::property::Property;

/// One parsed constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// The key as it was typed.
    key: String,
    subject: Subject,
    negated: bool,
    value: String,
}

/// What a constraint speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Property(Property),
    /// `node.ip`: compared by range, not by its text.
    Address,
    Unknown,
}

/// The text is not a constraint. The wording is Swarm's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintError {
    #[error("constraint expected one operator from ==, !=")]
    NoOperator,
    #[error("key '{0}' is invalid")]
    BadKey(String),
    #[error("value '{0}' is invalid")]
    BadValue(String),
}

impl Constraint {
    /// Parses one constraint as typed.
    pub fn parse(text: &str) -> Result<Constraint, ConstraintError> {
        let (key, value, negated) = if let Some((key, value)) = text.split_once("==") {
            (key, value, false)
        } else if let Some((key, value)) = text.split_once("!=") {
            (key, value, true)
        } else {
            return Err(ConstraintError::NoOperator);
        };
        let (key, value) = (key.trim(), value.trim());
        if !is_key(key) {
            return Err(ConstraintError::BadKey(key.to_owned()));
        }
        if !is_value(value) {
            return Err(ConstraintError::BadValue(value.to_owned()));
        }
        let subject = match Property::parse(key) {
            Some(property) => Subject::Property(property),
            None if key.eq_ignore_ascii_case("node.ip") => Subject::Address,
            None => Subject::Unknown,
        };
        Ok(Constraint { key: key.to_owned(), subject, negated, value: value.to_owned() })
    }

    /// Returns the key where no node has such a property.
    pub fn unknown_key(&self) -> Option<&str> {
        matches!(self.subject, Subject::Unknown).then_some(self.key.as_str())
    }

    /// Returns whether `node` fulfils the constraint.
    pub fn matches(&self, node: &Node) -> bool {
        self.is_equal(node).is_some_and(|equal| equal != self.negated)
    }

    /// Returns whether the node's property has the value, or `None` if there is no such property.
    fn is_equal(&self, node: &Node) -> Option<bool> {
        match &self.subject {
            Subject::Property(property) => Some(property.is(node, &self.value)),
            Subject::Address => contains_address(&self.value, &node.status.addr),
            Subject::Unknown => None,
        }
    }
}

/// Returns whether `range`, an address or a CIDR, contains `address`; `None` if either is malformed.
fn contains_address(range: &str, address: &str) -> Option<bool> {
    let address: IpAddr = address.parse().ok()?;
    let (base, length) = match range.split_once('/') {
        Some((base, length)) => (base.parse::<IpAddr>().ok()?, Some(length.parse::<u32>().ok()?)),
        None => (range.parse::<IpAddr>().ok()?, None),
    };
    match (base, address) {
        (IpAddr::V4(base), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32u32.checked_sub(length.unwrap_or(32))?).unwrap_or(0);
            Some(base.to_bits() & mask == address.to_bits() & mask)
        }
        (IpAddr::V6(base), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128u32.checked_sub(length.unwrap_or(128))?).unwrap_or(0);
            Some(base.to_bits() & mask == address.to_bits() & mask)
        }
        _ => Some(false),
    }
}

fn is_key(key: &str) -> bool {
    let mut bytes = key.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && key.len() > 1
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn is_value(value: &str) -> bool {
    !value.is_empty()
        && value.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace() || b":-_.*()?+[]\\^$|/".contains(&byte)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{NodeDescription, NodeSpec, NodeStatus, Role};
    use crate::template::Platform;
    use crate::{Id, Meta, NodeId};

    fn node() -> Node {
        Node {
            id: NodeId::from_number(7),
            meta: Meta::default(),
            spec: NodeSpec {
                role: Role::Manager,
                labels: [("Zone".into(), "b".into())].into(),
                ..Default::default()
            },
            description: NodeDescription {
                hostname: "Alpha".into(),
                platform: Platform { architecture: "x86_64".into(), os: "linux".into() },
                ..Default::default()
            },
            status: NodeStatus { addr: "10.0.3.7".into(), ..Default::default() },
            manager_addr: None,
        }
    }

    #[test]
    fn matches_as_swarm_does() {
        for (text, expected) in [
            ("node.role == manager", true),
            ("node.role!=manager", false),
            ("NODE.HOSTNAME==alpha", true),
            ("node.labels.Zone == B", true),
            ("node.labels.zone == b", false),
            ("node.labels.rack != r1", true),
            ("node.ip == 10.0.0.0/16", true),
            ("node.ip != 10.0.3.7", false),
            ("node.ip == nonsense", false),
            ("node.platform.arch == amd64", true),
            ("node.id == 0000000000000000000000007", true),
            ("node.colour == red", false),
            ("node.colour != red", false),
        ] {
            let constraint = Constraint::parse(text).expect("a valid constraint");
            assert_eq!(constraint.matches(&node()), expected, "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        let error = |text| Constraint::parse(text).expect_err("an invalid constraint").to_string();
        assert_eq!(error("node.role"), "constraint expected one operator from ==, !=");
        assert_eq!(error("1node==a"), "key '1node' is invalid");
        assert_eq!(error("node.role==a,b"), "value 'a,b' is invalid");
        assert_eq!(error("node.role=="), "value '' is invalid");
    }

    #[test]
    fn a_key_that_no_node_has_is_known_for_what_it_is() {
        let key = |text| Constraint::parse(text).expect("a constraint").unknown_key().map(str::to_owned);
        assert_eq!(key("node.colour==red"), Some("node.colour".to_owned()));
        assert_eq!(key("node.labels.==red"), Some("node.labels.".to_owned()));
        for known in ["NODE.Role==worker", "node.ip==10.0.0.1", "node.labels.a.b!=c", "engine.labels.x==y"] {
            assert_eq!(key(known), None, "{known}");
        }
    }
}
