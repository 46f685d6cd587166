//! The managers' side: one leader after another over one agreed log.
//!
//! The log is a single slot: a proposal commits after a while, or is lost. When the leader changes, a
//! proposal in flight may have been committed all the same, and nobody tells the client. A leader that was
//! deposed may not know it for a while and goes on talking to nodes (`ghost`).

use std::collections::{BTreeMap, BTreeSet};

use skep_core::leader::Event;
use skep_core::message::NodeMessage;
use skep_core::{Change, ChangeSet, Leader, Output, RequestId, Store};
use skep_model::request::Request;
use skep_model::rollout::{Direction, Phase as RolloutPhase};
use skep_model::{NodeId, Timestamp};

use super::group::Group;
use super::story::describe;
use super::{Happening, World};
use crate::Broken;
use crate::dice::Dice;
use crate::invariants::{Again, Moment};
use crate::profile::Profile;

/// The log, the store and whoever leads.
pub(super) struct Managers {
    /// What is committed, as the leader holds it.
    pub store: Store,
    group: Group,
    seat: Option<Seat>,
    /// The member that leads, or led last.
    member: usize,
    /// Committed by a leader that did not live to know it: the next one finds it in the log.
    orphan: Option<ChangeSet>,
    ghost: Option<Ghost>,
    term: u64,
    request_count: u64,
    /// What a memoryless leader would do, as of the last time that somebody looked.
    again: Option<(u64, Option<Timestamp>)>,
    dice: Dice,
}

/// One leadership.
struct Seat {
    mind: Leader,
    in_flight: Option<ChangeSet>,
    /// Number of the wake-up that counts; earlier ones are void.
    wake_count: u64,
    asked: BTreeMap<RequestId, Request>,
}

/// A leader that was deposed and does not know it yet.
struct Ghost {
    mind: Leader,
    store: Store,
    member: usize,
    /// Nodes whose connection still leads to it.
    nodes: BTreeSet<NodeId>,
    until: Timestamp,
}

/// A deposed leader learns of it when its lease is over; production's is about two seconds.
const LINGERS_MILLIS_MAX: u64 = 6_000;
/// Commits between two rebuilds of every index: wrong entries stay, so they are found later all the same.
const AUDIT_EVERY: u64 = 8;

impl Managers {
    pub fn new(profile: &Profile, mut dice: Dice) -> Self {
        Managers {
            store: Store::default(),
            group: Group::new(profile.manager_count, profile.manager_skew_max, &mut dice),
            seat: None,
            member: 0,
            orphan: None,
            ghost: None,
            term: 0,
            request_count: 0,
            again: None,
            dice,
        }
    }

    pub fn is_led(&self) -> bool {
        self.seat.is_some()
    }

    /// Returns what the clock of the leader, or of the last one, shows.
    pub fn clock(&self, now: Timestamp) -> Timestamp {
        self.group.clock(self.member, now)
    }
}

impl World<'_> {
    /// Writes to the log what no leader proposed: the birth of the cluster, a node that joins.
    pub(super) fn write(&mut self, changes: ChangeSet) -> Result<(), Broken> {
        assert!(self.managers.seat.is_none(), "a leader's draft would not know of it");
        self.apply(&changes)
    }

    /// Seats a new leader, unless there is one.
    pub(super) fn elect(&mut self) -> Result<(), Broken> {
        if self.managers.is_led() {
            return Ok(());
        }
        if let Some(changes) = self.managers.orphan.take() {
            self.apply(&changes)?;
        }
        self.let_join()?;
        let managers = &mut self.managers;
        managers.member = managers.dice.number(0, managers.group.len() as u64 - 1) as usize;
        let snapshot = managers.dice.chance(30);
        managers.store = managers.group.catch_up(managers.member, &managers.store, snapshot)?;
        managers.term += 1;
        let (term, now) = (managers.term, managers.clock(self.now));
        let mind = Leader::new(managers.dice.seed(), &managers.store, now);
        managers.seat = Some(Seat { mind, in_flight: None, wake_count: 0, asked: BTreeMap::new() });
        managers.again = None;
        let member = managers.member;
        self.trace.note(self.now, || format!("manager {member} leads in term {term}"));
        self.audit()?;
        self.lead(Event::Woke)
    }

    /// Takes the leader away, in the middle of whatever it did.
    pub(super) fn depose(&mut self) -> Result<(), Broken> {
        let Some(seat) = self.managers.seat.take() else { return Ok(()) };
        self.summary.count("leader changes");
        let managers = &mut self.managers;
        let survives = managers.dice.chance(50);
        managers.orphan = seat.in_flight.filter(|_| survives);
        let lingers = managers.dice.chance(30).then(|| managers.dice.millis(100, LINGERS_MILLIS_MAX));
        managers.ghost = lingers.map(|lingers| {
            let nodes = self.machines.keys().copied().filter(|_| managers.dice.chance(60)).collect();
            let (store, member, until) = (managers.store.clone(), managers.member, self.now + lingers);
            Ghost { mind: seat.mind, store, member, nodes, until }
        });
        let (survives, lingers) = (managers.orphan.is_some(), managers.ghost.is_some());
        self.trace.note(self.now, || {
            format!("leader gone, its proposal survives: {survives}, it lingers: {lingers}")
        });
        for request in seat.asked.into_values() {
            self.operator.unanswered(request);
        }
        let pause = self.managers.dice.pick(&[0, 200, 3_000]);
        let pause = self.managers.dice.millis(0, pause);
        self.after(pause, Happening::Elect);
        Ok(())
    }

    /// Deposes the leader of this term, if it still leads.
    pub(super) fn depose_in(&mut self, term: u64) -> Result<(), Broken> {
        if self.managers.term == term { self.depose() } else { Ok(()) }
    }

    /// Lets a node's message arrive: at the leader, or at the one that was.
    pub(super) fn tell_leader(&mut self, id: NodeId, message: NodeMessage) -> Result<(), Broken> {
        if self.managers.ghost.as_ref().is_some_and(|ghost| ghost.until <= self.now) {
            self.managers.ghost = None;
        }
        let Some(ghost) = self.managers.ghost.as_mut().filter(|ghost| ghost.nodes.contains(&id)) else {
            return self.lead(Event::Heard(id, message));
        };
        // A new connection finds its way to the leader in office.
        if matches!(message, NodeMessage::Register { .. }) {
            ghost.nodes.remove(&id);
            return self.lead(Event::Heard(id, message));
        }
        let now = self.managers.group.clock(ghost.member, self.now);
        let output = ghost.mind.step(&ghost.store, now, Event::Heard(id, message));
        self.summary.count("steps of deposed leaders");
        for (node_id, message) in output.send {
            self.post_to_node(node_id, message);
        }
        Ok(())
    }

    /// Hands an event to the leader, if there is one, and does what it says.
    pub(super) fn lead(&mut self, event: Event) -> Result<(), Broken> {
        let now = self.managers.clock(self.now);
        let Some(seat) = &mut self.managers.seat else { return Ok(()) };
        let output = seat.mind.step(&self.managers.store, now, event);
        self.obey(output)
    }

    fn obey(&mut self, output: Output) -> Result<(), Broken> {
        let Output { propose, send, reply, wake_at } = output;
        self.propose(propose)?;
        let seat = self.managers.seat.as_mut().expect("the leader that just spoke");
        seat.wake_count += 1;
        let (number, is_idle) = (seat.wake_count, seat.in_flight.is_none());
        self.answer(reply)?;
        for (node_id, message) in send {
            self.post_to_node(node_id, message);
        }
        if let Some(at) = wake_at {
            let (term, at) = (self.managers.term, self.managers.group.world_time(self.managers.member, at));
            self.at(at, Happening::WakeLeader { term, number });
        }
        if is_idle { self.idle(wake_at) } else { Ok(()) }
    }

    fn propose(&mut self, propose: Option<ChangeSet>) -> Result<(), Broken> {
        let Some(changes) = propose else { return Ok(()) };
        let seat = self.managers.seat.as_mut().expect("the leader that just spoke");
        if changes.is_empty() || seat.in_flight.is_some() {
            let detail = format!("{} changes proposed, in flight: {:?}", changes.len(), seat.in_flight);
            return Err(Broken { invariant: "one_proposal_at_a_time", detail });
        }
        seat.in_flight = Some(changes);
        let term = self.managers.term;
        let pause = self.managers.dice.millis(0, self.profile.commit_millis_max);
        self.after(pause, Happening::Commit { term });
        // The most instructive instant to lose a leader is while something is in flight, or just after.
        if self.managers.dice.chance(self.turbulent(self.profile.fickle_percent)) {
            let pause = pause.mul_f64(self.managers.dice.number(0, 12) as f64 / 10.0);
            self.after(pause, Happening::Depose { term });
        }
        Ok(())
    }

    fn answer(
        &mut self,
        replies: Vec<(RequestId, Result<skep_model::request::Reply, skep_model::request::Refusal>)>,
    ) -> Result<(), Broken> {
        let now = self.managers.clock(self.now);
        for (id, reply) in replies {
            let seat = self.managers.seat.as_mut().expect("the leader that just spoke");
            let Some(request) = seat.asked.remove(&id) else {
                let detail = format!("request {} was answered twice, or never asked", id.0);
                return Err(Broken { invariant: "requests_are_answered_once", detail });
            };
            self.trace.note(self.now, || format!("  answered {reply:?}"));
            self.summary.count(if reply.is_ok() { "requests granted" } else { "requests refused" });
            let moment = Moment::Answered { store: &self.managers.store, request: &request, reply: &reply };
            self.invariants.see(now, &moment)?;
        }
        Ok(())
    }

    /// The leader waits: nothing may be left to do.
    fn idle(&mut self, wake_at: Option<Timestamp>) -> Result<(), Broken> {
        let (now, index) = (self.managers.clock(self.now), self.managers.store.index());
        // On the same state nothing but time makes a difference.
        let known = self.managers.again.filter(|(of, due_at)| {
            *of == index && due_at.is_none_or(|due_at| due_at > now && wake_at.is_some_and(|at| at <= due_at))
        });
        if known.is_some() && self.managers.dice.chance(90) {
            return Ok(());
        }
        if self.machines.len() > 8 && self.managers.dice.chance(70) {
            return Ok(());
        }
        let again = Again::plan(&self.managers.store, now);
        self.managers.again = Some((index, again.due_at));
        let moment = Moment::Idle { store: &self.managers.store, wake_at, again };
        self.invariants.see(now, &moment)
    }

    pub(super) fn wake_leader(&mut self, term: u64, number: u64) -> Result<(), Broken> {
        let seat = self.managers.seat.as_ref().filter(|seat| seat.wake_count == number);
        if term == self.managers.term && seat.is_some() { self.lead(Event::Woke) } else { Ok(()) }
    }

    pub(super) fn commit(&mut self, term: u64) -> Result<(), Broken> {
        let seat = self.managers.seat.as_mut().filter(|_| self.managers.term == term);
        let Some(changes) = seat.and_then(|seat| seat.in_flight.take()) else { return Ok(()) };
        if self.managers.dice.chance(self.profile.drop_percent) {
            self.trace.note(self.now, || "proposal dropped".to_owned());
            self.summary.count("proposals dropped");
            return self.lead(Event::Dropped);
        }
        self.apply(&changes)?;
        let seat = self.managers.seat.as_ref().expect("the leader whose proposal this is");
        if let Some(difference) = seat.mind.expected().difference(&self.managers.store) {
            let detail = format!("the leader expected another store: {difference}");
            return Err(Broken { invariant: "drafts_come_true", detail });
        }
        self.lead(Event::Committed)
    }

    fn apply(&mut self, changes: &ChangeSet) -> Result<(), Broken> {
        let before = self.managers.store.clone();
        let index = self.managers.group.append(changes);
        self.managers.store.apply(index, changes);
        self.summary.count("commits");
        self.note_changes(&before, changes);
        let now = self.managers.clock(self.now);
        let (after, machines) = (&self.managers.store, &self.machines);
        let moment = Moment::Committed { before: &before, after, changes, machines };
        self.invariants.see(now, &moment)?;
        if index.is_multiple_of(AUDIT_EVERY) { self.audit() } else { Ok(()) }
    }

    /// Rebuilds every index of the store and compares.
    pub(super) fn audit(&self) -> Result<(), Broken> {
        match skep_core::check::audit(&self.managers.store).into_iter().next() {
            None => Ok(()),
            Some(violation) => Err(Broken { invariant: violation.invariant, detail: violation.detail }),
        }
    }

    fn note_changes(&mut self, before: &Store, changes: &ChangeSet) {
        for change in changes.iter() {
            match change {
                Change::PutRollout(rollout) => {
                    let known = before.rollout(rollout.service_id);
                    let was = known.map(|known| (known.phase, known.direction));
                    let is_new = was != Some((rollout.phase, rollout.direction));
                    let reversed = known.is_some_and(|known| known.direction == Direction::Forward)
                        && rollout.direction == Direction::Back;
                    match rollout.phase {
                        RolloutPhase::Completed if is_new => self.summary.count("rollouts completed"),
                        RolloutPhase::Paused if is_new => self.summary.count("rollouts paused"),
                        _ if reversed => self.summary.count("rollouts reversed"),
                        _ => {}
                    }
                }
                Change::DeleteNode(id) => self.node_removed(*id),
                _ => {}
            }
            self.trace.note(self.now, || format!("  {}", describe(before, change)));
        }
    }

    /// Sends a request to the leader, if there is one.
    pub(super) fn request(&mut self, request: Request) -> Result<(), Broken> {
        let now = self.managers.clock(self.now);
        let Some(seat) = &mut self.managers.seat else { return Ok(()) };
        self.managers.request_count += 1;
        let id = RequestId(self.managers.request_count);
        self.trace.note(self.now, || format!("asked {request:?}"));
        seat.asked.insert(id, request.clone());
        self.invariants.see(now, &Moment::Asked { store: &self.managers.store, request: &request })?;
        self.lead(Event::Requested(id, request))
    }

    /// Returns a share of the turbulent phase; in the others nothing breaks.
    fn turbulent(&self, percent: u64) -> u64 {
        if self.is_turbulent() { percent } else { 0 }
    }
}
