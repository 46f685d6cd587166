//! A stand-in for a node: it does what it is told a little later, and says so.
//!
//! It speaks as `core::worker` does (sessions, sequence numbers, reports until they are acknowledged), but has no
//! engine behind it: each task goes one state further whenever the node acts.

use std::collections::BTreeMap;

use skep_core::message::{Assignments, ManagerMessage, NodeMessage, SessionId};
use skep_model::node::NodeDescription;
use skep_model::task::{Desired, TaskState, TaskStatus};
use skep_model::{TaskId, Timestamp};

/// A node of the fleet.
#[derive(Debug)]
pub struct StandIn {
    description: NodeDescription,
    session: Option<SessionId>,
    attempt: u64,
    report_count: u64,
    tasks: BTreeMap<TaskId, Held>,
    /// States that the leader has not acknowledged, with the report that told them last.
    unacknowledged: BTreeMap<TaskId, (u64, TaskState)>,
    /// It neither hears nor says anything.
    pub is_lost: bool,
    /// It is to act at some instant already.
    pub will_act: bool,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    desired: Desired,
    state: TaskState,
}

impl Held {
    /// Returns where the task goes next, until it is where it is wanted.
    fn next(self) -> Option<TaskState> {
        match (self.desired, self.state) {
            (_, state) if state > TaskState::Running => None,
            (Desired::Shutdown | Desired::Remove, _) => Some(TaskState::Shutdown),
            (_, state) if state < TaskState::Preparing => Some(TaskState::Preparing),
            (_, TaskState::Preparing) => Some(TaskState::Ready),
            (Desired::Running | Desired::Complete, state) if state < TaskState::Running => {
                Some(TaskState::Running)
            }
            _ => None,
        }
    }
}

impl StandIn {
    pub fn new(description: NodeDescription) -> Self {
        StandIn {
            description,
            session: None,
            attempt: 0,
            report_count: 0,
            tasks: BTreeMap::new(),
            unacknowledged: BTreeMap::new(),
            is_lost: false,
            will_act: false,
        }
    }

    /// Asks for a session.
    pub fn register(&mut self) -> NodeMessage {
        self.session = None;
        self.attempt += 1;
        let (attempt, description) = (self.attempt, Box::new(self.description.clone()));
        NodeMessage::Register { attempt, description, addr: "10.0.0.1".to_owned() }
    }

    /// Returns what the node says once in a heartbeat period.
    pub fn beat(&self) -> Option<NodeMessage> {
        self.session.map(|session| NodeMessage::Heartbeat { session })
    }

    /// Says again what was not acknowledged.
    pub fn repeat(&mut self, now: Timestamp) -> Option<NodeMessage> {
        let is_open = self.session.is_some() && !self.unacknowledged.is_empty();
        is_open.then(|| self.report(now))
    }

    /// Takes in a message. Returns an answer, where one is due at once.
    pub fn hear(&mut self, message: ManagerMessage) -> Option<NodeMessage> {
        match message {
            ManagerMessage::Registered { session, attempt, .. } if attempt == self.attempt => {
                self.session = Some(session);
            }
            ManagerMessage::Assignments(assignments) if self.session == Some(assignments.session) => {
                self.take_in(assignments);
            }
            ManagerMessage::Acknowledged { session, sequence } if self.session == Some(session) => {
                self.unacknowledged.retain(|_, (told_in, _)| *told_in > sequence);
            }
            ManagerMessage::SessionInvalid { session } if self.session == Some(session) => {
                return Some(self.register());
            }
            _ => {}
        }
        None
    }

    fn take_in(&mut self, assignments: Assignments) {
        if assignments.sequence == 0 {
            // The whole set: what is not in it is nobody's any more.
            let listed = |id: &TaskId| assignments.put.iter().any(|task| task.0.id == *id);
            self.tasks.retain(|id, _| listed(id));
        }
        for task in assignments.put {
            let state = task.0.status.state;
            let held = self.tasks.entry(task.0.id).or_insert(Held { desired: task.0.desired, state });
            held.desired = task.0.desired;
        }
        for id in assignments.remove {
            self.tasks.remove(&id);
            self.unacknowledged.remove(&id);
        }
    }

    /// Returns whether some task is not where it is wanted.
    pub fn has_work(&self) -> bool {
        self.tasks.values().any(|held| held.next().is_some())
    }

    /// Moves every task one state further. Returns what there is to say.
    pub fn act(&mut self, now: Timestamp) -> Option<NodeMessage> {
        for (id, held) in &mut self.tasks {
            if let Some(state) = held.next() {
                held.state = state;
                self.unacknowledged.insert(*id, (0, state));
            }
        }
        self.repeat(now)
    }

    fn report(&mut self, now: Timestamp) -> NodeMessage {
        self.report_count += 1;
        let sequence = self.report_count;
        let session = self.session.expect("reports belong to a session");
        let status = |(id, (told_in, state)): (&TaskId, &mut (u64, TaskState))| {
            *told_in = sequence;
            (*id, TaskStatus { state: *state, at: now, ..TaskStatus::default() })
        };
        let statuses = self.unacknowledged.iter_mut().map(status).collect();
        NodeMessage::Report { session, sequence, statuses }
    }
}
