//! One node's session: what it still must be told.
//!
//! A node is told all that is committed, when it is: what it holds is what the store has, and only the checksum of it is
//! remembered.

use std::time::Duration;

use skep_model::{NodeId, TaskId};

use super::assign;
use crate::message::{ManagerMessage, SessionId, Told, mark};
use crate::store::Store;
use crate::store::draft::News;

#[derive(Debug)]
pub struct Session {
    pub id: SessionId,
    /// The registration that opened it.
    attempt: u64,
    /// Else it only stands for a node that has none and must be told so.
    pub is_open: bool,
    /// Number of the next assignment message; `None`: the node was not told that it is registered.
    pub sequence: Option<u64>,
    // Invariant: that of the tasks which the store had on the node as of the last message.
    checksum: u64,
    /// Sequence of the last report taken in whose statuses are not stored yet.
    pub taken_in: Option<u64>,
    /// Sequence of the last report stored and not yet acknowledged.
    pub to_acknowledge: Option<u64>,
    /// A session that the node believes in and that is not this one.
    pub refused: Option<SessionId>,
    /// A heartbeat waits for its answer.
    pub beat: bool,
}

impl Session {
    pub fn new(id: SessionId, attempt: u64) -> Self {
        Session {
            id,
            attempt,
            is_open: true,
            sequence: None,
            checksum: 0,
            taken_in: None,
            to_acknowledge: None,
            refused: None,
            beat: false,
        }
    }

    /// Returns the placeholder for a node that has no session and must be told so.
    pub fn refused() -> Self {
        Session { is_open: false, ..Session::new(SessionId(0), 0) }
    }

    /// Notes that what the node holds of a task changes; `None`: it has nothing of it. Returns whether it is news.
    pub fn tell(&mut self, id: TaskId, before: Option<Told>, told: Option<Told>) -> bool {
        if before == told {
            return false;
        }
        for told in before.into_iter().chain(told) {
            self.checksum ^= mark(id, told);
        }
        true
    }

    /// Returns the checksum of all that the node was told.
    pub fn checksum(&self) -> u64 {
        self.checksum
    }

    /// Returns whether this registration opened the session: a repeated one opens no other.
    pub fn is_opened_by(&self, attempt: u64) -> bool {
        self.is_open && self.attempt == attempt
    }

    /// Appends what the node must be told now; `news`: of its tasks, by task.
    pub fn messages(
        &mut self,
        store: &Store,
        node_id: NodeId,
        news: impl ExactSizeIterator<Item = News>,
        heartbeat_period: Duration,
        messages: &mut Vec<(NodeId, ManagerMessage)>,
    ) {
        if let Some(session) = self.refused.take().filter(|refused| *refused != self.id) {
            messages.push((node_id, ManagerMessage::SessionInvalid { session }));
        }
        if !self.is_open {
            return news.for_each(drop);
        }
        if self.sequence.is_none() {
            let (session, attempt) = (self.id, self.attempt);
            messages.push((node_id, ManagerMessage::Registered { session, attempt, heartbeat_period }));
        }
        if let Some(assignments) = assign::next(self, store, node_id, news) {
            messages.push((node_id, ManagerMessage::Assignments(assignments)));
        }
        if let Some(sequence) = self.sequence.filter(|_| std::mem::take(&mut self.beat)) {
            messages.push((node_id, ManagerMessage::Alive { session: self.id, sequence }));
        }
        if let Some(sequence) = self.to_acknowledge.take() {
            messages.push((node_id, ManagerMessage::Acknowledged { session: self.id, sequence }));
        }
    }
}
