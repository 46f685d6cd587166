//! Spread preferences: the nodes as a tree, split level by level by what they have of each property, so that
//! tasks are levelled out over its branches before they are over its nodes.
//!
//! A branch counts the tasks of the service on all its nodes, those included that can take no more; one that
//! is full leaves its share to the others. Without preferences the tree is one leaf.

use std::collections::{BTreeMap, BTreeSet};

use skep_model::property::Property;
use skep_model::{Node, NodeId};

use super::filter::Field;
use super::load::Load;
use super::pool::Pool;
use super::rank::{Failures, Rank};

/// What may be chosen from, and the tasks of the service in it.
#[derive(Debug)]
pub enum Tree {
    Leaf(Pool),
    Split(Split),
}

/// A level of the tree.
#[derive(Debug)]
pub struct Split {
    property: Property,
    branches: BTreeMap<String, (u64, Tree)>,
    /// Branches that are not known to be full, those with the fewest tasks first.
    order: BTreeSet<(u64, String)>,
}

/// How good a choice is: by the branches on the way to it, then by its rank.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Merit {
    branches: Vec<(u64, String)>,
    pub rank: Rank,
}

impl Merit {
    /// Returns the merit of a choice that lies on no branch.
    pub fn of(rank: Rank) -> Merit {
        Merit { branches: Vec::new(), rank }
    }
}

impl Tree {
    /// Returns the tree of all nodes; `only`: of these.
    pub fn grow(field: &Field<'_>, failures: &Failures, only: Option<&BTreeSet<NodeId>>) -> Tree {
        let preferences = &field.demand.preferences;
        if !preferences.is_empty() {
            let nodes: Vec<&Load> = field.fleet.iter().collect();
            return Split::grow(field, failures, only, preferences, &nodes);
        }
        Tree::Leaf(match only {
            Some(ids) => Pool::of(field, failures, ids.iter().filter_map(|id| field.fleet.get(*id))),
            None => Pool::of_all(field, failures),
        })
    }

    /// Returns the best choice; `None`: there is none.
    pub fn best(&mut self, field: &Field<'_>, failures: &Failures) -> Option<Merit> {
        match self {
            Tree::Leaf(pool) => pool.best(field, failures).map(Merit::of),
            Tree::Split(split) => split.best(field, failures),
        }
    }

    /// Returns how good a choice this node would be.
    pub fn merit(&self, rank: Rank, node: &Node) -> Merit {
        let mut branches = Vec::new();
        let mut tree = self;
        while let Tree::Split(split) = tree {
            let value = split.property.of(node);
            let Some((count, below)) = split.branches.get(&*value) else { break };
            branches.push((*count, value.into_owned()));
            tree = below;
        }
        Merit { branches, rank }
    }

    /// Takes in that the node got a task.
    pub fn placed(&mut self, field: &Field<'_>, failures: &Failures, load: &Load) {
        match self {
            Tree::Leaf(pool) => pool.placed(field, failures, load),
            Tree::Split(split) => split.placed(field, failures, load),
        }
    }
}

impl Split {
    fn grow(
        field: &Field<'_>,
        failures: &Failures,
        only: Option<&BTreeSet<NodeId>>,
        preferences: &[Property],
        nodes: &[&Load],
    ) -> Tree {
        let Some((property, rest)) = preferences.split_first() else {
            let nodes = nodes.iter().copied();
            let nodes = nodes.filter(|load| only.is_none_or(|only| only.contains(&load.id)));
            return Tree::Leaf(Pool::of(field, failures, nodes));
        };
        let mut parts: BTreeMap<String, Vec<&Load>> = BTreeMap::new();
        for load in nodes {
            parts.entry(property.of(&load.node).into_owned()).or_default().push(load);
        }
        let tasks = |nodes: &[&Load]| {
            let counts = nodes.iter().map(|load| field.fleet.tasks_of(field.demand.service_id, load.seat));
            counts.map(u64::from).sum()
        };
        let branch = |(value, nodes): (String, Vec<&Load>)| {
            (value, (tasks(&nodes), Split::grow(field, failures, only, rest, &nodes)))
        };
        let branches: BTreeMap<String, (u64, Tree)> = parts.into_iter().map(branch).collect();
        let order = branches.iter().map(|(value, (count, _))| (*count, value.clone())).collect();
        Tree::Split(Split { property: property.clone(), branches, order })
    }

    fn best(&mut self, field: &Field<'_>, failures: &Failures) -> Option<Merit> {
        while let Some(least) = self.order.first().cloned() {
            let (_, below) = self.branches.get_mut(&least.1).expect("the order names branches");
            if let Some(mut merit) = below.best(field, failures) {
                merit.branches.insert(0, least);
                return Some(merit);
            }
            self.order.remove(&least);
        }
        None
    }

    fn placed(&mut self, field: &Field<'_>, failures: &Failures, load: &Load) {
        let value = self.property.of(&load.node);
        let Some((count, below)) = self.branches.get_mut(&*value) else { return };
        below.placed(field, failures, load);
        let was_open = self.order.remove(&(*count, value.clone().into_owned()));
        *count += 1;
        if was_open {
            self.order.insert((*count, value.into_owned()));
        }
    }
}
