//! Volumes of this node, and what prunes take away.

use std::collections::BTreeMap;

use skep_model::{Labels, Timestamp};

/// A volume of this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeFacts {
    pub name: String,
    pub driver: String,
    /// Of the driver, as given.
    pub options: BTreeMap<String, String>,
    pub labels: Labels,
    /// Directory on this node.
    pub mountpoint: String,
    pub created_at: Timestamp,
    /// Ids of the containers that have it.
    pub used_by: Vec<String>,
}

/// A volume to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewVolume {
    /// Empty: one is drawn.
    pub name: String,
    /// Empty: `local`.
    pub driver: String,
    pub options: BTreeMap<String, String>,
    pub labels: Labels,
}

/// Which unused objects a prune takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneFilter {
    /// Images: also those with tags. Volumes: also those with names.
    pub all: bool,
    /// Only what was created before.
    pub until: Option<Timestamp>,
    /// `k` or `k=v`; all must be there.
    pub labels: Vec<String>,
    /// None of these may be there.
    pub labels_absent: Vec<String>,
}

impl PruneFilter {
    /// Returns whether an object with these labels and this birth may be taken.
    pub fn takes(&self, labels: &Labels, created_at: Timestamp) -> bool {
        let has = |wanted: &String| match wanted.split_once('=') {
            Some((name, value)) => labels.get(name).is_some_and(|found| found == value),
            None => labels.contains_key(wanted.as_str()),
        };
        self.until.is_none_or(|until| created_at < until)
            && self.labels.iter().all(has)
            && !self.labels_absent.iter().any(has)
    }
}

/// What a prune took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned<T> {
    pub removed: Vec<T>,
    /// Bytes given back.
    pub reclaimed: u64,
}

impl<T> Default for Pruned<T> {
    fn default() -> Self {
        Pruned { removed: Vec::new(), reclaimed: 0 }
    }
}
