//! A revision: one numbered version of what a service's tasks are made from.
//!
//! It never changes. Tasks name theirs, so a slot keeps its revision until a rollout moves it, and going
//! back means to name an earlier one again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::{ServiceId, TaskSpec, Timestamp};

/// What tasks of one number are made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    pub service_id: ServiceId,
    /// Counts up from 1 within a service; a number is never given twice.
    pub number: u64,
    pub template: Arc<TaskSpec>,
    #[serde(default)]
    pub endpoint: Endpoint,
    /// Short name of the content: equal content has an equal one, also in another service or cluster.
    pub hash: String,
    pub created_at: Timestamp,
    /// Who asked for it, as far as that is known; may be empty.
    #[serde(default)]
    pub author: String,
    /// Why, in the words of the label `skep.reason`; may be empty.
    #[serde(default)]
    pub reason: String,
    /// Since when it is known to work: its rollout completed, or all its first tasks ran. An automatic
    /// rollback goes to the newest of these.
    #[serde(default)]
    pub stable_at: Option<Timestamp>,
}
