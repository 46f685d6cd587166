//! The managers' side: one leader after another over one committed store.
//!
//! The log is a single slot: a proposal commits after a while, or is lost. When the leader changes, a
//! proposal in flight may have been committed all the same, and nobody tells the client.

use std::collections::BTreeMap;

use skep_core::leader::Event;
use skep_core::{Change, ChangeSet, Leader, Output, RequestId, Store};
use skep_model::cluster::{Authority, ClusterSpec, Hidden};
use skep_model::node::{NodeSpec, NodeStatus};
use skep_model::request::Request;
use skep_model::rollout::{Direction, Phase as RolloutPhase};
use skep_model::{Cluster, Meta, Node, NodeId, ServiceId};

use super::{Happening, World};
use crate::Broken;
use crate::dice::Dice;
use crate::invariants::{Again, Moment};
use crate::machine::Machine;
use crate::trace::short;

/// The log, the store and whoever leads.
pub(super) struct Managers {
    pub store: Store,
    seat: Option<Seat>,
    term: u64,
    request_count: u64,
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

impl Managers {
    pub fn new(dice: Dice) -> Self {
        Managers { store: Store::default(), seat: None, term: 0, request_count: 0, dice }
    }

    pub fn is_led(&self) -> bool {
        self.seat.is_some()
    }

    /// Writes the cluster and its nodes, as `swarm init` and `join` would have.
    pub fn initialise(&mut self, machines: &BTreeMap<NodeId, Machine>, dice: &mut Dice) {
        let hidden = || Hidden(String::new());
        let cluster = Cluster {
            id: dice.id(),
            meta: Meta::default(),
            spec: ClusterSpec { task_history_limit: dice.pick(&[0, 1, 2, 5]), ..ClusterSpec::default() },
            authority: Authority {
                certificate_pem: String::new(),
                key_pem: hidden(),
                subject: Vec::new(),
                public_key: Vec::new(),
                worker_token: hidden(),
                manager_token: hidden(),
            },
            address_pools: Vec::new(),
            subnet_size: 24,
            data_path_port: 4789,
        };
        let node = |id: &NodeId| Node {
            id: *id,
            meta: Meta::default(),
            spec: NodeSpec::default(),
            description: Default::default(),
            status: NodeStatus::default(),
            manager_addr: None,
        };
        let nodes = machines.keys().map(|id| Change::PutNode(node(id).into()));
        let changes: ChangeSet = std::iter::once(Change::PutCluster(cluster.into())).chain(nodes).collect();
        self.store.apply(1, &changes);
    }
}

impl World<'_> {
    /// Seats a new leader, unless there is one.
    pub(super) fn elect(&mut self) -> Result<(), Broken> {
        if self.managers.is_led() {
            return Ok(());
        }
        // A new leader may have come to its store by a snapshot.
        if self.managers.dice.chance(50) {
            self.managers.store = Store::restore(self.managers.store.dump());
        }
        let term = self.managers.term + 1;
        let mind = Leader::new(self.managers.dice.seed(), &self.managers.store, self.now);
        let seat = Seat { mind, in_flight: None, wake_count: 0, asked: BTreeMap::new() };
        (self.managers.term, self.managers.seat) = (term, Some(seat));
        self.trace.note(self.now, || format!("leader of term {term}"));
        self.lead(Event::Woke)
    }

    /// Takes the leader away, in the middle of whatever it did.
    pub(super) fn depose(&mut self) -> Result<(), Broken> {
        let Some(seat) = self.managers.seat.take() else { return Ok(()) };
        self.summary.leader_changes += 1;
        let survives = self.managers.dice.chance(50);
        let in_flight = seat.in_flight.filter(|_| survives);
        self.trace.note(self.now, || format!("leader gone, its proposal survives: {}", in_flight.is_some()));
        if let Some(changes) = in_flight {
            self.apply(&changes)?;
        }
        let pause = self.managers.dice.pick(&[0, 200, 3_000]);
        let pause = self.managers.dice.millis(0, pause);
        self.after(pause, Happening::Elect);
        Ok(())
    }

    /// Hands an event to the leader, if there is one, and does what it says.
    pub(super) fn lead(&mut self, event: Event) -> Result<(), Broken> {
        let Some(seat) = &mut self.managers.seat else { return Ok(()) };
        let output = seat.mind.step(&self.managers.store, self.now, event);
        self.obey(output)
    }

    fn obey(&mut self, output: Output) -> Result<(), Broken> {
        let seat = self.managers.seat.as_mut().expect("the leader that just spoke");
        let term = self.managers.term;
        if let Some(changes) = output.propose {
            if changes.is_empty() || seat.in_flight.is_some() {
                let detail = format!("{} changes proposed, in flight: {:?}", changes.len(), seat.in_flight);
                return Err(Broken { invariant: "one_proposal_at_a_time", detail });
            }
            seat.in_flight = Some(changes);
            let pause = self.managers.dice.millis(0, self.profile.commit_millis_max);
            self.after(pause, Happening::Commit { term });
        }
        let seat = self.managers.seat.as_mut().expect("the leader that just spoke");
        seat.wake_count += 1;
        let (number, is_idle) = (seat.wake_count, seat.in_flight.is_none());
        let mut answers = Vec::with_capacity(output.reply.len());
        for (id, reply) in output.reply {
            let Some(request) = seat.asked.remove(&id) else {
                let detail = format!("request {} was answered twice, or never asked", id.0);
                return Err(Broken { invariant: "requests_are_answered_once", detail });
            };
            answers.push((request, reply));
        }
        for (request, reply) in answers {
            self.trace.note(self.now, || format!("  answered {reply:?}"));
            let count = match reply {
                Ok(_) => &mut self.summary.requests_granted,
                Err(_) => &mut self.summary.requests_refused,
            };
            *count += 1;
            let moment = Moment::Answered { store: &self.managers.store, request: &request, reply: &reply };
            self.invariants.see(self.now, &moment)?;
        }
        for (node_id, message) in output.send {
            self.post_to_node(node_id, message);
        }
        if let Some(at) = output.wake_at {
            self.at(at, Happening::WakeLeader { term, number });
        }
        if is_idle {
            let again = Again::plan(&self.managers.store, self.now);
            let moment = Moment::Idle { store: &self.managers.store, wake_at: output.wake_at, again };
            self.invariants.see(self.now, &moment)?;
        }
        Ok(())
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
            return self.lead(Event::Dropped);
        }
        self.apply(&changes)?;
        self.lead(Event::Committed(changes))
    }

    fn apply(&mut self, changes: &ChangeSet) -> Result<(), Broken> {
        let before = self.managers.store.clone();
        self.managers.store.apply(before.index() + 1, changes);
        self.summary.commits += 1;
        self.note_changes(&before, changes);
        let (after, machines) = (&self.managers.store, &self.machines);
        let moment = Moment::Committed { before: &before, after, changes, machines };
        self.invariants.see(self.now, &moment)
    }

    fn note_changes(&mut self, before: &Store, changes: &ChangeSet) {
        for change in changes.iter() {
            if let Change::PutRollout(rollout) = change {
                let known = before.rollout(rollout.service_id);
                let was = known.map(|known| (known.phase, known.direction));
                let is_new = was != Some((rollout.phase, rollout.direction));
                let reversed = known.is_some_and(|known| known.direction == Direction::Forward)
                    && rollout.direction == Direction::Back;
                match rollout.phase {
                    RolloutPhase::Completed if is_new => self.summary.rollouts_completed += 1,
                    RolloutPhase::Paused if is_new => self.summary.rollouts_paused += 1,
                    _ if reversed => self.summary.rollouts_reversed += 1,
                    _ => {}
                }
            }
            self.trace.note(self.now, || format!("  {}", describe(before, change)));
        }
    }

    /// Sends a request to the leader, if there is one.
    pub(super) fn request(&mut self, request: Request) -> Result<(), Broken> {
        let Some(seat) = &mut self.managers.seat else { return Ok(()) };
        self.managers.request_count += 1;
        let id = RequestId(self.managers.request_count);
        self.trace.note(self.now, || format!("asked {request:?}"));
        seat.asked.insert(id, request.clone());
        self.lead(Event::Requested(id, request))
    }
}

/// Says in one line what a change changes.
fn describe(before: &Store, change: &Change) -> String {
    let name = |id: ServiceId| before.service(id).map_or_else(|| short(id), |known| known.spec.name.clone());
    match change {
        Change::PutCluster(_) => "cluster".to_owned(),
        Change::PutNode(node) => {
            format!("node {} {:?} {:?}", node.description.hostname, node.status.state, node.spec.availability)
        }
        Change::PutService(service) => format!(
            "service {} revision {} image {} {:?}",
            service.spec.name, service.revision, service.spec.task.container.image, service.spec.mode
        ),
        Change::DeleteService(id) => format!("service {} gone", name(*id)),
        Change::PutTask(task) => {
            let node = task.node_id.and_then(|id| before.node(id));
            let node = node.map_or("-", |node| node.description.hostname.as_str());
            let (name, slot, id) = (&task.service.name, task.slot, short(task.id));
            let (revision, wanted, status) = (task.revision, task.desired, &task.status);
            format!(
                "task {name}.{slot} {id} r{revision} {node} wanted {wanted:?} is {:?} {}",
                status.state, status.err
            )
        }
        Change::DeleteTask { id, service_id, .. } => format!("task {} {} gone", name(*service_id), short(id)),
        Change::PutRollout(rollout) => {
            format!(
                "rollout {} {:?} {:?} to r{} {} of {} failed {}",
                name(rollout.service_id),
                rollout.direction,
                rollout.phase,
                rollout.revision,
                rollout.failed_count,
                rollout.slot_count,
                rollout.message
            )
        }
        Change::PutStep(step) => {
            let mark = match (step.failed, step.settled_at) {
                (true, _) => "failed",
                (false, Some(_)) => "settled",
                (false, None) => "open",
            };
            format!("step {}.{} {mark} {}", name(step.service_id), step.slot, short(step.task_id))
        }
        Change::DeleteStep { service_id, slot } => format!("step {}.{slot} gone", name(*service_id)),
        Change::PutRevision(revision) => {
            format!(
                "revision {} r{} stable {:?}",
                name(revision.service_id),
                revision.number,
                revision.stable_at
            )
        }
        Change::DeleteRevision { service_id, number } => {
            format!("revision {} r{number} gone", name(*service_id))
        }
        Change::DeleteNode(id) => format!("node {} gone", short(*id)),
        Change::DeleteRollout(id) => format!("rollout {} gone", name(*id)),
    }
}
