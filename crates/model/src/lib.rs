#![forbid(unsafe_code)]
//! The nouns of a cluster: service, revision, task, node, cluster, rollout; their states, limits and validation.
//!
//! Everything here is plain data that is persisted and sent between our own nodes, so each struct is
//! versioned by its field names: unknown fields are ignored, missing ones take their default. Nothing
//! here decides (that is `skep-core`) and nothing here knows Docker's JSON (that is `skep-api`).
//!
//! Read in this order: [`service`], [`endpoint`], [`template`], [`mount`], [`revision`], [`task`], [`rollout`], [`policy`],
//! then [`validate`].

mod id;
mod time;

pub mod census;
pub mod cluster;
pub mod constraint;
pub mod endpoint;
pub mod limits;
pub mod log;
pub mod mount;
pub mod node;
pub mod placeholder;
pub mod placement;
pub mod policy;
pub mod property;
pub mod reference;
pub mod request;
pub mod revision;
pub mod rollout;
pub mod service;
pub mod share;
pub mod signal;
pub mod span;
pub mod task;
pub mod template;
pub mod validate;

pub use cluster::Cluster;
pub use id::{ClusterId, Id, NodeId, ServiceId, TaskId};
pub use node::Node;
pub use policy::Policy;
pub use revision::Revision;
pub use rollout::{Rollout, Step};
pub use service::{Service, ServiceSpec};
pub use task::Task;
pub use template::TaskSpec;
pub use time::Timestamp;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Free-form labels, in key order.
pub type Labels = BTreeMap<String, String>;

/// What every stored object carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// Index of the log entry that wrote the object last; 0 before the first write.
    pub version: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Meta {
    /// Returns the metadata of an object created at `now` and not yet written.
    pub fn new(now: Timestamp) -> Self {
        Meta { version: 0, created_at: now, updated_at: now }
    }
}
