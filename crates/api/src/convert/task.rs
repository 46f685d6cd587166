//! A task, as `service ps` reads it.

use skep_model::Task;
use skep_model::rollout::Wait;
use skep_model::task::{Desired, SlotId, TaskState, TaskStatus};

use super::{port, template, time};
use crate::wire;

/// Shows a task; what it waits for takes the place of an error, where it has none.
pub fn to_wire(task: &Task, wait: Option<&Wait>) -> wire::Task {
    // Compat: a task that can run on one node only has it from the beginning, as in Swarm.
    let node_id = match task.slot {
        SlotId::Node(id) => Some(id),
        SlotId::Number(_) => task.node_id,
    };
    wire::Task {
        id: task.id.to_string(),
        version: wire::Version { index: task.meta.version },
        created_at: time(task.meta.created_at),
        updated_at: time(task.meta.updated_at),
        spec: template::to_wire(&task.spec),
        service_id: task.service_id.to_string(),
        slot: i64::try_from(task.slot_number()).unwrap_or(i64::MAX),
        node_id: node_id.map(|id| id.to_string()).unwrap_or_default(),
        status: status_to_wire(&task.status, wait),
        desired_state: desired_word(task.desired).to_owned(),
        job_iteration: task.iteration.map(|index| wire::Version { index }),
        ..Default::default()
    }
}

fn status_to_wire(status: &TaskStatus, wait: Option<&Wait>) -> wire::TaskStatus {
    let wait = wait.filter(|_| status.err.is_empty());
    wire::TaskStatus {
        timestamp: time(status.at),
        state: state_word(status.state).to_owned(),
        message: status.message.to_string(),
        err: wait.map_or_else(|| status.err.clone(), |wait| wait.text.clone()),
        container_status: status.container.as_ref().map(|container| wire::ContainerStatus {
            container_id: container.id.clone(),
            pid: i64::from(container.pid),
            exit_code: i64::from(container.exit_code),
        }),
        port_status: wire::PortStatus { ports: status.ports.iter().map(port::to_wire).collect() },
    }
}

/// Returns Swarm's word for an observed state.
pub fn state_word(state: TaskState) -> &'static str {
    match state {
        TaskState::New => "new",
        TaskState::Pending => "pending",
        TaskState::Assigned => "assigned",
        TaskState::Accepted => "accepted",
        TaskState::Preparing => "preparing",
        TaskState::Ready => "ready",
        TaskState::Starting => "starting",
        TaskState::Running => "running",
        TaskState::Complete => "complete",
        TaskState::Shutdown => "shutdown",
        TaskState::Failed => "failed",
        TaskState::Rejected => "rejected",
        TaskState::Orphaned => "orphaned",
    }
}

/// Returns Swarm's word for a desired state.
pub fn desired_word(desired: Desired) -> &'static str {
    match desired {
        Desired::Ready => "ready",
        Desired::Running => "running",
        Desired::Complete => "complete",
        Desired::Shutdown => "shutdown",
        Desired::Remove => "remove",
    }
}

/// Returns whether the word names a state at all, for filters: a task in it may exist or not.
pub fn is_state_word(word: &str) -> bool {
    const WORDS: [&str; 15] = [
        "new",
        "allocated",
        "pending",
        "assigned",
        "accepted",
        "preparing",
        "ready",
        "starting",
        "running",
        "complete",
        "shutdown",
        "failed",
        "rejected",
        "remove",
        "orphaned",
    ];
    WORDS.contains(&word)
}
