//! When to look at a node again: when it will have been silent for too long, or down for too long.

use std::collections::{BTreeMap, BTreeSet};

use skep_model::{NodeId, Timestamp};

/// Deadlines, at most one per node. What one means, the state of its node tells.
#[derive(Debug, Default)]
pub struct Deadlines {
    by_node: BTreeMap<NodeId, Timestamp>,
    // Invariant: the same entries as above.
    by_time: BTreeSet<(Timestamp, NodeId)>,
}

impl Deadlines {
    /// Puts a deadline in the place of the node's last one.
    pub fn set(&mut self, id: NodeId, at: Timestamp) {
        if let Some(before) = self.by_node.insert(id, at) {
            self.by_time.remove(&(before, id));
        }
        self.by_time.insert((at, id));
    }

    /// Returns a node whose deadline has come, and forgets the deadline.
    pub fn take_due(&mut self, now: Timestamp) -> Option<NodeId> {
        let (_, id) = self.by_time.first().filter(|(at, _)| *at <= now).copied()?;
        self.by_time.pop_first();
        self.by_node.remove(&id);
        Some(id)
    }

    /// Returns the earliest deadline.
    pub fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }
}
