//! Rollouts and revisions, under `/skep/v1`: ours, so fields may be added but none changes its meaning.

use serde::{Deserialize, Serialize};

use super::{Time, zero};

/// Where a service stands on its way to a revision, and what it waits for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Rollout {
    /// 25 characters of base 36.
    #[serde(rename = "ServiceID")]
    pub service_id: String,
    /// The service's name.
    pub service_name: String,
    /// The word that `UpdateStatus.State` shows; `none` where the service was not updated yet.
    pub state: String,
    /// Number of the revision that the service is at, or goes to.
    pub revision: u64,
    /// Number of the revision that a failure or an abort returns to; absent where there is none.
    #[serde(skip_serializing_if = "zero")]
    pub return_to: Option<u64>,
    /// Number of the revision that failed or was aborted, where the service goes, or went, back from one.
    #[serde(skip_serializing_if = "zero")]
    pub given_up: Option<u64>,
    /// Since when the revision is known to work; absent where it is not, and for jobs.
    #[serde(skip_serializing_if = "zero")]
    pub stable_at: Option<Time>,
    /// Whether the service is a job: its tasks are to end, so that no revision of it becomes stable.
    #[serde(skip_serializing_if = "zero")]
    pub job: bool,
    /// When it was asked for.
    #[serde(skip_serializing_if = "zero")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "zero")]
    pub completed_at: Option<Time>,
    /// The sentence that `UpdateStatus.Message` shows.
    pub message: String,
    /// How many slots there are, in which condition.
    pub slots: Slots,
    /// Slots in mid-change.
    pub steps: Vec<Step>,
    /// What is waited for, most important first; empty where all moves, or all is done.
    pub waits: Vec<Wait>,
}

/// Counts of slots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Slots {
    /// Slots of the service.
    pub total: u64,
    /// Slots that have a task which runs.
    pub running: u64,
    /// Slots whose task is of the revision aimed at.
    pub updated: u64,
    /// Slots whose replacement failed in this rollout.
    pub failed: u64,
}

/// A slot in mid-change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Step {
    /// The number of the slot; of a global service the id of the node.
    pub slot: String,
    /// The replacement.
    #[serde(rename = "TaskID")]
    pub task_id: String,
    /// When the slot was taken up.
    pub taken_at: Time,
    /// When the replacement ran, or ended without; absent before.
    #[serde(skip_serializing_if = "zero")]
    pub settled_at: Option<Time>,
    /// Whether the replacement failed.
    pub failed: bool,
}

/// One thing waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Wait {
    /// What kind of waiting: `pull`, `capacity`, `start`, `health`, `min-healthy`, `delay`, `monitor`, `budget`, `drain`,
    /// `restart`, `human`, `node-lost`, `bake`.
    pub code: String,
    /// Since when.
    pub since: Time,
    /// When it ends by itself; absent where somebody or something else ends it.
    #[serde(skip_serializing_if = "zero")]
    pub until: Option<Time>,
    /// The slot in question, where it is about one.
    #[serde(skip_serializing_if = "zero")]
    pub slot: String,
    /// Why a task has to leave its node, where that is what is waited for (code `drain`): `node-drained`, `node-unfit` (it
    /// does not meet what the task was placed for), `rebalance`; absent elsewhere.
    #[serde(skip_serializing_if = "zero")]
    pub cause: String,
    /// A sentence.
    pub text: String,
}

/// One numbered version of what a service's tasks are made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Revision {
    /// Counts up from 1 within a service.
    pub number: u64,
    /// Short name of the content.
    pub hash: String,
    /// The image, with its digest where one is pinned.
    pub image: String,
    /// When it was asked for.
    pub created_at: Time,
    /// Who asked for it, as far as that is known.
    #[serde(skip_serializing_if = "zero")]
    pub author: String,
    /// Why, in the words of the label `skep.reason`.
    #[serde(skip_serializing_if = "zero")]
    pub reason: String,
    /// Since when it is known to work; absent where it is not.
    #[serde(skip_serializing_if = "zero")]
    pub stable_at: Option<Time>,
    /// When it failed and the service was rolled back from it; absent where that is not so.
    #[serde(skip_serializing_if = "zero")]
    pub failed_at: Option<Time>,
    /// Whether it is the one in force.
    pub is_current: bool,
}

/// A task that would be moved to a less loaded node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Relocation {
    /// The service's name.
    pub service_name: String,
    /// The number of the slot.
    pub slot: String,
    #[serde(rename = "TaskID")]
    pub task_id: String,
    /// Name of the node that it is on.
    pub from: String,
    /// Name of the node where it would go.
    pub to: String,
}
