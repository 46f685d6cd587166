//! The leader's side of its conversation with the nodes: sessions, heartbeats, assignments, reports.
//!
//! Nothing in here is stored: after a change of leader, or the loss of a proposal, every node registers
//! again and is sent its whole set. What a node is told comes from committed state only.

mod assign;
mod report;
mod session;

use std::collections::BTreeMap;
use std::time::Duration;

use skep_model::node::NodeState;
use skep_model::{Node, NodeId, Timestamp, limits};

use crate::message::{ManagerMessage, NodeMessage, SessionId};
use crate::random::Random;
use crate::store::{Change, ChangeSet, Draft, Store, earlier};
use session::Session;

/// Conversations with all nodes.
#[derive(Debug)]
pub struct Dispatch {
    sessions: BTreeMap<NodeId, Session>,
    /// Nodes that a former leader saw and that have not registered since, with their deadlines.
    expected: BTreeMap<NodeId, Timestamp>,
    heard: Vec<(NodeId, NodeMessage)>,
}

/// Messages heard but not yet taken in; more are dropped, and the nodes send them again.
const HEARD_MAX: usize = 10_000;

impl Dispatch {
    /// Returns the state of a new leader: every node that was up may take twice the usual grace to
    /// register.
    pub fn new(store: &Store, now: Timestamp) -> Self {
        let grace = 2 * limits::HEARTBEAT_GRACE * heartbeat_period(store);
        let expected = store
            .nodes()
            .filter(|node| node.status.state != NodeState::Down)
            .map(|node| (node.id, now + grace))
            .collect();
        Dispatch { sessions: BTreeMap::new(), expected, heard: Vec::new() }
    }

    /// Takes a message for the next pass. A heartbeat counts at once.
    pub fn hear(&mut self, store: &Store, now: Timestamp, node_id: NodeId, message: NodeMessage) {
        if let NodeMessage::Heartbeat { session } = message {
            let grace = limits::HEARTBEAT_GRACE * heartbeat_period(store);
            if let Some(known) = self.session_mut(node_id, session) {
                known.silent_at = now + grace;
                known.beat = true;
                return;
            }
        }
        if self.heard.len() < HEARD_MAX {
            self.heard.push((node_id, message));
        }
    }

    /// Takes in what was heard and what fell silent. Returns the next deadline.
    pub fn plan(&mut self, draft: &mut Draft, random: &mut Random) -> Option<Timestamp> {
        let mut heard = std::mem::take(&mut self.heard).into_iter();
        while !draft.is_full()
            && let Some((node_id, message)) = heard.next()
        {
            self.take_in(draft, random, node_id, message);
        }
        self.heard.extend(heard);
        self.expire(draft)
    }

    fn take_in(&mut self, draft: &mut Draft, random: &mut Random, node_id: NodeId, message: NodeMessage) {
        match message {
            NodeMessage::Register { attempt, description, addr } => {
                if self.sessions.get(&node_id).is_some_and(|session| session.is_opened_by(attempt)) {
                    return;
                }
                let Some(stored) = draft.node(node_id).map(|node| Node::clone(node)) else { return };
                let mut node = stored.clone();
                node.description = *description;
                node.status.state = NodeState::Ready;
                node.status.message.clear();
                node.status.addr = addr;
                if node != stored {
                    draft.put_node(node);
                }
                let silent_at = draft.now() + limits::HEARTBEAT_GRACE * heartbeat_period(draft);
                self.expected.remove(&node_id);
                self.sessions.insert(node_id, Session::new(SessionId(random.next()), attempt, silent_at));
            }
            NodeMessage::Heartbeat { session } => self.refuse(node_id, session),
            NodeMessage::Report { session, sequence, statuses } => match self.session_mut(node_id, session) {
                Some(known) => {
                    let rest = report::apply(draft, node_id, statuses);
                    match rest.is_empty() {
                        true => known.taken_in = known.taken_in.max(Some(sequence)),
                        // Acknowledged when all of it is stored.
                        false => {
                            let rest = NodeMessage::Report { session, sequence, statuses: rest };
                            self.heard.push((node_id, rest));
                        }
                    }
                }
                None => self.refuse(node_id, session),
            },
        }
    }

    fn session_mut(&mut self, node_id: NodeId, id: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(&node_id).filter(|session| session.id == id)
    }

    /// Remembers to tell the node that its session is not the one in force.
    fn refuse(&mut self, node_id: NodeId, id: SessionId) {
        let unknown = || Session::refused();
        self.sessions.entry(node_id).or_insert_with(unknown).refused = Some(id);
    }

    /// Declares silent nodes down.
    fn expire(&mut self, draft: &mut Draft) -> Option<Timestamp> {
        let now = draft.now();
        let mut wake_at = None;
        let mut silent = Vec::new();
        let deadlines = self.sessions.iter().filter(|(_, session)| session.is_open());
        let deadlines = deadlines.map(|(id, session)| (*id, session.silent_at));
        for (id, deadline) in deadlines.chain(self.expected.iter().map(|(id, at)| (*id, *at))) {
            if deadline <= now {
                silent.push(id);
            } else {
                wake_at = earlier(wake_at, Some(deadline));
            }
        }
        for id in silent {
            self.sessions.remove(&id);
            self.expected.remove(&id);
            if let Some(node) = draft.node(id).filter(|node| node.status.state != NodeState::Down) {
                let mut node = Node::clone(node);
                node.status.state = NodeState::Down;
                node.status.message = "heartbeat failure".to_owned();
                draft.put_node(node);
            }
        }
        wake_at
    }

    /// Notes which nodes' sets a committed change may have altered.
    pub fn committed(&mut self, changes: &ChangeSet) {
        for change in changes.iter() {
            let (node_id, task_id) = match change {
                Change::PutTask(task) => (task.node_id, task.id),
                Change::DeleteTask { id, node_id, .. } => (*node_id, *id),
                _ => continue,
            };
            if let Some(session) = node_id.and_then(|id| self.sessions.get_mut(&id)) {
                session.stale.insert(task_id);
            }
        }
    }

    /// Everything taken in so far is stored, so the nodes may be told that it is.
    pub fn settled(&mut self) {
        for session in self.sessions.values_mut() {
            session.to_acknowledge = session.taken_in.take().or(session.to_acknowledge);
        }
    }

    /// Returns what the nodes must be told, from committed state.
    pub fn send(&mut self, store: &Store) -> Vec<(NodeId, ManagerMessage)> {
        let period = heartbeat_period(store);
        let mut messages = Vec::new();
        for (node_id, session) in &mut self.sessions {
            session.messages(store, *node_id, period, &mut messages);
        }
        self.sessions.retain(|_, session| session.is_open());
        messages
    }
}

fn heartbeat_period(store: &Store) -> Duration {
    let set = store.cluster().map(|cluster| cluster.spec.heartbeat_period);
    set.filter(|period| !period.is_zero()).unwrap_or(limits::HEARTBEAT_PERIOD_DEFAULT)
}
