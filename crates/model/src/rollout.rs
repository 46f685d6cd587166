//! A rollout: the progress of moving a service from one revision to another.
//!
//! All of it is stored, so a leader that takes over in the middle knows what is spent, what failed and
//! what is due. A service has at most one; it lives until a later write replaces it. What it does to each
//! slot is a [`Step`] of its own, so that progress costs as little to store for a thousand slots as for
//! one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::task::{LeaveCause, SlotId};
use crate::{ServiceId, TaskId, Timestamp};

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
    /// Revision that ran before: new slots get it while this rollout is unproven. `None`: it goes back from
    /// one that failed, or nothing ran.
    #[serde(default)]
    pub from: Option<u64>,
    /// Revision that a failure or an abort returns to. `None`: nothing is known to work.
    #[serde(default)]
    pub return_to: Option<u64>,
    /// Revision that failed, or was aborted, and that this rollout leads away from.
    #[serde(default)]
    pub given_up: Option<u64>,
    /// Outdated slots when it began: the denominator of the failure ratio.
    pub slot_count: u64,
    /// Slots whose steps are settled, failed ones included.
    #[serde(default)]
    pub settled_count: u64,
    /// Slots whose replacements failed.
    #[serde(default)]
    pub failed_count: u64,
    /// When a slot was settled last.
    #[serde(default)]
    pub last_settled_at: Option<Timestamp>,
    /// Time spent on progress since a slot was settled last, while nothing held the rollout.
    #[serde(default)]
    pub spent: Clock,
    /// Time spent since it began, or turned back, while nothing held it.
    #[serde(default)]
    pub elapsed: Clock,
    /// Since when it is held: by somebody, or because it failed.
    #[serde(default)]
    pub held_since: Option<Timestamp>,
    /// When its first batch had lived through the monitor period, where that is asked for.
    #[serde(default)]
    pub proven_at: Option<Timestamp>,
}

impl Rollout {
    /// Returns a rollout that is asked for at `now`.
    pub fn asked(
        service_id: ServiceId,
        direction: Direction,
        revision: u64,
        return_to: Option<u64>,
        now: Timestamp,
    ) -> Self {
        Rollout {
            service_id,
            direction,
            phase: Phase::Asked,
            started_at: now,
            completed_at: None,
            message: String::new(),
            revision,
            from: None,
            return_to,
            given_up: None,
            slot_count: 0,
            settled_count: 0,
            failed_count: 0,
            last_settled_at: None,
            spent: Clock::default(),
            elapsed: Clock::default(),
            held_since: None,
            proven_at: None,
        }
    }

    /// Returns whether it takes slots up, or is about to.
    pub fn is_under_way(&self) -> bool {
        matches!(self.phase, Phase::Asked | Phase::Running)
    }

    /// Returns whether slots are still being replaced or watched.
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }
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

/// One slot in mid-change: a rollout replaces its task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub service_id: ServiceId,
    pub slot: SlotId,
    /// The replacement that was made, or found, for the slot.
    pub task_id: TaskId,
    pub taken_at: Timestamp,
    /// When the replacement ran, or ended without running: from here the delay counts.
    #[serde(default)]
    pub settled_at: Option<Timestamp>,
    /// The replacement ended by itself before it ran or within the monitor period after, or did not run by
    /// its deadline.
    #[serde(default)]
    pub failed: bool,
    /// Its lane went to another slot.
    #[serde(default)]
    pub closed: bool,
    /// Time that the replacement spent on coming up, without what its image took.
    #[serde(default)]
    pub clock: Clock,
}

impl Step {
    /// Returns the step that replaces the slot's task by another one, begun at `now`.
    pub fn begun(service_id: ServiceId, slot: SlotId, task_id: TaskId, now: Timestamp) -> Self {
        Step {
            service_id,
            slot,
            task_id,
            taken_at: now,
            settled_at: None,
            failed: false,
            closed: false,
            clock: Clock::default(),
        }
    }
}

/// Time spent under a deadline. It stands still while the rollout is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Clock {
    /// Up to `running_since`.
    pub spent: Duration,
    pub running_since: Option<Timestamp>,
}

impl Clock {
    /// Returns the time spent up to `now`.
    pub fn read(&self, now: Timestamp) -> Duration {
        self.spent + self.running_since.map_or(Duration::ZERO, |since| now.since(since))
    }

    /// Returns the clock as it goes on from `now`.
    pub fn run(self, is_running: bool, now: Timestamp) -> Clock {
        match (self.running_since, is_running) {
            (None, true) => Clock { running_since: Some(now), ..self },
            (Some(_), false) => Clock { spent: self.read(now), running_since: None },
            _ => self,
        }
    }

    /// Returns when this much is spent, while it runs.
    pub fn spends_at(&self, limit: Duration) -> Option<Timestamp> {
        self.running_since.map(|since| since + limit.saturating_sub(self.spent))
    }
}

/// What something waits for: said to people, never acted upon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    pub code: WaitCode,
    pub since: Timestamp,
    /// When it ends by itself; `None`: only somebody or something else ends it.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// The slot in question, where there is one.
    #[serde(default)]
    pub slot: Option<SlotId>,
    /// Why a task has to leave its node, where that is what is waited for.
    #[serde(default)]
    pub cause: Option<LeaveCause>,
    /// A sentence, the fact first: clients cut it at 30 characters.
    pub text: String,
}

/// Kinds of waiting, as `skep rollout why` and `/skep/v1/rollouts` name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WaitCode {
    /// The image is being fetched.
    Pull,
    /// No node can take the replacement.
    Capacity,
    /// The replacement was started and does not run yet.
    Start,
    /// It runs and its health check has not passed.
    Health,
    /// It must stay up a while before the next batch.
    MinHealthy,
    /// The delay between slots.
    Delay,
    /// The monitor period after the last slot.
    Monitor,
    /// As many slots are out of service as may be.
    Budget,
    /// The old task is still stopping, or leaves its node.
    Drain,
    /// A failed task is tried again later.
    Restart,
    /// Somebody has to decide: it is paused.
    Human,
    /// The node of a replacement does not answer.
    NodeLost,
    /// All is done; it must run a while to count as stable.
    Bake,
}
