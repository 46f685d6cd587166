//! A small cluster without luck: the real leader and workers, a network without delay, and an engine
//! whose operations take [`STEP`] each. Scripts drive it ([`script`]); what its images do is in [`engine`],
//! what they print of a service in [`show`].

pub mod engine;
pub mod script;
pub mod show;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use skep_core::leader::Event;
use skep_core::message::{ManagerMessage, NodeMessage};
use skep_core::worker::{self, Effect, Worker};
use skep_core::{Change, ChangeSet, Leader, RequestId, Store};
use skep_model::cluster::ClusterSpec;
use skep_model::node::NodeDescription;
use skep_model::request::{Refusal, Reply, Request};
use skep_model::template::Resources;
use skep_model::{Cluster, Id, NodeId, Task, TaskId, Timestamp};

use engine::{Engine, Images, Later};

/// Time that a preparation, a start or a stop takes, unless an image says otherwise.
pub const STEP: Duration = Duration::from_millis(100);

/// A cluster in virtual time.
pub struct World {
    pub now: Timestamp,
    pub store: Store,
    pub images: Images,
    leader: Option<Leader>,
    seed: u64,
    queue: BTreeMap<(Timestamp, u64), Happening>,
    planned: u64,
    wake_count: u64,
    machines: BTreeMap<NodeId, Machine>,
    request_count: u64,
    answers: BTreeMap<RequestId, Result<Reply, Refusal>>,
    /// Every task in the order of its making.
    tasks: Vec<TaskId>,
    /// What was committed, for whoever follows.
    pub committed: Vec<(Timestamp, Store, ChangeSet)>,
    /// Every version of the store, with the instant from which it holds.
    pub versions: Vec<(Timestamp, Store)>,
    /// When the leader is to be lost; `None` once it was.
    pub loss: Option<Loss>,
}

/// A leader is lost at one of its proposals.
#[derive(Clone, Copy)]
pub struct Loss {
    /// Proposals that it makes before.
    pub after: usize,
    /// Whether the next leader finds the proposal in the log.
    pub survives: bool,
}

struct Machine {
    engine: Engine,
    worker: Option<Worker>,
    memory: BTreeMap<TaskId, Arc<Task>>,
    wake_count: u64,
    is_cut: bool,
    /// What it reports before this instant arrives then.
    reports_from: Timestamp,
    cpus: i64,
}

enum Happening {
    WakeLeader(u64),
    /// A new leader, and another one after this long.
    ChangeLeader(Duration),
    ToLeader(NodeId, NodeMessage),
    ToNode(NodeId, ManagerMessage),
    WakeNode(NodeId, u64),
    Engine(NodeId, Later),
}

impl World {
    /// Returns a cluster whose nodes `n1`, `n2`… have so many CPUs each, all of them registered.
    pub fn new(nodes: &[i64], history: i64) -> World {
        let mut world = World {
            now: Timestamp::default(),
            store: Store::default(),
            images: Images::default(),
            leader: None,
            seed: 0,
            queue: BTreeMap::new(),
            planned: 0,
            wake_count: 0,
            machines: BTreeMap::new(),
            request_count: 0,
            answers: BTreeMap::new(),
            tasks: Vec::new(),
            committed: Vec::new(),
            versions: Vec::new(),
            loss: None,
        };
        let mut changes = vec![Change::PutCluster(Arc::new(cluster(history)))];
        for (number, cpus) in (1..).zip(nodes) {
            changes.push(world.new_node(NodeId::from_number(number), *cpus));
        }
        world.store.apply(1, &changes.into_iter().collect());
        world.change_leader();
        (1..=nodes.len()).for_each(|number| world.start_node(NodeId::from_number(number as u128)));
        world.run_for(Duration::ZERO);
        world.committed.clear();
        world
    }

    fn new_node(&mut self, id: NodeId, cpus: i64) -> Change {
        let machine = Machine {
            engine: Engine::default(),
            worker: None,
            memory: BTreeMap::new(),
            wake_count: 0,
            is_cut: false,
            reports_from: Timestamp::default(),
            cpus,
        };
        self.machines.insert(id, machine);
        Change::PutNode(Arc::new(skep_testing::node(id)))
    }

    /// Adds a node to the cluster and starts it. No request does that yet, so it is written behind the back of
    /// the leader, and another one takes over.
    pub fn join_node(&mut self, id: NodeId, cpus: i64) {
        let change = self.new_node(id, cpus);
        self.commit(&std::iter::once(change).collect());
        self.change_leader();
        self.start_node(id);
    }

    fn at(&mut self, at: Timestamp, happening: Happening) {
        self.planned += 1;
        self.queue.insert((at.max(self.now), self.planned), happening);
    }

    /// Lets time pass, and all that is due with it.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        for _ in 0..1_000_000 {
            let Some((key, _)) = self.queue.first_key_value().filter(|((at, _), _)| *at <= end) else {
                self.now = end;
                return;
            };
            let key = *key;
            self.now = key.0;
            let happening = self.queue.remove(&key).expect("the first of the queue");
            self.happen(happening);
        }
        panic!("a million things happened within {time:?}: something spins");
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::WakeLeader(number) if number == self.wake_count => self.lead(Event::Woke),
            Happening::WakeLeader(_) => {}
            Happening::ChangeLeader(every) => self.change_leaders(every),
            Happening::ToLeader(id, message) => self.lead(Event::Heard(id, message)),
            Happening::ToNode(id, message) => self.step_node(id, worker::Event::Told(message)),
            Happening::WakeNode(id, number) => {
                if self.machines[&id].wake_count == number {
                    self.step_node(id, worker::Event::Woke);
                }
            }
            Happening::Engine(id, later) => {
                let machine = self.machines.get_mut(&id).expect("a machine of the world");
                if let Some((task_id, outcome)) = machine.engine.happen(self.now, later) {
                    self.step_node(id, worker::Event::Did(task_id, outcome));
                }
            }
        }
    }

    /// Puts a new leader in the place of the old one. Nodes that are not cut off see their connection break,
    /// and register with it.
    pub fn change_leader(&mut self) {
        self.seed += 1;
        self.leader = Some(Leader::new(self.seed, &self.store, self.now));
        self.lead(Event::Woke);
        let connected = self.machines.iter().filter(|(_, machine)| !machine.is_cut);
        let connected: Vec<_> = connected.map(|(id, _)| *id).collect();
        connected.into_iter().for_each(|id| self.connect(id));
    }

    /// Changes the leader now and again and again.
    pub fn change_leaders(&mut self, every: Duration) {
        self.change_leader();
        self.at(self.now + every, Happening::ChangeLeader(every));
    }

    /// Hands an event to the leader. What it proposes is committed at once.
    fn lead(&mut self, event: Event) {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            let leader = self.leader.as_mut().expect("there is always a leader");
            let output = leader.step(&self.store, self.now, event);
            self.answers.extend(output.reply);
            for (id, message) in output.send {
                if !self.machines[&id].is_cut {
                    self.at(self.now, Happening::ToNode(id, message));
                }
            }
            self.wake_count += 1;
            if let Some(at) = output.wake_at {
                self.at(at, Happening::WakeLeader(self.wake_count));
            }
            let Some(changes) = output.propose else { return };
            match self.take_loss() {
                None => {
                    self.commit(&changes);
                    next = Some(Event::Committed);
                }
                Some(loss) => {
                    if loss.survives {
                        self.commit(&changes);
                    }
                    self.change_leader();
                }
            }
        }
    }

    /// Returns the loss that is due at this proposal.
    fn take_loss(&mut self) -> Option<Loss> {
        let loss = self.loss.as_mut()?;
        match loss.after.checked_sub(1) {
            Some(after) => {
                loss.after = after;
                None
            }
            None => self.loss.take(),
        }
    }

    fn commit(&mut self, changes: &ChangeSet) {
        self.committed.push((self.now, self.store.clone(), changes.clone()));
        self.store.apply(self.store.index() + 1, changes);
        self.versions.push((self.now, self.store.clone()));
        let mut made: Vec<_> = changes
            .iter()
            .filter_map(|change| match change {
                Change::PutTask(task) if !self.tasks.contains(&task.id) => Some(task),
                _ => None,
            })
            .collect();
        made.sort_by_key(|task| (task.service.name.clone(), task.slot, task.meta.created_at));
        self.tasks.extend(made.into_iter().map(|task| task.id));
    }

    /// Asks for something and returns the answer.
    pub fn request(&mut self, request: Request) -> Result<Reply, Refusal> {
        self.request_count += 1;
        let id = RequestId(self.request_count);
        self.lead(Event::Requested(id, request));
        self.answers.remove(&id).expect("every request is answered")
    }

    /// Returns the limits that the container of a task has.
    pub fn limits(&self, task: &Task) -> Option<&Resources> {
        self.machines.get(&task.node_id?)?.engine.limits(task.id)
    }

    /// Returns how many tasks were made so far.
    pub fn task_count(&self) -> usize {
        self.tasks.len()
    }

    /// Returns the number of a task, in the order of their making, from 1.
    pub fn number(&self, id: TaskId) -> usize {
        1 + self.tasks.iter().position(|known| *known == id).expect("a task that was committed")
    }

    /// Puts `#4` for the identifier of the fourth task, wherever it stands.
    pub fn with_numbers(&self, text: &str) -> String {
        let ids = self.tasks.iter().enumerate();
        ids.fold(text.to_owned(), |text, (index, id)| {
            text.replace(&id.to_string(), &format!("#{}", index + 1))
        })
    }

    /// Starts the agent of a node, and the node if it is off.
    pub fn start_node(&mut self, id: NodeId) {
        let machine = self.machines.get_mut(&id).expect("a machine of the world");
        machine.is_cut = false;
        if machine.worker.is_some() {
            return;
        }
        machine.worker = Some(Worker::new());
        let tasks = machine.memory.values().cloned().collect();
        let containers = machine.engine.found();
        self.step_node(id, worker::Event::Recovered { tasks, containers });
        self.connect(id);
    }

    /// Gives the agent of a node, if it runs, a way to the leader.
    fn connect(&mut self, id: NodeId) {
        let machine = &self.machines[&id];
        let nano_cpus = machine.cpus * skep_testing::CPU;
        let description = NodeDescription {
            nano_cpus,
            memory_bytes: 4 * skep_testing::GIB,
            ..skep_testing::description(id.number())
        };
        let description = Box::new(description);
        let addr = format!("10.0.0.{}", id.number());
        self.step_node(id, worker::Event::Connected { description, addr });
    }

    /// Ends the agent of a node, and with `power` everything that runs there.
    pub fn stop_node(&mut self, id: NodeId, power: bool) {
        let machine = self.machines.get_mut(&id).expect("a machine of the world");
        machine.worker = None;
        machine.engine.lose_agent();
        if power {
            machine.engine.lose_power();
        }
    }

    /// Cuts a node off: no message reaches it or comes from it.
    pub fn cut_node(&mut self, id: NodeId) {
        self.machines.get_mut(&id).expect("a machine of the world").is_cut = true;
    }

    /// Holds back what a node reports, though not its heartbeats, for so long.
    pub fn hold_reports(&mut self, id: NodeId, time: Duration) {
        self.machines.get_mut(&id).expect("a machine of the world").reports_from = self.now + time;
    }

    /// Ends the process of a task, as if by itself.
    pub fn exit(&mut self, task: &Task, code: i32) {
        let id = task.node_id.expect("a task that runs has a node");
        self.happen(Happening::Engine(id, Later::exits(task.id, code)));
    }

    fn step_node(&mut self, id: NodeId, event: worker::Event) {
        let now = self.now;
        let machine = self.machines.get_mut(&id).expect("a machine of the world");
        let Some(worker) = &mut machine.worker else { return };
        let output = worker.step(now, event);
        machine.wake_count += 1;
        let (number, is_cut, reports_from) = (machine.wake_count, machine.is_cut, machine.reports_from);
        let mut later = Vec::new();
        let mut sent = Vec::new();
        for effect in output.effects {
            match effect {
                Effect::Remember { put, forget } => {
                    machine.memory.extend(put.into_iter().map(|task| (task.id, task)));
                    forget.iter().for_each(|id| drop(machine.memory.remove(id)));
                }
                Effect::Send(message) => sent.push(message),
                effect => later.extend(machine.engine.perform(&self.images, effect)),
            }
        }
        if let Some(at) = output.wake_at {
            self.at(at, Happening::WakeNode(id, number));
        }
        later.into_iter().for_each(|(pause, later)| self.at(now + pause, Happening::Engine(id, later)));
        for message in sent.into_iter().filter(|_| !is_cut) {
            let at = if matches!(message, NodeMessage::Report { .. }) { now.max(reports_from) } else { now };
            self.at(at, Happening::ToLeader(id, message));
        }
    }
}

fn cluster(history: i64) -> Cluster {
    let spec = ClusterSpec { task_history_limit: history, ..ClusterSpec::default() };
    Cluster { spec, ..skep_testing::cluster() }
}
