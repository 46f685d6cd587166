//! A rollout: the progress of moving a service from one template to another.
//!
//! All of it is stored, so a leader that takes over in the middle knows what is spent, what failed and
//! what is due. There is at most one per service; it lives until a later write replaces it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{ServiceId, TaskId, TaskSpec, Timestamp};

/// The latest rollout of a service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    pub service_id: ServiceId,
    pub direction: Direction,
    pub phase: Phase,
    pub started_at: Timestamp,
    #[serde(default)]
    pub completed_at: Option<Timestamp>,
    /// What `UpdateStatus.Message` shows.
    pub message: String,
    /// Revision this rollout moves the slots to.
    pub revision: u64,
    /// Outdated slots when it began: the denominator of the failure ratio.
    pub slot_count: u64,
    /// Slots this rollout has taken up, by slot number.
    #[serde(default)]
    pub steps: BTreeMap<u64, Step>,
    /// The template to return to while the new one is unproven: new slots get it, too.
    #[serde(default)]
    pub proven: Option<Proven>,
}

/// The template that ran before a rollout began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proven {
    pub task: Arc<TaskSpec>,
    pub revision: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    Forward,
    Back,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Asked for; whether any slot is outdated is not known yet. Clients see no rollout.
    Asked,
    Running,
    Paused,
    Completed,
}

/// One slot's part in a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The replacement that this rollout made, or found, for the slot.
    pub task_id: TaskId,
    /// When the replacement ran, or ended without running: from here the delay counts.
    #[serde(default)]
    pub settled_at: Option<Timestamp>,
    /// The replacement ended by itself before it ran or within the monitor period after.
    #[serde(default)]
    pub failed: bool,
}

impl Rollout {
    /// Returns how many slots have failed.
    pub fn failure_count(&self) -> u64 {
        self.steps.values().filter(|step| step.failed).count() as u64
    }

    /// Returns whether slots are still being replaced or watched.
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }
}
