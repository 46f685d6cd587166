//! How many tasks of a service there are in which way, as `docker service ls` shows them.

use std::collections::BTreeSet;

use crate::NodeId;
use crate::service::{Mode, Service};
use crate::task::{Task, TaskState};

/// The tasks of a service, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Observed to run, whatever is wanted of them.
    pub running: u64,
    /// Slots wanted to run at the same time; one in mid-change or waiting for a restart is one.
    pub desired: u64,
    /// Completed in the current iteration of a job.
    pub completed: u64,
}

impl Census {
    /// Counts the tasks of a service; of a job those of its current iteration.
    ///
    /// Nobody knows of a task on a node that is down whether it runs, so it does not count as running: in
    /// Swarm a lost node makes a service have more tasks than replicas.
    pub fn count<'t>(
        service: &Service,
        tasks: impl IntoIterator<Item = &'t Task>,
        is_down: impl Fn(NodeId) -> bool,
    ) -> Census {
        let iteration = service.job.map(|job| job.iteration);
        let mut census = Census::default();
        let mut live = BTreeSet::new();
        for task in tasks.into_iter().filter(|task| task.iteration == iteration) {
            let is_out_of_reach = task.node_id.is_some_and(&is_down);
            census.running += u64::from(task.status.state == TaskState::Running && !is_out_of_reach);
            census.completed += u64::from(task.is_done());
            if service.spec.mode.is_global() && task.is_live() {
                live.insert(task.slot);
            }
        }
        census.desired = match service.spec.mode {
            Mode::Replicated { replicas } => replicas,
            Mode::ReplicatedJob { max_concurrent, .. } => max_concurrent,
            Mode::Global | Mode::GlobalJob => live.len() as u64,
        };
        census
    }
}
