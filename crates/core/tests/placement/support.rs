//! A store with nodes and services, and a scheduler that follows what is written: no leader, no agents.

use std::sync::Arc;
use std::time::Duration;

use skep_core::schedule::Scheduler;
use skep_core::store::{Draft, Store};
use skep_model::endpoint::{Port, PublishMode};
use skep_model::mount::{Mount, MountKind, VolumeDriver, VolumeMount, VolumeOptions};
use skep_model::service::{Mode, UpdateConfig, UpdateOrder};
use skep_model::task::{Desired, SlotId, TaskState};
use skep_model::template::Reservations;
use skep_model::{
    Id, Meta, Node, Revision, Service, ServiceId, ServiceSpec, Task, TaskId, TaskSpec, Timestamp,
};
use skep_testing::{cluster, ready_node, revision};

pub use skep_testing::{CPU, GIB, node_id};

/// A cluster at rest: whatever is written is followed and planned at once.
pub struct World {
    pub store: Store,
    pub now: Timestamp,
    draft: Draft,
    scheduler: Scheduler,
    task_count: u128,
}

pub fn reserve(task: &mut TaskSpec, nano_cpus: i64, memory_bytes: i64) {
    let reservations = Reservations { nano_cpus, memory_bytes, ..Reservations::default() };
    task.resources.reservations = Some(reservations);
}

pub fn constrain(task: &mut TaskSpec, text: &str) {
    task.placement.constraints.push(text.to_owned());
}

pub fn open_port(task: &mut TaskSpec, published: u16) {
    let port = Port { target: 80, published, mode: PublishMode::Host, ..Port::default() };
    task.host_ports.push(port);
}

pub fn mount_by(task: &mut TaskSpec, driver: &str) {
    let driver = VolumeDriver { name: driver.to_owned(), ..VolumeDriver::default() };
    let options = Some(VolumeOptions { driver: Some(driver), ..VolumeOptions::default() });
    task.container.mounts.push(Mount {
        target: "/data".into(),
        read_only: false,
        kind: MountKind::Volume(VolumeMount { source: "data".into(), options }),
        consistency: String::new(),
    });
}

/// A node that is ready, with 8 CPUs and 8 GiB; `change` makes it another.
pub fn node(number: u128, change: impl FnOnce(&mut Node)) -> Node {
    let mut node = ready_node(number);
    change(&mut node);
    node
}

pub fn label(node: &mut Node, key: &str, value: &str) {
    node.spec.labels.insert(key.into(), value.into());
}

impl World {
    pub fn new(nodes: impl IntoIterator<Item = Node>) -> World {
        let now = Timestamp(1_000_000_000);
        let store = Store::default();
        let draft = Draft::new(&store, now);
        let mut world = World { scheduler: Scheduler::new(&store), store, now, draft, task_count: 0 };
        world.write(|draft| {
            draft.put_cluster(cluster());
            nodes.into_iter().for_each(|node| draft.put_node(node));
        });
        world
    }

    /// Writes, lets the scheduler follow and plan until nothing changes, and commits. Returns the number of tasks
    /// written to.
    pub fn write(&mut self, write: impl FnOnce(&mut Draft)) -> usize {
        self.now = self.now + Duration::from_millis(1);
        self.draft.begin(&self.store, self.now);
        write(&mut self.draft);
        let mut written = 0;
        for _ in 0..10_000 {
            let moves = self.draft.take_moves();
            self.scheduler.follow(&self.draft, &moves);
            self.scheduler.plan(&mut self.draft);
            if self.draft.is_clean() {
                return written;
            }
            let changes = self.draft.finish();
            written += changes.len();
            self.store.apply(self.store.index() + 1, &changes);
            self.draft.begin(&self.store, self.now);
        }
        panic!("placement never comes to rest");
    }

    pub fn put_node(&mut self, node: Node) {
        self.write(|draft| draft.put_node(node));
    }

    /// Makes a service with a revision, and no task.
    pub fn service(&mut self, name: &str, change: impl FnOnce(&mut ServiceSpec, &mut TaskSpec)) -> ServiceId {
        let id = ServiceId::from_number(100 + self.store.services().count() as u128);
        let (mut spec, mut task) =
            (ServiceSpec { name: name.into(), ..ServiceSpec::default() }, TaskSpec::default());
        task.container.image = "app:1".into();
        change(&mut spec, &mut task);
        spec.task = Arc::new(task);
        let now = self.now;
        self.write(|draft| {
            draft.put_revision(Revision { created_at: now, ..revision(id, 1, &spec) });
            draft.put_service(Service { meta: Meta::new(now), ..skep_testing::service(id, spec) });
        });
        id
    }

    /// Adds so many tasks to a service, each in a slot of its own. Returns them.
    pub fn scale(&mut self, service: ServiceId, count: usize) -> Vec<TaskId> {
        let taken = self.store.tasks_of(service).map(|task| task.slot.number()).max().unwrap_or(0);
        let slots = (taken + 1..).map(SlotId::Number).take(count).collect::<Vec<_>>();
        let is_global = self.store.service(service).is_some_and(|service| service.spec.mode == Mode::Global);
        let slots = match is_global {
            true => self.store.nodes().map(|node| SlotId::Node(node.id)).collect(),
            false => slots,
        };
        self.make(service, &slots, Desired::Running)
    }

    /// Makes a task in each of these slots.
    pub fn make(&mut self, service: ServiceId, slots: &[SlotId], desired: Desired) -> Vec<TaskId> {
        let service = Service::clone(self.store.service(service).expect("a service of the world"));
        let mut made = Vec::new();
        for slot in slots {
            self.task_count += 1;
            let task = Task::of(&service, TaskId::from_number(self.task_count), *slot);
            made.push(Task { meta: Meta::new(self.now), desired, ..task });
        }
        let ids = made.iter().map(|task| task.id).collect();
        self.write(|draft| made.into_iter().for_each(|task| draft.put_task(task)));
        ids
    }

    /// Lets a task enter a state.
    pub fn observe(&mut self, id: TaskId, state: TaskState) {
        self.write(|draft| draft.change_task(id, |task| task.status.state = state));
    }

    pub fn change_service(&mut self, id: ServiceId, change: impl FnOnce(&mut ServiceSpec)) {
        let mut service = Service::clone(self.store.service(id).expect("a service of the world"));
        change(&mut service.spec);
        self.write(|draft| draft.put_service(service));
    }

    /// Where a task is: the number of its node, or why it waits.
    pub fn place(&self, id: TaskId) -> Result<u128, String> {
        let task = self.store.task(id).expect("a task of the world");
        task.node_id.map(Id::number).ok_or_else(|| task.status.err.clone())
    }

    /// How many live tasks of the service each node has, in the order of the nodes.
    pub fn counts(&self, service: ServiceId) -> Vec<usize> {
        let is_of = |task: &&Arc<Task>| task.service_id == service && task.is_live() && !task.is_over();
        self.store.nodes().map(|node| self.store.tasks_on(node.id).filter(is_of).count()).collect()
    }

    /// How much the scheduler did so far.
    pub fn effort(&self) -> u64 {
        self.scheduler.effort()
    }

    /// Tries everything again from the store alone. Returns the tasks that this would write to.
    pub fn again(&self) -> Vec<TaskId> {
        let mut draft = Draft::new(&self.store, self.now);
        Scheduler::new(&self.store).plan(&mut draft);
        let changes = draft.finish();
        let written = changes.iter().filter_map(|change| match change {
            skep_core::Change::PutTask(task) => Some(task.id),
            _ => None,
        });
        written.collect()
    }
}

pub fn order(spec: &mut ServiceSpec, order: UpdateOrder) {
    spec.update = Some(UpdateConfig { order, ..UpdateConfig::default() });
}
