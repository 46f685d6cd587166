//! Placement beyond Swarm's: how full nodes may become, and which services keep together or apart. Both are
//! labels, so that every client can write them.
//!
//! ```text
//! skep.strategy=binpack                      on the cluster: spread (the default) or binpack
//! skep.rebalance=on                          on the cluster: on or off (the default)
//! skep.affinity=service:db                   on a service: only on nodes that run a task of db
//! skep.anti-affinity=service:db,service:web  on a service: only on nodes that run none of either
//! ```

use std::sync::Arc;

use crate::{Labels, NodeId, Task};

/// The label of a cluster that names its [`Strategy`].
pub const STRATEGY_LABEL: &str = "skep.strategy";
/// The label of a cluster that says whether tasks are moved to nodes that join or return.
pub const REBALANCE_LABEL: &str = "skep.rebalance";
/// The label of a service that names those it must be near.
pub const AFFINITY_LABEL: &str = "skep.affinity";
/// The label of a service that names those it must keep away from.
pub const ANTI_AFFINITY_LABEL: &str = "skep.anti-affinity";
/// Most services in one such label. Each is looked at for each node.
pub const AFFINITY_SERVICES_MAX: usize = 32;

/// Which of the nodes that can take a task gets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// The one with the fewest tasks of the service, then the fewest tasks: Swarm's.
    #[default]
    Spread,
    /// The one whose CPUs or memory are reserved most, so that others stay free.
    Binpack,
}

impl Strategy {
    /// Returns the strategy that a cluster's labels name, or what is wrong with them.
    pub fn of(labels: &Labels) -> Result<Strategy, String> {
        match labels.get(STRATEGY_LABEL).map(String::as_str) {
            None | Some("spread") => Ok(Strategy::Spread),
            Some("binpack") => Ok(Strategy::Binpack),
            Some(other) => {
                Err(format!("{STRATEGY_LABEL}={other}: the strategies are spread (the default) and binpack"))
            }
        }
    }
}

/// Returns whether a cluster's labels ask for rebalancing, or what is wrong with them.
pub fn rebalances(labels: &Labels) -> Result<bool, String> {
    match labels.get(REBALANCE_LABEL).map(String::as_str) {
        None | Some("off") => Ok(false),
        Some("on") => Ok(true),
        Some(other) => Err(format!("label {REBALANCE_LABEL}: {other:?} is not on or off")),
    }
}

/// A task that would stand better on another node.
#[derive(Clone, Debug, PartialEq)]
pub struct Relocation {
    pub task: Arc<Task>,
    pub from: NodeId,
    pub to: NodeId,
}

/// Which services a service must be near, and which it must keep away from, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affinity {
    pub near: Vec<String>,
    pub far: Vec<String>,
}

impl Affinity {
    /// Returns what the labels of the service `name` ask for, or what is wrong with them.
    pub fn of(name: &str, labels: &Labels) -> Result<Affinity, String> {
        let near = services(labels, AFFINITY_LABEL)?;
        if near.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            return Err(format!(
                "{AFFINITY_LABEL}=service:{name}: a service cannot wait for itself; its first task would find no node"
            ));
        }
        let far = services(labels, ANTI_AFFINITY_LABEL)?;
        if let Some(both) = near.iter().find(|name| far.contains(name)) {
            return Err(format!(
                "service:{both} is in {AFFINITY_LABEL} and in {ANTI_AFFINITY_LABEL}; no node can be both"
            ));
        }
        Ok(Affinity { near, far })
    }
}

/// Returns the services that a label names, in lower case and each once.
fn services(labels: &Labels, label: &str) -> Result<Vec<String>, String> {
    let Some(value) = labels.get(label) else { return Ok(Vec::new()) };
    let mut names = Vec::new();
    for term in value.split(',') {
        let name = term.trim().strip_prefix("service:").map(str::trim).filter(|name| !name.is_empty());
        let Some(name) = name else {
            return Err(format!("{label}={value}: expected service:NAME, or several of them between commas"));
        };
        let name = name.to_ascii_lowercase();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > AFFINITY_SERVICES_MAX {
        return Err(format!("{label} names {} services; Skep allows {AFFINITY_SERVICES_MAX}", names.len()));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn affinity(near: &str, far: &str) -> Result<Affinity, String> {
        let labels = [(AFFINITY_LABEL, near), (ANTI_AFFINITY_LABEL, far)];
        let given = labels.into_iter().filter(|(_, value)| !value.is_empty());
        Affinity::of("web", &given.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    #[test]
    fn names_services() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(affinity("", ""), Ok(Affinity::default()));
        assert_eq!(
            affinity("service:DB", "service:a, service:b,service:a"),
            Ok(Affinity { near: names(&["db"]), far: names(&["a", "b"]) })
        );
        assert_eq!(affinity("", "service:web"), Ok(Affinity { near: names(&[]), far: names(&["web"]) }));
    }

    #[test]
    fn says_what_is_wrong() {
        assert_eq!(
            affinity("db", ""),
            Err("skep.affinity=db: expected service:NAME, or several of them between commas".into())
        );
        assert_eq!(
            affinity("service:a,", ""),
            Err("skep.affinity=service:a,: expected service:NAME, or several of them between commas".into())
        );
        assert!(affinity("service:web", "").is_err_and(|error| error.contains("cannot wait for itself")));
        assert!(affinity("service:a", "service:A").is_err_and(|error| error.contains("no node can be both")));
        let many: Vec<_> = (0..33).map(|number| format!("service:s{number}")).collect();
        assert_eq!(
            affinity(&many.join(","), ""),
            Err("skep.affinity names 33 services; Skep allows 32".into())
        );
    }

    #[test]
    fn a_strategy_has_a_name() {
        let of = |value: &str| Strategy::of(&[(STRATEGY_LABEL.to_owned(), value.to_owned())].into());
        assert_eq!(Strategy::of(&Labels::new()), Ok(Strategy::Spread));
        assert_eq!(of("binpack"), Ok(Strategy::Binpack));
        assert_eq!(
            of("random"),
            Err("skep.strategy=random: the strategies are spread (the default) and binpack".into())
        );
    }
}
