//! A fleet: many nodes and many more tasks under one leader, in virtual time. It shows what decisions cost, and
//! that they end.
//!
//! Leader and store are the real ones, and whatever the leader proposes is committed a little later. The nodes are
//! [`node::StandIn`]s, because a hundred thousand real workers would be measured in its place. There are no
//! faults but those that a phase is about: finding bugs is the business of the seeds.

mod births;
mod node;
mod phase;
mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use skep_core::message::{ManagerMessage, NodeMessage};
use skep_core::{Change, ChangeSet, Event, Leader, Output, RequestId, Store};
use skep_model::request::Request;
use skep_model::{Id, NodeId, Timestamp};

use node::StandIn;
pub use phase::{Phase, Stuck};
pub use table::{Seen, put_section, render};

/// How large a fleet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub nodes: u64,
    pub tasks: u64,
}

/// Tells how long the program has run, for what is measured; nothing is decided by it.
pub type Stopwatch<'w> = &'w dyn Fn() -> Duration;

/// A fleet at one instant.
pub struct Fleet<'w> {
    size: Size,
    stopwatch: Stopwatch<'w>,
    now: Timestamp,
    store: Store,
    leader: Leader,
    in_flight: Option<ChangeSet>,
    /// By their numbers, from 1.
    nodes: Vec<StandIn>,
    queue: BTreeMap<(Timestamp, u64), Happening>,
    planned_count: u64,
    wake_count: u64,
    request_count: u64,
    counts: Counts,
}

/// What happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that the leader took in.
    pub events: u64,
    /// Entries of the log.
    pub entries: u64,
    /// Writes in them.
    pub decisions: u64,
    pub tasks_made: u64,
    pub tasks_placed: u64,
    /// Time that leader and store took.
    pub deciding: Duration,
}

#[derive(Debug)]
enum Happening {
    WakeLeader(u64),
    Commit,
    Register(usize),
    Beat(usize),
    Act(usize),
}

/// Time from a proposal to its commit.
const COMMIT_AFTER: Duration = Duration::from_millis(5);
/// Time that a node takes for one thing that it does to its tasks.
const ACT_AFTER: Duration = Duration::from_millis(200);
const ACT_JITTER_MILLIS: u64 = 100;
const BEAT_EVERY: Duration = Duration::from_secs(5);

impl<'w> Fleet<'w> {
    /// Returns a cluster without services, whose nodes register within one heartbeat period.
    pub fn new(size: Size, stopwatch: Stopwatch<'w>) -> Self {
        let mut store = Store::default();
        store.apply(1, &births::cluster(size.nodes));
        let now = Timestamp(1_000_000_000_000);
        let leader = Leader::new(1, &store, now);
        let nodes = (1..=size.nodes).map(|number| StandIn::new(births::description(number))).collect();
        let mut fleet = Fleet {
            size,
            stopwatch,
            now,
            store,
            leader,
            in_flight: None,
            nodes,
            queue: BTreeMap::new(),
            planned_count: 0,
            wake_count: 0,
            request_count: 0,
            counts: Counts::default(),
        };
        for index in 0..fleet.nodes.len() {
            fleet.at(now + fleet.turn(index), Happening::Register(index));
        }
        fleet
    }

    /// Returns when in a heartbeat period a node has its turn.
    fn turn(&self, index: usize) -> Duration {
        BEAT_EVERY.mul_f64(index as f64 / self.nodes.len() as f64)
    }

    fn at(&mut self, at: Timestamp, happening: Happening) {
        self.planned_count += 1;
        self.queue.insert((at.max(self.now), self.planned_count), happening);
    }

    /// Lets the next thing happen. Returns whether it changed the store.
    fn go_on(&mut self) -> bool {
        let ((at, _), happening) = self.queue.pop_first().expect("nodes beat for ever");
        self.now = at;
        match happening {
            Happening::WakeLeader(number) if number == self.wake_count => self.lead(Event::Woke),
            Happening::WakeLeader(_) => {}
            Happening::Commit => {
                self.commit();
                return true;
            }
            Happening::Register(index) => {
                let message = self.nodes[index].register();
                self.say(index, Some(message));
                self.at(self.now + BEAT_EVERY, Happening::Beat(index));
            }
            Happening::Beat(index) => self.beat(index),
            Happening::Act(index) => {
                self.nodes[index].will_act = false;
                let report = self.nodes[index].act(self.now);
                self.say(index, report);
                self.let_act(index);
            }
        }
        false
    }

    fn beat(&mut self, index: usize) {
        let now = self.now;
        let (beat, repeated) = (self.nodes[index].beat(), self.nodes[index].repeat(now));
        self.say(index, beat);
        self.say(index, repeated);
        if !self.nodes[index].is_lost {
            self.at(now + BEAT_EVERY, Happening::Beat(index));
        }
    }

    /// Carries what a node says to the leader.
    fn say(&mut self, index: usize, message: Option<NodeMessage>) {
        if let Some(message) = message.filter(|_| !self.nodes[index].is_lost) {
            self.lead(Event::Heard(node_id(index), message));
        }
    }

    fn tell(&mut self, id: NodeId, message: ManagerMessage) {
        let index = id.number() as usize - 1;
        if self.nodes[index].is_lost {
            return;
        }
        let answer = self.nodes[index].hear(message);
        self.say(index, answer);
        self.let_act(index);
    }

    fn let_act(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if !node.will_act && !node.is_lost && node.has_work() {
            node.will_act = true;
            // No two machines take the same time.
            let jitter = Duration::from_millis(index as u64 % ACT_JITTER_MILLIS);
            self.at(self.now + ACT_AFTER + jitter, Happening::Act(index));
        }
    }

    fn request(&mut self, request: Request) {
        self.request_count += 1;
        self.lead(Event::Requested(RequestId(self.request_count), request));
    }

    fn lead(&mut self, event: Event) {
        let began_at = (self.stopwatch)();
        let output = self.leader.step(&self.store, self.now, event);
        self.counts.deciding += (self.stopwatch)().saturating_sub(began_at);
        self.counts.events += 1;
        self.carry_out(output);
    }

    fn commit(&mut self) {
        let changes = self.in_flight.take().expect("a commit follows its proposal");
        self.count(&changes);
        let began_at = (self.stopwatch)();
        self.store.apply(self.store.index() + 1, &changes);
        self.counts.deciding += (self.stopwatch)().saturating_sub(began_at);
        self.lead(Event::Committed);
    }

    fn count(&mut self, changes: &ChangeSet) {
        self.counts.entries += 1;
        for change in changes.iter() {
            self.counts.decisions += 1;
            let Change::PutTask(task) = change else { continue };
            let known = self.store.task(task.id);
            let was_placed = known.is_some_and(|known| known.node_id.is_some());
            self.counts.tasks_made += u64::from(known.is_none());
            self.counts.tasks_placed += u64::from(task.node_id.is_some() && !was_placed);
        }
    }

    fn carry_out(&mut self, output: Output) {
        for (_, answer) in output.reply {
            answer.expect("what the fleet is asked for can be granted");
        }
        if let Some(changes) = output.propose {
            self.in_flight = Some(changes);
            self.at(self.now + COMMIT_AFTER, Happening::Commit);
        }
        self.wake_count += 1;
        if let Some(at) = output.wake_at {
            self.at(at, Happening::WakeLeader(self.wake_count));
        }
        for (id, message) in output.send {
            self.tell(id, message);
        }
    }
}

fn node_id(index: usize) -> NodeId {
    NodeId::from_number(index as u128 + 1)
}
