//! The control plane as one function: [`Leader::step`] takes an event and returns what the shell must
//! do. Whoever wants to know what drives the cluster reads [`Event`].
//!
//! At most one proposal is in flight. What arrives meanwhile waits and joins the next pass, so a burst
//! of requests costs one log entry. A pass runs control, dispatch, orchestrators and scheduler over one
//! draft until nothing changes; what it says to nodes and clients is sent when the proposal commits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use skep_model::request::{Refusal, RefusalClass, Reply, Request};
use skep_model::{NodeId, ServiceId, Timestamp};

use crate::dispatch::Dispatch;
use crate::message::{ManagerMessage, NodeMessage};
use crate::random::Random;
use crate::store::{Change, ChangeSet, Draft, Store, earlier};
use crate::{control, orchestrate, schedule};

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
    Committed(ChangeSet),
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
    requests: VecDeque<(RequestId, Request)>,
    /// Answers that wait for the proposal in flight; `None`: no proposal is in flight.
    in_flight: Option<Vec<(RequestId, Reply)>>,
    /// Services to look at in the next pass.
    dirty: BTreeSet<ServiceId>,
    /// Services to look at again at an instant.
    deadlines: BTreeMap<ServiceId, Timestamp>,
    dispatch_deadline: Option<Timestamp>,
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
            requests: VecDeque::new(),
            in_flight: None,
            dirty: all_services(store),
            deadlines: BTreeMap::new(),
            dispatch_deadline: None,
        }
    }

    /// Takes in one event. `store` holds everything committed so far, `now` never goes back.
    pub fn step(&mut self, store: &Store, now: Timestamp, event: Event) -> Output {
        let mut output = Output::default();
        match event {
            Event::Requested(id, request) => self.enqueue(id, request, &mut output),
            Event::Heard(node_id, message) => self.dispatch.hear(store, now, node_id, message),
            Event::Committed(changes) => self.committed(store, &changes, &mut output),
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

    fn enqueue(&mut self, id: RequestId, request: Request, output: &mut Output) {
        if self.requests.len() < REQUESTS_MAX {
            self.requests.push_back((id, request));
        } else {
            let text = "too many requests wait for the leader; try again";
            output.reply.push((id, Err(Refusal::new(RefusalClass::Unavailable, text))));
        }
    }

    fn committed(&mut self, store: &Store, changes: &ChangeSet, output: &mut Output) {
        let replies = self.in_flight.take().unwrap_or_default();
        output.reply.extend(replies.into_iter().map(|(id, reply)| (id, Ok(reply))));
        self.dispatch.settled();
        self.dispatch.committed(changes);
        self.dirty.extend(changed_services(store, changes));
    }

    /// The proposal is lost, and with it what was planned: everything is looked at again.
    fn dropped(&mut self, store: &Store, now: Timestamp, output: &mut Output) {
        for (id, _) in self.in_flight.take().unwrap_or_default() {
            let text = "the leader changed before the request took effect; try again";
            output.reply.push((id, Err(Refusal::new(RefusalClass::Unavailable, text))));
        }
        // Sessions may have been opened or ended in it.
        self.dispatch = Dispatch::new(store, now);
        self.dirty.extend(all_services(store));
    }

    /// Plans until nothing changes, then proposes once.
    fn pass(&mut self, store: &Store, now: Timestamp, output: &mut Output) {
        let mut draft = Draft::new(store, now);
        let mut granted = Vec::new();
        for _ in 0..REQUESTS_PER_PASS {
            if draft.is_full() {
                break;
            }
            let Some((id, request)) = self.requests.pop_front() else { break };
            match control::handle(&mut draft, &mut self.random, request) {
                Ok(reply) => granted.push((id, reply)),
                Err(refusal) => output.reply.push((id, Err(refusal))),
            }
        }
        self.dispatch_deadline = self.dispatch.plan(&mut draft, &mut self.random);
        self.dirty.extend(self.due(now));
        for _ in 0..ROUNDS_MAX {
            self.dirty.append(&mut draft.take_touched());
            if self.dirty.is_empty() || draft.is_full() {
                break;
            }
            self.plan_dirty(&mut draft);
            schedule::plan(&mut draft);
        }
        if draft.is_clean() {
            self.dispatch.settled();
            output.reply.extend(granted.into_iter().map(|(id, reply)| (id, Ok(reply))));
        } else {
            self.in_flight = Some(granted);
            output.propose = Some(draft.finish());
        }
    }

    fn plan_dirty(&mut self, draft: &mut Draft) {
        for id in std::mem::take(&mut self.dirty) {
            if draft.is_full() {
                self.dirty.insert(id);
                continue;
            }
            match orchestrate::plan(draft, &mut self.random, id) {
                Some(wake_at) => self.deadlines.insert(id, wake_at),
                None => self.deadlines.remove(&id),
            };
        }
    }

    fn due(&self, now: Timestamp) -> Vec<ServiceId> {
        self.deadlines.iter().filter(|(_, at)| **at <= now).map(|(id, _)| *id).collect()
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        if self.in_flight.is_some() {
            return None;
        }
        earlier(self.dispatch_deadline, self.deadlines.values().min().copied())
    }
}

fn all_services(store: &Store) -> BTreeSet<ServiceId> {
    // Tasks of a service that was removed still need planning until they are forgotten.
    let of_tasks = store.tasks().map(|task| task.service_id);
    store.services().map(|service| service.id).chain(of_tasks).collect()
}

/// Returns the services whose plans a committed change may concern.
fn changed_services(store: &Store, changes: &ChangeSet) -> BTreeSet<ServiceId> {
    let mut ids = BTreeSet::new();
    for change in changes.iter() {
        match change {
            Change::PutService(service) => drop(ids.insert(service.id)),
            Change::PutTask(task) => drop(ids.insert(task.service_id)),
            Change::DeleteTask { service_id, .. } => drop(ids.insert(*service_id)),
            Change::PutRollout(rollout) => drop(ids.insert(rollout.service_id)),
            Change::DeleteService(id) | Change::DeleteRollout(id) => drop(ids.insert(*id)),
            // A node's state or labels and the cluster's limits may matter to any service.
            Change::PutNode(_) | Change::PutCluster(_) => return all_services(store),
        }
    }
    ids
}
