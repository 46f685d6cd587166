//! What managers and nodes say to each other.
//!
//! A node registers, then reports statuses and beats; a manager answers with the whole set of the
//! node's tasks and with differences after it. Every message may be lost or repeated: sequence numbers
//! and a checksum tell a node that it missed something, and it registers again.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use skep_model::node::NodeDescription;
use skep_model::task::{Desired, TaskStatus, Whole};
use skep_model::{Id, Task, TaskId};

/// Names one registration of one node with one leader; what carries an old one is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// From a node to the leader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NodeMessage {
    /// Opens a session. What the node knew of an earlier one is void.
    Register {
        /// Rises with every registration of the node; the answer repeats it. An answer to another one is
        /// late or comes from a former leader.
        attempt: u64,
        description: Box<NodeDescription>,
        addr: String,
    },
    Heartbeat {
        session: SessionId,
    },
    /// Statuses since the last acknowledged report. A higher sequence includes all lower ones.
    Report {
        session: SessionId,
        sequence: u64,
        statuses: Vec<(TaskId, TaskStatus)>,
    },
}

/// From the leader to a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ManagerMessage {
    /// The session is open; beat this often.
    Registered {
        session: SessionId,
        attempt: u64,
        heartbeat_period: Duration,
    },
    Assignments(Assignments),
    /// Answers a heartbeat with the number of the assignment message that comes next, so that the loss of
    /// the last one does not go unnoticed.
    Alive {
        session: SessionId,
        sequence: u64,
    },
    /// The statuses of reports up to this sequence are stored.
    Acknowledged {
        session: SessionId,
        sequence: u64,
    },
    /// The leader does not know the session: register again.
    SessionInvalid {
        session: SessionId,
    },
}

/// A node's tasks, whole or as a difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignments {
    pub session: SessionId,
    /// Counts up by one; the whole set is number 0.
    pub sequence: u64,
    pub put: Vec<Whole>,
    pub remove: Vec<TaskId>,
    /// [`checksum`] of the node's whole set after this message.
    pub checksum: u64,
}

/// What may change of a task that a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub desired: Desired,
    /// A template that a running task takes over as it is: other limits, say.
    pub revision: u64,
}

impl Told {
    pub fn of(task: &Task) -> Self {
        Told { desired: task.desired, revision: task.revision }
    }
}

/// Returns a figure that two sides with the same tasks, desired alike, agree on: the marks of all of them,
/// combined by exclusive or, so that it is kept up to date task by task.
pub fn checksum(tasks: impl IntoIterator<Item = (TaskId, Told)>) -> u64 {
    tasks.into_iter().fold(0, |sum, (id, told)| sum ^ mark(id, told))
}

/// Returns the part of one task in the [`checksum`].
pub fn mark(id: TaskId, told: Told) -> u64 {
    let number = id.number();
    let mixed = (number as u64)
        ^ ((number >> 64) as u64).rotate_left(17)
        ^ told.desired as u64
        ^ told.revision.rotate_left(33);
    mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(0xff51_afd7_ed55_8ccd)
}
