//! A node: a machine that runs tasks, and what the managers think of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::template::Platform;
use crate::{Labels, Meta, NodeId, Timestamp};

/// A node as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    pub id: NodeId,
    pub meta: Meta,
    pub spec: NodeSpec,
    #[serde(default)]
    pub description: NodeDescription,
    #[serde(default)]
    pub status: NodeStatus,
    /// Address at which this manager is reached; `None` for workers.
    #[serde(default)]
    pub manager_addr: Option<String>,
}

/// What an operator sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeSpec {
    pub name: String,
    pub labels: Labels,
    pub role: Role,
    pub availability: Availability,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    #[default]
    Worker,
    Manager,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Availability {
    #[default]
    Active,
    /// Takes no new tasks.
    Pause,
    /// Takes no new tasks and gives up those it has.
    Drain,
}

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeDescription {
    pub hostname: String,
    /// As `uname` names it: `x86_64`, `aarch64`.
    pub platform: Platform,
    pub nano_cpus: i64,
    pub memory_bytes: i64,
    pub engine_version: String,
    pub engine_labels: Labels,
    /// Units that the node offers of each kind of generic resource.
    pub generic: BTreeMap<String, i64>,
    /// What the engine can do beyond the usual, in the order of kind and name; empty where it does not say.
    pub plugins: Vec<Plugin>,
}

/// An ability of a node's engine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Plugin {
    /// `Volume`, `Network`, `Log`.
    pub kind: String,
    pub name: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    pub state: NodeState,
    /// When it entered that state, by the clock of the leader that saw it.
    pub since: Timestamp,
    pub message: String,
    /// Bare IP address.
    pub addr: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeState {
    #[default]
    Unknown,
    Down,
    Ready,
    Disconnected,
}

/// The label of a node that says how it is drained.
pub const DRAIN: &str = "skep.drain";
/// Its only value: at once, without waiting for the successors of the tasks.
pub const DRAIN_FORCE: &str = "force";

impl Node {
    /// Enters a state at `now`; stays as it is where it is in that state already.
    pub fn enter(&mut self, state: NodeState, message: &str, now: Timestamp) {
        if self.status.state != state {
            self.status.since = now;
        }
        self.status.state = state;
        self.status.message = message.to_owned();
    }

    /// Returns whether new tasks may be placed here.
    pub fn takes_tasks(&self) -> bool {
        self.status.state == NodeState::Ready && self.spec.availability == Availability::Active
    }

    /// Returns whether a drain of it does not wait for the successors of its tasks.
    pub fn is_drained_at_once(&self) -> bool {
        self.spec.labels.get(DRAIN).is_some_and(|how| how == DRAIN_FORCE)
    }
}
