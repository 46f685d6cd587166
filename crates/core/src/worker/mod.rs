//! The node's side: brings what runs in line with what managers assigned.
//!
//! [`Worker::step`] takes an event and returns effects; the agent performs them and feeds their outcomes
//! back. One operation per task is under way at a time, states only increase, and what the managers
//! were not told yet is told again until they acknowledge it. A worker that lost its managers goes on
//! with what it knows.
//!
//! [`task`] is the life of one task, [`health`] its health checks, [`link`] the conversation.

pub mod health;
mod limits;
pub mod link;
mod said;
pub mod task;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use skep_model::endpoint::Port;
use skep_model::node::NodeDescription;
use skep_model::task::Whole;
use skep_model::template::{Healthcheck, Resources};
use skep_model::{Task, TaskId, Timestamp};

use crate::message::{Assignments, ManagerMessage, NodeMessage, checksum};
use crate::store::earlier;
use link::{Accepted, Link};
use task::Tracked;

/// Every reason the worker wakes up.
#[derive(Debug)]
pub enum Event {
    /// The agent started: what it remembers and what it found. Comes first, and once.
    Recovered {
        tasks: Vec<Arc<Task>>,
        containers: Vec<(TaskId, Found)>,
    },
    /// There is a way to a manager; introduce the node.
    Connected {
        description: Box<NodeDescription>,
        addr: String,
    },
    Told(ManagerMessage),
    Did(TaskId, Outcome),
    /// The instant asked for in [`Output::wake_at`] is here.
    Woke,
}

/// A container that outlived the agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub container_id: String,
    pub image_health: Option<Healthcheck>,
    pub state: FoundState,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FoundState {
    Created,
    /// Its host-mode ports are open.
    Running {
        pid: i32,
        started_at: Timestamp,
        ports: Vec<Port>,
    },
    Exited(Exit),
}

/// How a container's process ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    /// 128 + n after signal n.
    pub code: i32,
    pub oom_killed: bool,
    /// Why there is no true exit code, if there is none (its shim was lost, the machine restarted).
    pub lost: Option<String>,
}

/// What became of an effect, or of a container by itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Prepared {
        container_id: String,
        image_health: Option<Healthcheck>,
    },
    /// With the ports of the node that were opened for it.
    Started {
        pid: i32,
        ports: Vec<Port>,
    },
    Exited(Exit),
    Limited,
    Probed {
        healthy: bool,
        output: String,
    },
    Removed,
    Failed {
        reason: String,
        retryable: bool,
    },
}

/// What the agent must do. Each is answered by an [`Outcome`], but for those that say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Keep these tasks over a restart of the agent. No outcome.
    Remember {
        put: Vec<Arc<Task>>,
        forget: Vec<TaskId>,
    },
    /// Pull the image, lease an address, create the container.
    Prepare(Arc<Task>),
    /// Give up a preparation under way; it answers with its failure.
    CancelPreparation(TaskId),
    Start(TaskId),
    /// Stop signal, grace period, SIGKILL; answered by [`Outcome::Exited`].
    Stop {
        id: TaskId,
        signal: String,
        grace: Duration,
    },
    /// Give the container these limits, all of them or none; answered by [`Outcome::Limited`].
    Limit {
        id: TaskId,
        limits: Resources,
    },
    /// Run one health check inside the container.
    Probe {
        id: TaskId,
        test: Vec<String>,
        timeout: Duration,
    },
    /// End whatever there is of the task's container and release all it holds.
    Remove(TaskId),
    /// No outcome; may be lost.
    Send(NodeMessage),
}

/// What the agent must do next, and when to wake the worker if nothing happens before.
#[derive(Debug, Default)]
pub struct Output {
    pub effects: Vec<Effect>,
    pub wake_at: Option<Timestamp>,
}

/// The mind of one node.
#[derive(Debug, Default)]
pub struct Worker {
    tasks: BTreeMap<TaskId, Tracked>,
    /// Tasks the managers listed, as opposed to containers that merely were found.
    assigned: BTreeSet<TaskId>,
    link: Link,
}

impl Worker {
    pub fn new() -> Self {
        Worker::default()
    }

    /// Returns the tasks this node takes care of.
    pub fn tasks(&self) -> impl Iterator<Item = &Tracked> {
        self.tasks.values()
    }

    /// Returns one of them.
    pub fn task(&self, id: TaskId) -> Option<&Tracked> {
        self.tasks.get(&id)
    }

    /// Takes in one event.
    pub fn step(&mut self, now: Timestamp, event: Event) -> Output {
        let mut effects = Vec::new();
        match event {
            Event::Recovered { tasks, containers } => self.recover(now, tasks, containers),
            Event::Connected { description, addr } => {
                effects.extend(self.link.connect(now, *description, addr));
            }
            Event::Told(message) => self.told(now, message, &mut effects),
            Event::Did(id, outcome) => self.did(now, id, outcome),
            Event::Woke => {}
        }
        let mut wake_at = None;
        for tracked in self.tasks.values_mut() {
            wake_at = earlier(wake_at, tracked.advance(now, &mut effects));
        }
        self.tasks.retain(|_, tracked| !tracked.is_removed());
        wake_at = earlier(wake_at, self.link.talk(now, &mut self.tasks, &mut effects));
        Output { effects, wake_at }
    }

    fn recover(&mut self, now: Timestamp, tasks: Vec<Arc<Task>>, containers: Vec<(TaskId, Found)>) {
        for task in tasks {
            self.assigned.insert(task.id);
            self.tasks.insert(task.id, Tracked::assigned(task));
        }
        for (id, found) in containers {
            // Without a task there is nothing to do but to remove the container; only a manager's
            // whole set may say so.
            self.tasks.entry(id).or_insert_with(|| Tracked::unknown(id)).found(now, found);
        }
        for tracked in self.tasks.values_mut() {
            tracked.recovered(now);
            // What was reported before the restart, and whether it arrived, is not remembered.
            tracked.report_anyway();
        }
    }

    fn told(&mut self, now: Timestamp, message: ManagerMessage, effects: &mut Vec<Effect>) {
        match message {
            ManagerMessage::Registered { session, attempt, heartbeat_period } => {
                self.link.registered(now, (session, attempt), heartbeat_period, &mut self.tasks);
            }
            ManagerMessage::Alive { session, sequence } => {
                effects.extend(self.link.alive(now, session, sequence));
            }
            ManagerMessage::Acknowledged { session, sequence } => {
                self.link.acknowledged(session, sequence, &mut self.tasks);
            }
            ManagerMessage::SessionInvalid { session } => effects.extend(self.link.invalid(now, session)),
            ManagerMessage::Assignments(assignments) => match self.link.accept(&assignments) {
                Accepted::Yes => self.assign(now, assignments, effects),
                Accepted::Old => {}
                Accepted::Gap => effects.extend(self.link.register(now)),
            },
        }
    }

    fn assign(&mut self, now: Timestamp, assignments: Assignments, effects: &mut Vec<Effect>) {
        let is_whole = assignments.sequence == 0;
        if is_whole {
            let listed: BTreeSet<TaskId> = assignments.put.iter().map(|Whole(task)| task.id).collect();
            for (id, tracked) in &mut self.tasks {
                if !listed.contains(id) {
                    tracked.gone();
                }
            }
            self.assigned = listed;
        }
        for id in &assignments.remove {
            self.assigned.remove(id);
            if let Some(tracked) = self.tasks.get_mut(id) {
                tracked.gone();
            }
        }
        for Whole(task) in &assignments.put {
            self.assigned.insert(task.id);
            match self.tasks.get_mut(&task.id) {
                Some(tracked) => tracked.update(now, task.clone()),
                None => {
                    let mut tracked = Tracked::assigned(task.clone());
                    tracked.recovered(now);
                    self.tasks.insert(task.id, tracked);
                }
            }
        }
        // What the node knows goes with the task: managers may not have heard of its end yet.
        let put: Vec<_> =
            assignments.put.iter().filter_map(|Whole(task)| self.tasks.get(&task.id)?.known()).collect();
        let forget = match is_whole {
            true => self.tasks.keys().filter(|id| !self.assigned.contains(id)).copied().collect(),
            false => assignments.remove,
        };
        if !(put.is_empty() && forget.is_empty()) {
            effects.push(Effect::Remember { put, forget });
        }
        let held = self.assigned.iter().filter_map(|id| self.tasks.get(id)).map(|t| (t.id, t.told()));
        if checksum(held) != assignments.checksum {
            self.link.distrust(now);
        }
    }

    fn did(&mut self, now: Timestamp, id: TaskId, outcome: Outcome) {
        if let Some(tracked) = self.tasks.get_mut(&id) {
            tracked.did(now, outcome);
        }
    }
}
