//! A daemon that obeys at once: what is created runs, what is updated has been updated. Ids and times are fixed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use skep_api::server::backend::{Rows, Swarm, View};
use skep_api::server::facts::*;
use skep_api::wire::{Condition, Finding};
use skep_model::cluster::{Authority, Hidden};
use skep_model::node::{Availability, NodeDescription, NodeSpec, NodeState, NodeStatus, Role};
use skep_model::placement::Relocation;
use skep_model::request::{Refusal, RefusalClass, Reply, Request, RolloutVerb, Rotation, ServiceChange};
use skep_model::rollout::{Direction, Phase, Wait};
use skep_model::service::Previous;
use skep_model::task::{ContainerStatus, SlotId, TaskState, TaskStatus};
use skep_model::template::Platform;
use skep_model::{
    Cluster, ClusterId, Id as _, Meta, Node, NodeId, Revision, Rollout, Service, ServiceId, Step, Task,
    TaskId, Timestamp,
};
use tokio::sync::broadcast;

use crate::fake_node::Things;

pub const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
/// 2026-01-02T03:04:05.5Z
pub const NOW: Timestamp = Timestamp(1_767_323_045_500_000_000);

pub fn node_id() -> NodeId {
    NodeId::from_number(7)
}

/// Everything the fake knows; a view is a copy.
#[derive(Clone)]
pub struct World {
    index: u64,
    cluster: Cluster,
    node: Node,
    services: BTreeMap<ServiceId, Service>,
    tasks: BTreeMap<TaskId, Task>,
    pub rollouts: BTreeMap<ServiceId, Rollout>,
    pub revisions: BTreeMap<(ServiceId, u64), Revision>,
    pub steps: Vec<Step>,
    pub waits: Vec<(ServiceId, Wait)>,
    pub relocations: Vec<Relocation>,
}

pub struct Fake {
    pub world: Mutex<Result<World, Refusal>>,
    pub local: Mutex<LocalNode>,
    pub requests: Mutex<Vec<Request>>,
    pub logs: Mutex<BTreeMap<TaskId, Vec<Result<LogLine, Fault>>>>,
    pub node: Arc<Mutex<Things>>,
    changes: broadcast::Sender<Changed>,
}

impl Fake {
    pub fn new() -> Arc<Self> {
        let local = LocalNode {
            state: LocalState::Active,
            id: Some(node_id()),
            addr: "10.0.0.1".into(),
            is_manager: true,
            error: String::new(),
        };
        Arc::new(Fake {
            world: Mutex::new(Ok(World::new())),
            local: Mutex::new(local),
            requests: Mutex::default(),
            logs: Mutex::default(),
            node: Arc::default(),
            changes: broadcast::channel(64).0,
        })
    }

    /// A daemon outside of any cluster.
    pub fn inactive() -> Arc<Self> {
        let fake = Self::new();
        let text = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to \
                    connect this node to swarm and try again.";
        *fake.world.lock().expect("nobody panics with it") =
            Err(Refusal::new(RefusalClass::Unavailable, text));
        *fake.local.lock().expect("nobody panics with it") = LocalNode::default();
        fake
    }

    pub fn change(&self, change: impl FnOnce(&mut World) -> Changed) {
        let changed = change(self.world.lock().expect("nobody panics with it").as_mut().expect("a cluster"));
        let _ = self.changes.send(changed);
    }
}

impl World {
    fn new() -> Self {
        let meta = Meta { version: 11, created_at: NOW, updated_at: NOW };
        let authority = Authority {
            certificate_pem: "-----BEGIN CERTIFICATE-----\n".into(),
            key_pem: Hidden("key".into()),
            subject: vec![1, 2, 3],
            public_key: vec![4, 5, 6],
            worker_token: Hidden("SWMTKN-1-w".into()),
            manager_token: Hidden("SWMTKN-1-m".into()),
        };
        let cluster = Cluster {
            id: ClusterId::from_number(5),
            meta,
            authority,
            address_pools: vec!["10.0.0.0/8".into()],
            ..skep_testing::cluster()
        };
        let node = Node {
            meta,
            spec: NodeSpec { role: Role::Manager, availability: Availability::Active, ..Default::default() },
            description: NodeDescription {
                hostname: "bee".into(),
                platform: Platform { architecture: "x86_64".into(), os: "linux".into() },
                nano_cpus: 2_000_000_000,
                memory_bytes: 4_000_000_000,
                engine_version: "0.1.0".into(),
                ..Default::default()
            },
            status: NodeStatus { state: NodeState::Ready, addr: "10.0.0.1".into(), ..Default::default() },
            manager_addr: Some("10.0.0.1:2377".into()),
            ..skep_testing::node(node_id())
        };
        World {
            index: 11,
            cluster,
            node,
            services: BTreeMap::new(),
            tasks: BTreeMap::new(),
            rollouts: BTreeMap::new(),
            revisions: BTreeMap::new(),
            steps: Vec::new(),
            waits: Vec::new(),
            relocations: Vec::new(),
        }
    }

    /// Lets rebalancing want to move the first task to another node. Returns its id.
    pub fn suppose_a_move(&mut self, to: NodeId) -> TaskId {
        let task = self.tasks.values().next().expect("a task").clone();
        let (id, from) = (task.id, self.node.id);
        self.relocations.push(Relocation { task: task.into(), from, to });
        id
    }

    /// Gives the service exactly the running tasks that it wants.
    fn fill(&mut self, service: &Service) {
        self.tasks.retain(|_, task| task.service_id != service.id);
        for slot in 1..=service.spec.replicas().unwrap_or(1) {
            let number = u128::from(self.index) * 100 + u128::from(slot);
            let task = task(TaskId::from_number(number), service, slot, self.index);
            self.tasks.insert(task.id, task);
        }
    }

    fn obey(&mut self, request: Request) -> Result<(Reply, Option<Changed>), Refusal> {
        self.index += 1;
        let meta = Meta { version: self.index, created_at: NOW, updated_at: NOW };
        match request {
            Request::CreateService { spec, .. } => {
                spec.validate()?;
                if self.service_named(&spec.name).is_some() {
                    let text = format!(
                        "name conflicts with an existing object: service {} already exists",
                        spec.name
                    );
                    return Err(Refusal::new(RefusalClass::AlreadyExists, text));
                }
                let id = ServiceId::from_number(u128::from(self.index));
                let service = Service { meta, ..skep_testing::service(id, *spec) };
                self.fill(&service);
                let new = Some(Arc::new(service.clone()));
                self.services.insert(id, service);
                Ok((Reply::ServiceCreated(id), Some(Changed::Service(Pair { old: None, new }))))
            }
            Request::UpdateService { id, version, change, .. } => {
                let old = self.services[&id].clone();
                if old.meta.version != version {
                    return Err(Refusal::new(RefusalClass::Unknown, "update out of sequence"));
                }
                let mut service = Service { meta, ..old.clone() };
                service.previous = Some(Previous { spec: old.spec.clone(), revision: old.revision });
                match *change {
                    ServiceChange::Spec { spec, .. } => service.spec = spec,
                    ServiceChange::Rollback => {
                        let previous = old.previous.clone().ok_or_else(|| {
                            let text = format!("service {id} does not have a previous spec");
                            Refusal::new(RefusalClass::FailedPrecondition, text)
                        })?;
                        service.spec = previous.spec;
                    }
                }
                self.fill(&service);
                self.rollouts.insert(id, completed(id));
                self.services.insert(id, service.clone());
                let pair = Pair { old: Some(Arc::new(old)), new: Some(Arc::new(service)) };
                Ok((Reply::Done, Some(Changed::Service(pair))))
            }
            Request::RemoveService { id } => {
                let old = self.services.remove(&id).map(Arc::new);
                self.tasks.retain(|_, task| task.service_id != id);
                Ok((Reply::Done, Some(Changed::Service(Pair { old, new: None }))))
            }
            Request::SteerRollout { id, verb: RolloutVerb::Pause, .. } if self.rollouts.contains_key(&id) => {
                self.rollouts.entry(id).and_modify(|rollout| rollout.phase = Phase::Paused);
                Ok((Reply::Done, None))
            }
            Request::SteerRollout { id, .. } => {
                let text = format!("service {id} has no rollout in progress");
                Err(Refusal::new(RefusalClass::FailedPrecondition, text))
            }
            // The fake cluster has one node, its manager.
            Request::RemoveNode { id, .. } => {
                let text = format!(
                    "node {id} is a cluster manager and is a member of the raft cluster. It must be demoted to worker \
                     before removal"
                );
                Err(Refusal::new(RefusalClass::FailedPrecondition, text))
            }
            Request::UpdateNode { spec, .. } => {
                let old = Some(Arc::new(self.node.clone()));
                self.node = Node { spec, meta, ..self.node.clone() };
                let new = Some(Arc::new(self.node.clone()));
                Ok((Reply::Done, Some(Changed::Node(Pair { old, new }))))
            }
            Request::UpdateCluster { spec, rotate, .. } => {
                let authority = rotate.authority.unwrap_or(self.cluster.authority.clone());
                self.cluster = Cluster { spec, meta, authority, ..self.cluster.clone() };
                Ok((Reply::Done, None))
            }
            Request::InitCluster(_) => unreachable!("the server asks the backend to do that"),
        }
    }

    pub fn add_task(&mut self, service: ServiceId, number: u128) -> Changed {
        let task = task(TaskId::from_number(number), &self.services[&service], 9, self.index);
        self.tasks.insert(task.id, task.clone());
        Changed::Task(Pair { old: None, new: Some(Arc::new(task)) })
    }

    pub fn task_ids(&self) -> Vec<TaskId> {
        self.tasks.keys().copied().collect()
    }
}

fn task(id: TaskId, service: &Service, slot: u64, index: u64) -> Task {
    Task {
        meta: Meta { version: index, created_at: NOW, updated_at: NOW },
        node_id: Some(node_id()),
        status: TaskStatus {
            state: TaskState::Running,
            at: NOW,
            applied_at: NOW,
            message: "started".into(),
            err: String::new(),
            container: Some(ContainerStatus { id: "c".repeat(64), pid: 42, exit_code: 0 }),
            ports: Vec::new(),
        },
        ..Task::of(service, id, SlotId::Number(slot))
    }
}

pub fn completed(service_id: ServiceId) -> Rollout {
    Rollout {
        phase: Phase::Completed,
        completed_at: Some(NOW),
        message: "update completed".into(),
        slot_count: 1,
        ..Rollout::asked(service_id, Direction::Forward, 2, None, NOW)
    }
}

impl View for World {
    fn index(&self) -> u64 {
        self.index
    }
    fn leader(&self) -> Option<NodeId> {
        Some(self.node.id)
    }
    fn cluster(&self) -> Option<&Cluster> {
        Some(&self.cluster)
    }
    fn nodes(&self) -> Rows<'_, Node> {
        Box::new(std::iter::once(&self.node))
    }
    fn node(&self, id: NodeId) -> Option<&Node> {
        (self.node.id == id).then_some(&self.node)
    }
    fn services(&self) -> Rows<'_, Service> {
        Box::new(self.services.values())
    }
    fn service(&self, id: ServiceId) -> Option<&Service> {
        self.services.get(&id)
    }
    fn service_named(&self, name: &str) -> Option<&Service> {
        self.services.values().find(|service| service.spec.name == name)
    }
    fn rollout(&self, id: ServiceId) -> Option<&Rollout> {
        self.rollouts.get(&id)
    }
    fn revisions_of(&self, id: ServiceId) -> Rows<'_, Revision> {
        Box::new(self.revisions.values().filter(move |revision| revision.service_id == id))
    }
    fn steps_of(&self, id: ServiceId) -> Rows<'_, Step> {
        Box::new(self.steps.iter().filter(move |step| step.service_id == id))
    }
    fn slot_counts(&self, service: &Service) -> SlotCounts {
        let total = self.tasks_of(service.id).count() as u64;
        SlotCounts { total, running: total, updated: total }
    }
    fn relocations(&self) -> Vec<Relocation> {
        self.relocations.clone()
    }

    fn waits(&self, id: ServiceId) -> Vec<Wait> {
        self.waits.iter().filter(|(service_id, _)| *service_id == id).map(|(_, wait)| wait.clone()).collect()
    }
    fn waiting(&self, task: &Task) -> Option<Wait> {
        self.waits(task.service_id).into_iter().find(|wait| wait.slot == Some(task.slot))
    }
    fn tasks(&self) -> Rows<'_, Task> {
        Box::new(self.tasks.values())
    }
    fn tasks_of(&self, id: ServiceId) -> Rows<'_, Task> {
        Box::new(self.tasks.values().filter(move |task| task.service_id == id))
    }
    fn task(&self, id: TaskId) -> Option<&Task> {
        self.tasks.get(&id)
    }
    fn is_current(&self, service: &Service, task: &Task) -> bool {
        task.spec.runs_the_same(&service.spec.task)
    }
}

impl Swarm for Fake {
    fn view(&self) -> BoxFuture<'_, Result<Arc<dyn View>, Refusal>> {
        let world = self.world.lock().expect("nobody panics with it").clone();
        async move { world.map(|world| Arc::new(world) as Arc<dyn View>) }.boxed()
    }

    fn request(&self, request: Request) -> BoxFuture<'_, Result<Reply, Refusal>> {
        self.requests.lock().expect("nobody panics with it").push(request.clone());
        let mut world = self.world.lock().expect("nobody panics with it");
        let result = world.as_mut().map_err(|refusal| refusal.clone()).and_then(|world| world.obey(request));
        let reply = result.map(|(reply, change)| {
            if let Some(change) = change {
                let _ = self.changes.send(change);
            }
            reply
        });
        async move { reply }.boxed()
    }

    fn changes(&self) -> broadcast::Receiver<Changed> {
        self.changes.subscribe()
    }

    fn local_node(&self) -> LocalNode {
        self.local.lock().expect("nobody panics with it").clone()
    }

    fn host(&self) -> BoxFuture<'_, HostFacts> {
        let facts = HostFacts {
            id: "host-id".into(),
            hostname: "bee".into(),
            version: "0.1.0".into(),
            architecture: "x86_64".into(),
            kernel_version: "6.1.0".into(),
            operating_system: "Debian GNU/Linux 13 (trixie)".into(),
            cpu_count: 2,
            memory_bytes: 4_000_000_000,
            data_root: "/var/lib/skep".into(),
            insecure_registries: vec!["127.0.0.0/8".into(), "localhost:5000".into()],
            cgroup_version: "2".into(),
            storage_driver: "overlayfs".into(),
            ..Default::default()
        };
        async move { facts }.boxed()
    }

    fn checkup(&self) -> BoxFuture<'_, Vec<Finding>> {
        let findings = vec![
            Finding::ok("overlay", "overlay file systems, layer by layer"),
            Finding::bad(
                "memory limits",
                Condition::Warning,
                "no controller",
                ["limits are refused", "enable it"],
            ),
        ];
        async move { findings }.boxed()
    }

    fn init_swarm(&self, _: NewSwarm) -> BoxFuture<'_, Result<NodeId, Refusal>> {
        let mut world = self.world.lock().expect("nobody panics with it");
        let result = match &*world {
            Ok(_) => Err(Refusal::new(RefusalClass::Unavailable, "This node is already part of a swarm.")),
            Err(_) => Ok(node_id()),
        };
        if result.is_ok() {
            *world = Ok(World::new());
            *self.local.lock().expect("nobody panics with it") = LocalNode {
                state: LocalState::Active,
                id: Some(node_id()),
                addr: "10.0.0.1".into(),
                is_manager: true,
                error: String::new(),
            };
        }
        async move { result }.boxed()
    }

    fn leave_swarm(&self, force: bool) -> BoxFuture<'_, Result<(), Refusal>> {
        async move {
            if !force {
                return Err(Refusal::new(RefusalClass::Unavailable, "You are attempting to leave the swarm"));
            }
            *self.local.lock().expect("nobody panics with it") = LocalNode::default();
            Ok(())
        }
        .boxed()
    }

    fn draw(&self, secrets: Secrets) -> Result<Rotation, Refusal> {
        let token = |wanted: bool| wanted.then(|| Hidden("SWMTKN-1-new".into()));
        let world = self.world.lock().expect("nobody panics with it");
        let cluster = &world.as_ref().map_err(Refusal::clone)?.cluster;
        let wants_root = secrets.signing.is_some() || secrets.force_rotate != cluster.spec.force_rotate;
        let authority =
            wants_root.then(|| Authority { certificate_pem: "new\n".into(), ..cluster.authority.clone() });
        let (worker_token, manager_token) = (token(secrets.worker_token), token(secrets.manager_token));
        Ok(Rotation { authority, worker_token, manager_token })
    }

    fn logs(&self, request: LogRequest) -> BoxStream<'static, Result<LogLine, Fault>> {
        let lines = self
            .logs
            .lock()
            .expect("nobody panics with it")
            .get(&request.task_id)
            .cloned()
            .unwrap_or_default();
        let skip = request.tail.map_or(0, |tail| lines.len().saturating_sub(tail as usize));
        let lines = stream::iter(lines.into_iter().skip(skip));
        match request.follow {
            true => lines.chain(stream::pending()).boxed(),
            false => lines.boxed(),
        }
    }
}

/// A line on standard output.
pub fn line(text: &'static str) -> Result<LogLine, Fault> {
    Ok(LogLine { stream: LogStream::Stdout, at: NOW, line: Bytes::from_static(text.as_bytes()) })
}
