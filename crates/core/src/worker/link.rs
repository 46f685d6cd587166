//! The node's conversation with its leader: registration, heartbeats, reports until acknowledged.

use std::collections::BTreeMap;
use std::time::Duration;

use skep_model::node::NodeDescription;
use skep_model::{TaskId, Timestamp};

use super::Effect;
use super::task::Tracked;
use crate::message::{Assignments, NodeMessage, SessionId};
use crate::store::earlier;

/// A registration or report that stays unanswered this long is sent again.
const ANSWER_AFTER: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub struct Link {
    identity: Option<(NodeDescription, String)>,
    /// Number of the registration that waits for its answer, or of the last one that got it.
    attempt: u64,
    register_again_at: Option<Timestamp>,
    session: Option<Session>,
    report_sequence: u64,
}

#[derive(Debug)]
struct Session {
    id: SessionId,
    heartbeat_period: Duration,
    beat_at: Timestamp,
    /// Number of the assignment message that comes next.
    sequence: u64,
    report_again_at: Option<Timestamp>,
}

/// Whether an assignment message is the one that comes next.
pub enum Accepted {
    Yes,
    /// Of another session, or seen before.
    Old,
    /// One before it was lost.
    Gap,
}

impl Link {
    /// Takes a (new) description of the node and registers with it.
    pub fn connect(&mut self, now: Timestamp, description: NodeDescription, addr: String) -> Option<Effect> {
        self.identity = Some((description, addr));
        self.register(now)
    }

    /// Opens a session anew.
    pub fn register(&mut self, now: Timestamp) -> Option<Effect> {
        let (description, addr) = self.identity.clone()?;
        self.session = None;
        self.register_again_at = Some(now + ANSWER_AFTER);
        // From the clock, so that it rises over restarts of the agent too.
        self.attempt = u64::try_from(now.0).unwrap_or(0).max(self.attempt + 1);
        let (attempt, description) = (self.attempt, Box::new(description));
        Some(Effect::Send(NodeMessage::Register { attempt, description, addr }))
    }

    /// What was assigned does not add up: opens a session anew, but not at once, so that a lasting
    /// disagreement does not become a storm.
    pub fn distrust(&mut self, now: Timestamp) {
        self.session = None;
        self.register_again_at = Some(now + ANSWER_AFTER);
    }

    /// The leader opened a session: everything it may not know is reported to it. Only the first answer to
    /// the latest registration counts; a former leader's would bring a set of tasks that is out of date.
    pub fn registered(
        &mut self,
        now: Timestamp,
        (id, attempt): (SessionId, u64),
        heartbeat_period: Duration,
        tasks: &mut BTreeMap<TaskId, Tracked>,
    ) {
        if attempt != self.attempt || self.session.is_some() {
            return;
        }
        self.register_again_at = None;
        let beat_at = now + heartbeat_period;
        self.session = Some(Session { id, heartbeat_period, beat_at, sequence: 0, report_again_at: None });
        tasks.values_mut().for_each(Tracked::report_again);
    }

    pub fn invalid(&mut self, now: Timestamp, id: SessionId) -> Option<Effect> {
        let is_ours = self.session.as_ref().is_some_and(|session| session.id == id);
        if is_ours { self.register(now) } else { None }
    }

    /// The leader lives, and its next assignment message has this number: if one before it did not come,
    /// it is lost.
    pub fn alive(&mut self, now: Timestamp, id: SessionId, sequence: u64) -> Option<Effect> {
        let session = self.session.as_ref().filter(|session| session.id == id)?;
        if session.sequence < sequence { self.register(now) } else { None }
    }

    pub fn accept(&mut self, assignments: &Assignments) -> Accepted {
        let Some(session) = self.session.as_mut().filter(|session| session.id == assignments.session) else {
            return Accepted::Old;
        };
        match assignments.sequence.cmp(&session.sequence) {
            std::cmp::Ordering::Less => Accepted::Old,
            std::cmp::Ordering::Greater => Accepted::Gap,
            std::cmp::Ordering::Equal => {
                session.sequence += 1;
                Accepted::Yes
            }
        }
    }

    pub fn acknowledged(&mut self, id: SessionId, sequence: u64, tasks: &mut BTreeMap<TaskId, Tracked>) {
        if self.session.as_ref().is_some_and(|session| session.id == id) {
            tasks.values_mut().for_each(|tracked| tracked.acknowledged(sequence));
        }
    }

    /// Sends what is due: a registration, a heartbeat, a report of all that is not acknowledged.
    pub fn talk(
        &mut self,
        now: Timestamp,
        tasks: &mut BTreeMap<TaskId, Tracked>,
        effects: &mut Vec<Effect>,
    ) -> Option<Timestamp> {
        if self.register_again_at.is_some_and(|at| at <= now) {
            effects.extend(self.register(now));
        }
        let Some(session) = &mut self.session else { return self.register_again_at };
        if session.beat_at <= now {
            session.beat_at = now + session.heartbeat_period;
            effects.push(Effect::Send(NodeMessage::Heartbeat { session: session.id }));
        }
        let has_news = tasks.values().any(Tracked::is_news);
        let is_late = session.report_again_at.is_some_and(|at| at <= now);
        let waits = tasks.values().any(Tracked::waits_for_acknowledgement);
        if has_news || (is_late && waits) {
            self.report_sequence += 1;
            let sequence = self.report_sequence;
            let statuses = tasks.values_mut().filter_map(|tracked| tracked.report(sequence)).collect();
            session.report_again_at = Some(now + ANSWER_AFTER);
            effects.push(Effect::Send(NodeMessage::Report { session: session.id, sequence, statuses }));
        } else if !waits {
            session.report_again_at = None;
        }
        earlier(Some(session.beat_at), session.report_again_at)
    }
}
