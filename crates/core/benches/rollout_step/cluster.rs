//! A leader over a large store, and nodes that do at once what they are told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use skep_core::message::{Assignments, ManagerMessage, NodeMessage, SessionId};
use skep_core::{Change, Event, Leader, RequestId, Store};
use skep_model::endpoint::Endpoint;
use skep_model::node::{NodeDescription, NodeState, NodeStatus};
use skep_model::request::{AuthFrom, Request, ServiceChange};
use skep_model::service::{Mode, UpdateConfig};
use skep_model::task::{Desired, ServiceStamp, SlotId, TaskState, TaskStatus};
use skep_model::{
    Id, Node, NodeId, Revision, Service, ServiceId, ServiceSpec, Task, TaskId, TaskSpec, Timestamp,
};

/// What nodes take for one thing that they do.
const STEP: Duration = Duration::from_millis(1);
/// More decisions than a slot can need; a rollout that takes more does not go on.
const DECISIONS_MAX: usize = 10_000;

pub struct Cluster {
    store: Store,
    leader: Leader,
    now: Timestamp,
    wake_at: Option<Timestamp>,
    nodes: BTreeMap<NodeId, Talk>,
    /// What nodes said and the leader has yet to hear.
    said: VecDeque<(NodeId, NodeMessage)>,
    pub proposal_count: u64,
    settled_count: u64,
}

#[derive(Default)]
struct Talk {
    session: Option<SessionId>,
    report_count: u64,
}

impl Cluster {
    /// Returns a cluster whose services have `replicas` tasks each, `tasks` in all, and whose nodes run them.
    pub fn new(replicas: u64, tasks: u64, nodes: u64) -> Cluster {
        let mut store = Store::default();
        let mut changes = vec![Change::PutCluster(Arc::new(skep_testing::cluster()))];
        changes.extend((1..=nodes).map(|number| Change::PutNode(Arc::new(node(number)))));
        for number in 1..=tasks / replicas {
            let service = service(number, replicas);
            let stamp = Arc::new(ServiceStamp {
                name: service.spec.name.clone(),
                labels: service.spec.labels.clone(),
            });
            changes.push(Change::PutRevision(Arc::new(revision(&service))));
            for slot in 1..=replicas {
                let id = (number - 1) * replicas + slot;
                let node = NodeId::from_number(u128::from(id % nodes + 1));
                changes.push(Change::PutTask(Arc::new(task(&service, stamp.clone(), slot, id, node))));
            }
            changes.push(Change::PutService(Arc::new(service)));
        }
        store.apply(1, &changes.into_iter().collect());
        let now = Timestamp(1_000_000_000_000);
        let leader = Leader::new(7, &store, now);
        let nodes = store.nodes().map(|node| (node.id, Talk::default())).collect();
        Cluster {
            store,
            leader,
            now,
            wake_at: None,
            nodes,
            said: VecDeque::new(),
            proposal_count: 0,
            settled_count: 0,
        }
    }

    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> {
        self.nodes.keys().copied()
    }

    pub fn session(&self, id: NodeId) -> SessionId {
        self.nodes[&id].session.expect("a node that registered")
    }

    /// Lets the leader look at everything for the first time and the nodes register. Returns the time that the
    /// leader took for it.
    pub fn start(&mut self) -> Duration {
        let mut took = self.step(Event::Woke);
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            let description = Box::new(description(id));
            self.said
                .push_back((id, NodeMessage::Register { attempt: 1, description, addr: "10.0.0.1".into() }));
        }
        while let Some((id, message)) = self.said.pop_front() {
            took += self.step(Event::Heard(id, message));
        }
        took
    }

    /// Gives the first service another image.
    pub fn update_first_service(&mut self) {
        let service =
            Service::clone(self.store.service(ServiceId::from_number(1)).expect("the first service"));
        let mut spec = service.spec;
        Arc::make_mut(&mut spec.task).container.image = "app:2".into();
        let change = Box::new(ServiceChange::Spec { spec, auth: AuthFrom::Spec });
        let version = service.meta.version;
        let request = Request::UpdateService { id: service.id, version, change, author: String::new() };
        self.step(Event::Requested(RequestId(1), request));
    }

    /// Lets one more slot of the rollout settle. Returns the time that the leader took for it.
    pub fn settle_one(&mut self) -> Duration {
        let before = self.settled_count;
        let mut took = Duration::ZERO;
        for _ in 0..DECISIONS_MAX {
            if self.settled_count > before {
                return took;
            }
            self.now = self.now + STEP;
            took += match self.said.pop_front() {
                Some((id, message)) => self.step(Event::Heard(id, message)),
                None => {
                    self.now = self.now.max(self.wake_at.expect("a rollout that waits for something"));
                    self.step(Event::Woke)
                }
            };
        }
        panic!("no slot settles within {DECISIONS_MAX} decisions");
    }

    /// Hands an event to the leader, and commits what it proposes until it proposes nothing. Returns the time
    /// that the leader took.
    pub fn step(&mut self, event: Event) -> Duration {
        let (mut took, mut next) = (Duration::ZERO, Some(event));
        while let Some(event) = next.take() {
            let began_at = Instant::now();
            let output = self.leader.step(&self.store, self.now, event);
            took += began_at.elapsed();
            self.wake_at = output.wake_at;
            for (id, message) in output.send {
                self.tell(id, message);
            }
            if let Some(changes) = output.propose {
                self.proposal_count += 1;
                self.settled_count += changes.iter().filter(|change| self.settles(change)).count() as u64;
                self.store.apply(self.store.index() + 1, &changes);
                next = Some(Event::Committed);
            }
        }
        took
    }

    fn settles(&self, change: &Change) -> bool {
        let Change::PutStep(step) = change else { return false };
        let known = self.store.step(step.service_id, step.slot);
        step.settled_at.is_some() && known.is_none_or(|known| known.settled_at.is_none())
    }

    fn tell(&mut self, id: NodeId, message: ManagerMessage) {
        match message {
            ManagerMessage::Registered { session, .. } => {
                self.nodes.get_mut(&id).expect("a node of the cluster").session = Some(session);
            }
            ManagerMessage::Assignments(assignments) => self.obey(id, assignments),
            ManagerMessage::SessionInvalid { .. } => panic!("node {id} lost its session"),
            ManagerMessage::Alive { .. } | ManagerMessage::Acknowledged { .. } => {}
        }
    }

    /// Says one by one what became of the tasks.
    fn obey(&mut self, id: NodeId, assignments: Assignments) {
        let talk = self.nodes.get_mut(&id).expect("a node of the cluster");
        for task in assignments.put {
            let state = match task.0.desired {
                Desired::Ready => TaskState::Ready,
                Desired::Running | Desired::Complete => TaskState::Running,
                Desired::Shutdown | Desired::Remove => TaskState::Shutdown,
            };
            if task.0.status.state >= state {
                continue;
            }
            let status = TaskStatus { state, at: self.now, applied_at: self.now, ..TaskStatus::default() };
            talk.report_count += 1;
            let report = NodeMessage::Report {
                session: assignments.session,
                sequence: talk.report_count,
                statuses: vec![(task.0.id, status)],
            };
            self.said.push_back((id, report));
        }
    }
}

fn description(id: NodeId) -> NodeDescription {
    NodeDescription {
        hostname: format!("n{}", id.number()),
        nano_cpus: 64_000_000_000,
        memory_bytes: 1 << 38,
        ..NodeDescription::default()
    }
}

fn node(number: u64) -> Node {
    let id = NodeId::from_number(u128::from(number));
    let status = NodeStatus { state: NodeState::Ready, ..NodeStatus::default() };
    Node { description: description(id), status, ..skep_testing::node(id) }
}

fn service(number: u64, replicas: u64) -> Service {
    let mut task = TaskSpec::default();
    task.container.image = "app:1".into();
    let spec = ServiceSpec {
        name: format!("s{number}"),
        // Swarm's pacing: no slot waits for the first ones to prove themselves.
        labels: [("skep.profile".to_owned(), "swarm".to_owned())].into(),
        task: Arc::new(task),
        mode: Mode::Replicated { replicas },
        update: Some(UpdateConfig::default()),
        rollback: None,
        endpoint: Endpoint::default(),
    };
    skep_testing::service(ServiceId::from_number(u128::from(number)), spec)
}

fn revision(service: &Service) -> Revision {
    let stable_at = Some(Timestamp::default());
    Revision { stable_at, ..skep_testing::revision(service.id, 1, &service.spec) }
}

fn task(service: &Service, stamp: Arc<ServiceStamp>, slot: u64, id: u64, node: NodeId) -> Task {
    Task {
        service: stamp,
        node_id: Some(node),
        status: TaskStatus { state: TaskState::Running, ..TaskStatus::default() },
        ran_at: Some(Timestamp::default()),
        ..Task::of(service, TaskId::from_number(u128::from(id)), SlotId::Number(slot))
    }
}
