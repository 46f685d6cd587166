//! Events in, outputs performed: the one place where the leader meets the log, the clock and the nodes.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use skep_agent::Clock;
use skep_api::server::facts::{Changed, Pair};
use skep_core::message::ManagerMessage;
use skep_core::{Change, ChangeSet, Event, Leader, Output, RequestId, Store};
use skep_model::request::{Refusal, RefusalClass, Reply};
use skep_model::{NodeId, Timestamp};
use skep_raft::{Delivery, Log, ProposalId};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::daemon::fatal::Fatal;

use super::{Input, Published, codec, entropy};

type Answer = oneshot::Sender<Result<Reply, Refusal>>;

pub struct ControlLoop {
    log: Log,
    store: Store,
    leader: Option<Leader>,
    in_flight: Option<(ProposalId, ChangeSet)>,
    last_proposal: u64,
    last_request: u64,
    waiting: BTreeMap<RequestId, Answer>,
    nodes: BTreeMap<NodeId, mpsc::Sender<ManagerMessage>>,
    wake_at: Option<Timestamp>,
    clock: Clock,
    publish: watch::Sender<Arc<Published>>,
    changes: broadcast::Sender<Changed>,
    fatal: Fatal,
}

impl ControlLoop {
    pub fn new(
        log: Log,
        store: Store,
        publish: watch::Sender<Arc<Published>>,
        changes: broadcast::Sender<Changed>,
        fatal: Fatal,
    ) -> Self {
        ControlLoop {
            log,
            store,
            leader: None,
            in_flight: None,
            last_proposal: 0,
            last_request: 0,
            waiting: BTreeMap::new(),
            nodes: BTreeMap::new(),
            wake_at: None,
            clock: Clock::default(),
            publish,
            changes,
            fatal,
        }
    }

    /// Runs until the log stops.
    pub async fn run(mut self, mut inputs: mpsc::Receiver<Input>, mut deliveries: mpsc::Receiver<Delivery>) {
        loop {
            let woken = self.clock.sleep_until(self.wake_at);
            tokio::select! {
                // What is committed comes first: requests are judged on the newest state.
                biased;
                delivery = deliveries.recv() => match delivery {
                    Some(Delivery::Failed(error)) => {
                        self.fatal.tell(format!("the cluster's log failed: {}", skep_agent::chain(&error)));
                        break;
                    }
                    Some(delivery) => if self.delivered(delivery).is_break() {
                        break;
                    },
                    None => break,
                },
                input = inputs.recv() => match input {
                    Some(input) => self.take(input),
                    None => break,
                },
                () = woken => self.step(Event::Woke),
            }
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Attach(node_id, way) => drop(self.nodes.insert(node_id, way)),
            Input::Heard(node_id, message) => self.step(Event::Heard(node_id, message)),
            Input::Request(request, answer) => {
                if self.leader.is_none() {
                    // The asker is gone when this fails; nobody is left to tell.
                    drop(answer.send(Err(not_leading())));
                    return;
                }
                self.last_request += 1;
                let id = RequestId(self.last_request);
                self.waiting.insert(id, answer);
                self.step(Event::Requested(id, request));
            }
        }
    }

    /// Takes in a delivery; breaks where to go on would be to go wrong.
    fn delivered(&mut self, delivery: Delivery) -> ControlFlow<()> {
        match delivery {
            Delivery::Committed { index, data, proposal, .. } => {
                return self.committed(index, &data, proposal);
            }
            Delivery::Dropped(id) => {
                if self.in_flight.as_ref().is_some_and(|(proposal, _)| *proposal == id) {
                    self.in_flight = None;
                    self.step(Event::Dropped);
                }
            }
            Delivery::Leader(leadership) => self.lead(leadership.is_self),
            Delivery::Snapshot { data, .. } => match codec::decode_store(&data) {
                Ok(store) => {
                    self.store = store;
                    self.publish();
                }
                Err(error) => {
                    let error = skep_agent::chain(&error);
                    self.fatal.tell(format!("a snapshot from the leader is not readable: {error}"));
                    return ControlFlow::Break(());
                }
            },
            Delivery::SnapshotWanted { .. } => self.snapshot(),
            // A cluster of one has nobody to send to and no members to follow.
            Delivery::Send { .. } | Delivery::Members(_) | Delivery::Failed(_) => {}
        }
        ControlFlow::Continue(())
    }

    fn committed(&mut self, index: u64, data: &[u8], proposal: Option<ProposalId>) -> ControlFlow<()> {
        let own = self.in_flight.take_if(|(id, _)| Some(*id) == proposal).map(|(_, changes)| changes);
        let is_own = own.is_some();
        let changes = match own {
            Some(changes) => changes,
            None if data.is_empty() => ChangeSet::default(),
            None => match codec::decode_changes(data) {
                Ok(changes) => changes,
                // To leave it out would make this manager's state another one than its peers'.
                Err(error) => {
                    let error = skep_agent::chain(&error);
                    self.fatal.tell(format!("entry {index} of the cluster's log is not readable: {error}"));
                    return ControlFlow::Break(());
                }
            },
        };
        let before = self.store.clone();
        self.store.apply(index, &changes);
        self.publish();
        announce(&self.changes, &before, &self.store, &changes);
        if is_own {
            self.step(Event::Committed);
        }
        ControlFlow::Continue(())
    }

    fn lead(&mut self, leads: bool) {
        self.in_flight = None;
        for (_, answer) in std::mem::take(&mut self.waiting) {
            drop(answer.send(Err(not_leading())));
        }
        self.wake_at = None;
        let now = self.clock.now();
        self.leader = leads.then(|| Leader::new(u64::from_ne_bytes(entropy()), &self.store, now));
        self.publish();
        if leads {
            tracing::info!(index = self.store.index(), "this manager leads");
            self.step(Event::Woke);
        }
    }

    /// Hands the leader an event and performs its output.
    fn step(&mut self, event: Event) {
        let Some(leader) = &mut self.leader else { return };
        let now = self.clock.now();
        let Output { propose, send, reply, wake_at } = leader.step(&self.store, now, event);
        self.wake_at = wake_at;
        for (id, answer) in reply {
            if let Some(waiting) = self.waiting.remove(&id) {
                // The asker may have given up; the change stands all the same.
                drop(waiting.send(answer));
            }
        }
        for (node_id, message) in send {
            self.send(node_id, message);
        }
        if let Some(changes) = propose {
            self.propose(changes);
        }
    }

    /// A message that does not fit is lost; the node notices and registers again.
    fn send(&mut self, node_id: NodeId, message: ManagerMessage) {
        let sent = self.nodes.get(&node_id).map(|way| way.try_send(message));
        if !matches!(sent, Some(Ok(()))) {
            tracing::warn!(node.id = %node_id, "a message to a node was lost");
        }
    }

    fn propose(&mut self, changes: ChangeSet) {
        self.last_proposal += 1;
        let id = ProposalId(self.last_proposal);
        match self.log.propose(id, codec::encode_changes(&changes)) {
            Ok(()) => self.in_flight = Some((id, changes)),
            // One proposal is in flight at a time and a pass is bounded in size, so the log takes it unless
            // it has stopped. To plan the same again would only be refused again.
            Err(error) => {
                self.fatal.tell(format!("a change cannot be proposed: {}", skep_agent::chain(&error)));
            }
        }
    }

    fn publish(&self) {
        let published = Published { store: self.store.clone(), leads: self.leader.is_some() };
        self.publish.send_replace(Arc::new(published));
    }

    /// Gives the log the state it asked for, off the loop: a store is cheap to hold.
    fn snapshot(&self) {
        let (log, store) = (self.log.clone(), self.store.clone());
        tokio::spawn(async move {
            let index = store.index();
            let bytes = tokio::task::spawn_blocking(move || codec::encode_store(&store)).await;
            let bytes = bytes.expect("encoding does not panic");
            if let Err(error) = log.snapshot(index, bytes).await {
                tracing::warn!(error = %skep_agent::chain(&error), "no snapshot was taken; the log keeps growing");
            }
        });
    }
}

fn not_leading() -> Refusal {
    Refusal::new(
        RefusalClass::Unavailable,
        "This node is not a swarm manager. Manager is being prepared or has trouble connecting to the cluster.",
    )
}

/// Tells readers of events what changed. Nobody may be listening.
fn announce(changes: &broadcast::Sender<Changed>, before: &Store, after: &Store, set: &ChangeSet) {
    if changes.receiver_count() == 0 {
        return;
    }
    for change in set.iter() {
        let changed = match change {
            Change::PutNode(node) => node_pair(before, after, node.id),
            Change::DeleteNode(id) => node_pair(before, after, *id),
            Change::PutService(service) => service_pair(before, after, service.id),
            Change::DeleteService(id) => service_pair(before, after, *id),
            Change::PutTask(task) => task_pair(before, after, task.id),
            Change::DeleteTask { id, .. } => task_pair(before, after, *id),
            Change::PutRollout(rollout) => rollout_pair(before, after, rollout.service_id),
            Change::DeleteRollout(id) => rollout_pair(before, after, *id),
            Change::PutCluster(_)
            | Change::PutRevision(_)
            | Change::DeleteRevision { .. }
            | Change::PutStep(_)
            | Change::DeleteStep { .. } => continue,
        };
        // An error means that the last listener left meanwhile.
        drop(changes.send(changed));
    }
}

fn node_pair(before: &Store, after: &Store, id: NodeId) -> Changed {
    Changed::Node(Pair { old: before.node(id).cloned(), new: after.node(id).cloned() })
}

fn service_pair(before: &Store, after: &Store, id: skep_model::ServiceId) -> Changed {
    Changed::Service(Pair { old: before.service(id).cloned(), new: after.service(id).cloned() })
}

fn task_pair(before: &Store, after: &Store, id: skep_model::TaskId) -> Changed {
    Changed::Task(Pair { old: before.task(id).cloned(), new: after.task(id).cloned() })
}

fn rollout_pair(before: &Store, after: &Store, id: skep_model::ServiceId) -> Changed {
    Changed::Rollout(Pair { old: before.rollout(id).cloned(), new: after.rollout(id).cloned() })
}
