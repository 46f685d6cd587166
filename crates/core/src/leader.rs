//! The control plane as one function: [`Leader::step`] takes an event and returns what the shell must
//! do. Whoever wants to know what drives the cluster reads [`Event`].
//!
//! At most one proposal is in flight. What arrives meanwhile waits and joins the next pass, so a burst
//! of requests costs one log entry. A pass runs control, dispatch, orchestrators and scheduler over one
//! draft until nothing changes; what it says to nodes and clients is sent when the proposal commits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use skep_model::request::{Refusal, RefusalClass, Reply, Request};
use skep_model::task::SlotId;
use skep_model::{NodeId, ServiceId, Timestamp};

use crate::agenda::Agenda;
use crate::dispatch::Dispatch;
use crate::message::{ManagerMessage, NodeMessage};
use crate::random::Random;
use crate::schedule::Scheduler;
use crate::store::draft::News;
use crate::store::{ChangeSet, Draft, Scope, Store, draft, earlier};
use crate::{control, orchestrate};

/// Names a request until it is answered; the shell numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Every reason the leader wakes up. Closed on purpose: to learn what drives the control plane, read
/// this enum.
#[derive(Debug)]
pub enum Event {
    /// A client asks for something.
    Requested(RequestId, Request),
    /// A node says something.
    Heard(NodeId, NodeMessage),
    /// The proposal in flight was committed and applied to the store.
    Committed,
    /// The proposal in flight will not commit.
    Dropped,
    /// The instant asked for in [`Output::wake_at`] is here.
    Woke,
}

/// What the shell must do next. Plain data: a test compares it, the simulator obeys it, production
/// performs it.
#[derive(Debug, Default)]
pub struct Output {
    /// To be appended to the log; answered by [`Event::Committed`] or [`Event::Dropped`].
    pub propose: Option<ChangeSet>,
    pub send: Vec<(NodeId, ManagerMessage)>,
    pub reply: Vec<(RequestId, Result<Reply, Refusal>)>,
    /// When to wake the leader if nothing else happens before.
    pub wake_at: Option<Timestamp>,
}

/// The mind of one leadership. It holds nothing that a new leader could not rebuild from the store.
#[derive(Debug)]
pub struct Leader {
    random: Random,
    dispatch: Dispatch,
    scheduler: Scheduler,
    /// The store as it will be when the proposal in flight commits.
    draft: Draft,
    requests: VecDeque<(RequestId, Request)>,
    in_flight: Option<InFlight>,
    /// Where to look in the next pass.
    dirty: BTreeMap<ServiceId, Scope>,
    /// Nodes that may not be able to keep the tasks they have.
    changed_nodes: BTreeSet<NodeId>,
    /// When to see whether a service's tasks stand less evenly than they could, where that is asked about.
    uneven: BTreeMap<ServiceId, Timestamp>,
    agenda: Agenda,
    rebalance_at: Option<Timestamp>,
    dispatch_deadline: Option<Timestamp>,
}

/// What waits for a proposal to commit.
#[derive(Debug, Default)]
struct InFlight {
    replies: Vec<(RequestId, Reply)>,
    /// For the nodes.
    news: Vec<News>,
}

/// Requests that may wait for a pass; more are refused as unavailable.
const REQUESTS_MAX: usize = 10_000;
/// Requests taken into one pass, so that a log entry stays small.
const REQUESTS_PER_PASS: usize = 256;
/// Rounds of planning in one pass. What is not settled by then is planned again after the commit.
const ROUNDS_MAX: usize = 16;

impl Leader {
    /// Returns the mind of a leader that has just been elected.
    pub fn new(seed: u64, store: &Store, now: Timestamp) -> Self {
        Leader {
            random: Random::new(seed),
            dispatch: Dispatch::new(store, now),
            scheduler: Scheduler::new(store),
            draft: Draft::new(store, now),
            requests: VecDeque::new(),
            in_flight: None,
            dirty: everything(store),
            changed_nodes: all_with_tasks(store),
            uneven: all_services(store, now),
            agenda: Agenda::default(),
            rebalance_at: None,
            dispatch_deadline: None,
        }
    }

    /// Takes in one event. `store` holds everything committed so far, `now` never goes back.
    pub fn step(&mut self, store: &Store, now: Timestamp, event: Event) -> Output {
        let mut output = Output::default();
        match event {
            Event::Requested(id, request) => self.enqueue(id, request, &mut output),
            Event::Heard(node_id, message) => self.dispatch.hear(store, now, node_id, message),
            Event::Committed => self.committed(&mut output),
            Event::Dropped => self.dropped(store, now, &mut output),
            Event::Woke => {}
        }
        while self.in_flight.is_none() {
            self.pass(store, now, &mut output);
            if self.requests.is_empty() {
                break;
            }
        }
        output.send = self.dispatch.send(store);
        output.wake_at = self.next_deadline();
        output
    }

    /// Returns the store as it will be once the proposal in flight commits; with nothing in flight it holds
    /// what is committed.
    pub fn expected(&self) -> &Store {
        &self.draft
    }

    fn enqueue(&mut self, id: RequestId, request: Request, output: &mut Output) {
        if self.requests.len() < REQUESTS_MAX {
            self.requests.push_back((id, request));
        } else {
            let text = "too many requests wait for the leader; try again";
            output.reply.push((id, Err(Refusal::new(RefusalClass::Unavailable, text))));
        }
    }

    fn committed(&mut self, output: &mut Output) {
        let InFlight { replies, news } = self.in_flight.take().unwrap_or_default();
        output.reply.extend(replies.into_iter().map(|(id, reply)| (id, Ok(reply))));
        self.dispatch.settled();
        self.dispatch.committed(news);
    }

    /// The proposal is lost, and with it what was planned: everything is looked at again.
    fn dropped(&mut self, store: &Store, now: Timestamp, output: &mut Output) {
        for (id, _) in self.in_flight.take().unwrap_or_default().replies {
            let text = "the leader changed before the request took effect; try again";
            output.reply.push((id, Err(Refusal::new(RefusalClass::Unavailable, text))));
        }
        // Sessions may have been opened or ended in it.
        self.dispatch = Dispatch::new(store, now);
        self.scheduler = Scheduler::new(store);
        self.draft = Draft::new(store, now);
        self.agenda = Agenda::default();
        self.dirty = everything(store);
        self.uneven = all_services(store, now);
        self.changed_nodes = all_with_tasks(store);
    }

    /// Plans until nothing changes, then proposes once.
    fn pass(&mut self, store: &Store, now: Timestamp, output: &mut Output) {
        self.draft.begin(store, now);
        let granted = self.grant(output);
        self.dispatch_deadline = self.dispatch.plan(&mut self.draft, &mut self.random);
        for (id, scope) in self.agenda.take_due(now) {
            self.dirty.entry(id).or_default().add(scope);
        }
        for _ in 0..ROUNDS_MAX {
            self.look_around();
            self.enforce();
            self.look_around();
            self.plan_dirty();
            self.look_around();
            self.scheduler.plan(&mut self.draft);
            self.look_around();
            if self.dirty.is_empty() && !self.draft.is_full() {
                self.rebalance_at =
                    orchestrate::rebalance::plan(&mut self.draft, &self.scheduler, &mut self.uneven);
                self.look_around();
            }
            if self.dirty.is_empty() || self.draft.is_full() {
                break;
            }
        }
        if self.draft.is_clean() {
            self.dispatch.settled();
            output.reply.extend(granted.into_iter().map(|(id, reply)| (id, Ok(reply))));
        } else {
            self.in_flight = Some(InFlight { replies: granted, news: self.draft.take_news() });
            output.propose = Some(self.draft.finish());
        }
    }

    /// Carries out requests that wait. Returns the answers of those that took effect.
    fn grant(&mut self, output: &mut Output) -> Vec<(RequestId, Reply)> {
        let mut granted = Vec::new();
        for _ in 0..REQUESTS_PER_PASS {
            if self.draft.is_full() {
                break;
            }
            let Some((id, request)) = self.requests.pop_front() else { break };
            match control::handle(&mut self.draft, &mut self.random, request) {
                Ok(reply) => granted.push((id, reply)),
                Err(refusal) => output.reply.push((id, Err(refusal))),
            }
        }
        granted
    }

    /// Takes in where the draft was written to.
    fn look_around(&mut self) {
        let moves = self.draft.take_moves();
        self.scheduler.follow(&self.draft, &moves);
        let nodes: BTreeSet<_> = moves.iter().filter_map(draft::Move::node_id).collect();
        let is_leveled = orchestrate::rebalance::is_asked_for(&self.draft);
        if is_leveled && moves.iter().any(draft::Move::may_level) {
            self.uneven = all_services(&self.draft, self.draft.now());
        }
        concerned_by_nodes(&self.draft, &nodes, &mut self.dirty);
        self.changed_nodes.extend(nodes.into_iter().filter(|id| self.draft.has_tasks_on(*id)));
        for (id, scope) in self.draft.take_touched() {
            if is_leveled {
                self.uneven.insert(id, self.draft.now());
            }
            if scope.all {
                // Its constraints may be others.
                self.changed_nodes.extend(self.draft.tasks_of(id).filter_map(|task| task.node_id));
            }
            self.dirty.entry(id).or_default().add(scope);
        }
    }

    /// Takes from changed nodes what they cannot keep.
    fn enforce(&mut self) {
        while !self.draft.is_full()
            && let Some(id) = self.changed_nodes.pop_first()
        {
            orchestrate::enforce::plan(&mut self.draft, id);
        }
    }

    fn plan_dirty(&mut self) {
        for (id, scope) in std::mem::take(&mut self.dirty) {
            if self.draft.is_full() {
                self.dirty.entry(id).or_default().add(scope);
                continue;
            }
            if let Some(left) =
                orchestrate::plan(&mut self.draft, &mut self.random, &mut self.agenda, id, &scope)
            {
                self.dirty.entry(id).or_default().add(left);
            }
        }
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        if self.in_flight.is_some() {
            return None;
        }
        earlier(self.rebalance_at, earlier(self.dispatch_deadline, self.agenda.next()))
    }
}

/// Returns all services, each to be looked at `now`.
fn all_services(store: &Store, now: Timestamp) -> BTreeMap<ServiceId, Timestamp> {
    store.services().map(|service| (service.id, now)).collect()
}

fn all_with_tasks(store: &Store) -> BTreeSet<NodeId> {
    store.nodes().map(|node| node.id).filter(|id| store.has_tasks_on(*id)).collect()
}

/// Returns a scope of all there is to plan.
fn everything(store: &Store) -> BTreeMap<ServiceId, Scope> {
    // Tasks of a service that was removed still need planning until they are forgotten.
    let of_tasks = store.tasks().map(|task| task.service_id);
    let ids = store.services().map(|service| service.id).chain(of_tasks);
    ids.map(|id| (id, Scope::all())).collect()
}

/// A node's state, labels or availability concern the slots that it serves, and the one that each global
/// service has there.
fn concerned_by_nodes(store: &Store, nodes: &BTreeSet<NodeId>, dirty: &mut BTreeMap<ServiceId, Scope>) {
    if nodes.is_empty() {
        return;
    }
    for task in nodes.iter().flat_map(|id| store.tasks_on(*id)) {
        dirty.entry(task.service_id).or_default().add(Scope::slot(task.slot));
    }
    for service in store.services().filter(|service| service.spec.mode.is_global()) {
        let slots = nodes.iter().map(|id| SlotId::Node(*id)).collect();
        dirty.entry(service.id).or_default().add(Scope { all: false, slots });
    }
}
