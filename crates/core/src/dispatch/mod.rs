//! The leader's side of its conversation with the nodes: sessions, heartbeats, assignments, reports.
//!
//! Nothing in here is stored: after a change of leader, or the loss of a proposal, every node registers
//! again and is sent its whole set. What a node is told comes from committed state only.

mod assign;
mod deadlines;
pub(crate) mod presence;
mod report;
mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use skep_model::node::NodeState;
use skep_model::{NodeId, Timestamp, limits};

use crate::message::{ManagerMessage, NodeMessage, SessionId};
use crate::random::Random;
use crate::store::draft::News;
use crate::store::{Draft, Store};
use deadlines::Deadlines;
use session::Session;

/// Conversations with all nodes. What costs is what there is to say, not how many there are.
#[derive(Debug)]
pub struct Dispatch {
    sessions: BTreeMap<NodeId, Session>,
    /// When a silent node is down, and when one that is down is lost.
    deadlines: Deadlines,
    /// Nodes that were up under the leader before, and are not said to be unknown yet.
    doubted: BTreeSet<NodeId>,
    heard: Vec<(NodeId, NodeMessage)>,
    /// Nodes that there may be something to tell, beside the news.
    to_tell: BTreeSet<NodeId>,
    /// What was committed of their tasks and they were not told yet; of a task, what was before the first counts, and the last.
    news: Vec<News>,
    /// Nodes with reports that were taken in and are not stored yet.
    reported: BTreeSet<NodeId>,
}

/// Messages heard but not yet taken in; more are dropped, and the nodes send them again.
const HEARD_MAX: usize = 10_000;

impl Dispatch {
    /// Returns the state of a new leader: every node that was up may take twice the usual grace to
    /// register.
    pub fn new(store: &Store, now: Timestamp) -> Self {
        let grace = limits::HEARTBEAT_GRACE_UNKNOWN * heartbeat_period(store);
        let mut dispatch = Dispatch {
            sessions: BTreeMap::new(),
            deadlines: Deadlines::default(),
            doubted: BTreeSet::new(),
            heard: Vec::new(),
            to_tell: BTreeSet::new(),
            news: Vec::new(),
            reported: BTreeSet::new(),
        };
        for node in store.nodes() {
            if node.status.state == NodeState::Down {
                dispatch.deadlines.set(node.id, presence::lost_at(node));
            } else {
                dispatch.deadlines.set(node.id, now + grace);
                dispatch.doubted.insert(node.id);
            }
        }
        dispatch
    }

    /// Takes a message for the next pass. A heartbeat counts at once.
    pub fn hear(&mut self, store: &Store, now: Timestamp, node_id: NodeId, message: NodeMessage) {
        if let NodeMessage::Heartbeat { session } = message
            && let Some(known) = self.session_mut(node_id, session)
        {
            known.beat = true;
            self.deadlines.set(node_id, now + limits::HEARTBEAT_GRACE * heartbeat_period(store));
            self.to_tell.insert(node_id);
            return;
        }
        if self.heard.len() < HEARD_MAX {
            self.heard.push((node_id, message));
        }
    }

    /// Takes in what was heard and what fell silent. Returns the next deadline.
    pub fn plan(&mut self, draft: &mut Draft, random: &mut Random) -> Option<Timestamp> {
        while !draft.is_full()
            && let Some(id) = self.doubted.pop_first()
        {
            presence::is_doubted(draft, id);
        }
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
                if !presence::appears(draft, node_id, *description, addr) {
                    return;
                }
                self.doubted.remove(&node_id);
                self.deadlines.set(node_id, draft.now() + limits::HEARTBEAT_GRACE * heartbeat_period(draft));
                self.sessions.insert(node_id, Session::new(SessionId(random.next()), attempt));
                self.to_tell.insert(node_id);
            }
            NodeMessage::Heartbeat { session } => self.refuse(node_id, session),
            NodeMessage::Report { session, sequence, statuses } => match self.session_mut(node_id, session) {
                Some(known) => {
                    let rest = report::apply(draft, node_id, statuses);
                    match rest.is_empty() {
                        true => {
                            known.taken_in = known.taken_in.max(Some(sequence));
                            self.reported.insert(node_id);
                        }
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
        self.sessions.entry(node_id).or_insert_with(Session::refused).refused = Some(id);
        self.to_tell.insert(node_id);
    }

    /// Declares silent nodes down, and what was on nodes that are down for long orphaned.
    fn expire(&mut self, draft: &mut Draft) -> Option<Timestamp> {
        let now = draft.now();
        while !draft.is_full()
            && let Some(id) = self.deadlines.take_due(now)
        {
            self.sessions.remove(&id);
            if let Some(at) = presence::is_overdue(draft, id) {
                self.deadlines.set(id, at);
            }
        }
        self.deadlines.next()
    }

    /// Takes what was committed of tasks that nodes have.
    pub fn committed(&mut self, news: Vec<News>) {
        debug_assert!(self.news.is_empty(), "news are sent in the step that brings them");
        self.news = news;
    }

    /// Everything taken in so far is stored, so the nodes may be told that it is.
    pub fn settled(&mut self) {
        for id in std::mem::take(&mut self.reported) {
            if let Some(session) = self.sessions.get_mut(&id) {
                session.to_acknowledge = session.taken_in.take().or(session.to_acknowledge);
                self.to_tell.insert(id);
            }
        }
    }

    /// Returns what the nodes must be told, from committed state.
    pub fn send(&mut self, store: &Store) -> Vec<(NodeId, ManagerMessage)> {
        let period = heartbeat_period(store);
        let mut messages = Vec::new();
        let mut news = std::mem::take(&mut self.news);
        // Stable: of a task the first write stays the first, and the last the last.
        news.sort_by_key(|one| (one.node_id, one.id));
        let mut news = news.into_iter();
        let mut to_tell = std::mem::take(&mut self.to_tell).into_iter().peekable();
        loop {
            let left = news.as_slice();
            let (waiting, changed) = (to_tell.peek().copied(), left.first().map(|one| one.node_id));
            let Some(node_id) = waiting.into_iter().chain(changed).min() else { break };
            to_tell.next_if_eq(&node_id);
            let count = left.iter().take_while(|one| one.node_id == node_id).count();
            let news = news.by_ref().take(count);
            let Some(session) = self.sessions.get_mut(&node_id) else {
                news.for_each(drop);
                continue;
            };
            session.messages(store, node_id, news, period, &mut messages);
            if !session.is_open {
                self.sessions.remove(&node_id);
            }
        }
        messages
    }
}

fn heartbeat_period(store: &Store) -> Duration {
    let set = store.cluster().map(|cluster| cluster.spec.heartbeat_period);
    set.filter(|period| !period.is_zero()).unwrap_or(limits::HEARTBEAT_PERIOD_DEFAULT)
}
