//! Histories: what happens to one service and its nodes, without a leader and without agents.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use skep_core::control;
use skep_core::random::Random;
use skep_core::store::{Change, ChangeSet, Draft, Store};
use skep_model::cluster::ClusterSpec;
use skep_model::node::{Availability, NodeState};
use skep_model::request::{AuthFrom, Request, RolloutVerb, ServiceChange};
use skep_model::service::{FailureAction, Mode, UpdateConfig, UpdateOrder};
use skep_model::task::{Desired, TaskState};
use skep_model::template::Limits;
use skep_model::{Cluster, Node, Service, ServiceSpec, Task, Timestamp};
use skep_testing::{node_id, ready_node};

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Deed {
    Image(u8),
    Limit(u8),
    Label(u8),
    Verb(RolloutVerb),
    Replicas(u64),
    Pace {
        parallelism: u64,
        delay: u64,
        start_first: bool,
        action: u8,
        ratio: f32,
    },
    Rollback,
    Repeat,
    Remove,
    /// A task goes on: by itself, or as it was told.
    Goes {
        task: prop::sample::Index,
        badly: bool,
    },
    Node {
        number: u8,
        drained: bool,
        down: bool,
    },
    /// So many milliseconds pass.
    Time(u64),
}

impl Deed {
    pub fn any() -> impl Strategy<Value = Deed> {
        let pace = (0..4u64, 0..3u64, any::<bool>(), 0..3u8, prop::sample::select(vec![0.0f32, 0.4, 1.0]));
        let pace = pace.prop_map(|(parallelism, delay, start_first, action, ratio)| Deed::Pace {
            parallelism,
            delay,
            start_first,
            action,
            ratio,
        });
        let goes = (any::<prop::sample::Index>(), prop::bool::weighted(0.15));
        let node = (0..2u8, prop::bool::weighted(0.3), prop::bool::weighted(0.3));
        let verb = prop_oneof![
            Just(RolloutVerb::Pause),
            Just(RolloutVerb::Resume),
            Just(RolloutVerb::Abort),
            Just(RolloutVerb::Undo { to: None }),
            (1..9u64).prop_map(|number| RolloutVerb::Undo { to: Some(number) }),
        ];
        prop_oneof![
            4 => (0..4u8).prop_map(Deed::Image),
            1 => (0..3u8).prop_map(Deed::Limit),
            1 => (0..3u8).prop_map(Deed::Label),
            2 => verb.prop_map(Deed::Verb),
            2 => (0..6u64).prop_map(Deed::Replicas),
            2 => pace,
            1 => Just(Deed::Rollback),
            1 => Just(Deed::Repeat),
            1 => prop::bool::weighted(0.1).prop_map(|really| if really { Deed::Remove } else { Deed::Repeat }),
            24 => goes.prop_map(|(task, badly)| Deed::Goes { task, badly }),
            2 => node.prop_map(|(number, drained, down)| Deed::Node { number, drained, down }),
            4 => (1..12_000u64).prop_map(Deed::Time),
        ]
    }
}

/// A store on its way through a history.
#[derive(Clone)]
pub struct History {
    pub store: Store,
    pub now: Timestamp,
    random: Random,
}

impl History {
    /// Returns a cluster of two nodes with a service of this mode, planned for the first time.
    pub fn of(mode: Mode) -> History {
        let mut changes = vec![Change::PutCluster(Arc::new(cluster()))];
        changes.extend((0..2).map(|number| Change::PutNode(Arc::new(ready_node(number)))));
        let mut store = Store::default();
        store.apply(1, &changes.into_iter().collect());
        let mut history = History { store, now: Timestamp(1_000_000_000), random: Random::new(7) };
        let mut spec = ServiceSpec { name: "web".into(), ..ServiceSpec::default() };
        Arc::make_mut(&mut spec.task).container.image = "image:0".into();
        spec.mode = mode;
        history.request(Request::CreateService { spec: Box::new(spec), author: String::new() });
        history
    }

    pub fn service(&self) -> Option<Service> {
        self.store.services().next().map(|service| Service::clone(service))
    }

    /// Returns what planning would change now.
    pub fn draft(&mut self, plan: impl FnOnce(&mut Draft, &mut Random)) -> ChangeSet {
        let mut draft = Draft::new(&self.store, self.now);
        plan(&mut draft, &mut self.random);
        draft.finish()
    }

    /// Plans until nothing changes, and commits it.
    pub fn settle(&mut self, plan: fn(&mut Draft, &mut Random, &Service)) {
        if let Some(service) = self.service() {
            let changes = self.draft(|draft, random| plan(draft, random, &service));
            self.commit(&changes);
        }
    }

    fn commit(&mut self, changes: &ChangeSet) {
        self.store.apply(self.store.index() + 1, changes);
        // Two commits never happen in the same instant.
        self.now = self.now + Duration::from_nanos(1);
    }

    fn request(&mut self, request: Request) {
        let changes = self.draft(|draft, random| {
            // Some requests cannot be granted, which is no matter here.
            drop(control::handle(draft, random, request));
        });
        self.commit(&changes);
    }

    pub fn act(&mut self, deed: &Deed) {
        match deed {
            Deed::Goes { task, badly } => self.go(*task, *badly),
            Deed::Node { number, drained, down } => self.node(u128::from(*number), *drained, *down),
            Deed::Time(millis) => self.now = self.now + Duration::from_millis(*millis),
            deed => self.ask(deed),
        }
    }

    fn ask(&mut self, deed: &Deed) {
        let Some(service) = self.service() else { return };
        let mut spec = service.spec.clone();
        match deed {
            Deed::Image(number) => Arc::make_mut(&mut spec.task).container.image = format!("image:{number}"),
            Deed::Limit(number) => {
                let limits = Limits { pids: i64::from(*number), ..Limits::default() };
                Arc::make_mut(&mut spec.task).resources.limits = Some(limits);
            }
            Deed::Label(number) => drop(spec.labels.insert("note".into(), number.to_string())),
            Deed::Verb(verb) => {
                let (id, author) = (service.id, String::new());
                return self.request(Request::SteerRollout { id, verb: *verb, author });
            }
            Deed::Replicas(count) => match &mut spec.mode {
                Mode::Replicated { replicas } => *replicas = *count,
                Mode::ReplicatedJob { max_concurrent, total_completions } => {
                    (*max_concurrent, *total_completions) = (1 + count / 2, *count);
                }
                Mode::Global | Mode::GlobalJob => {}
            },
            Deed::Pace { .. } if spec.mode.is_job() => {}
            Deed::Pace { parallelism, delay, start_first, action, ratio } => {
                let actions = [FailureAction::Pause, FailureAction::Continue, FailureAction::Rollback];
                spec.update = Some(UpdateConfig {
                    parallelism: *parallelism,
                    delay: Duration::from_secs(*delay),
                    failure_action: actions[usize::from(*action)],
                    max_failure_ratio: *ratio,
                    order: if *start_first { UpdateOrder::StartFirst } else { UpdateOrder::StopFirst },
                    ..UpdateConfig::default()
                });
            }
            Deed::Remove => return self.request(Request::RemoveService { id: service.id }),
            _ => {}
        }
        let change = match deed {
            Deed::Rollback => ServiceChange::Rollback,
            _ => ServiceChange::Spec { spec, auth: AuthFrom::Spec },
        };
        let (id, version) = (service.id, service.meta.version);
        self.request(Request::UpdateService { id, version, change: Box::new(change), author: String::new() });
    }

    /// Lets one of the tasks that can go on take its next step.
    fn go(&mut self, index: prop::sample::Index, badly: bool) {
        let can_go = |task: &&Arc<Task>| task.node_id.is_some() && !task.is_over();
        let tasks: Vec<_> = self.store.tasks().filter(can_go).cloned().collect();
        if tasks.is_empty() {
            return;
        }
        let mut task = Task::clone(&tasks[index.index(tasks.len())]);
        let next = match task.status.state {
            _ if task.desired >= Desired::Shutdown => TaskState::Shutdown,
            TaskState::Assigned if badly => TaskState::Rejected,
            TaskState::Assigned => TaskState::Ready,
            TaskState::Ready if task.desired == Desired::Ready => return,
            TaskState::Ready if badly => TaskState::Failed,
            TaskState::Ready => TaskState::Running,
            _ if badly => TaskState::Failed,
            _ if task.desired == Desired::Complete => TaskState::Complete,
            _ => return,
        };
        task.status.state = next;
        task.ran_at = task.ran_at.or((next == TaskState::Running).then_some(self.now));
        (task.status.at, task.status.applied_at) = (self.now, self.now);
        self.commit(&std::iter::once(Change::PutTask(Arc::new(task))).collect());
    }

    fn node(&mut self, number: u128, drained: bool, down: bool) {
        let Some(known) = self.store.node(node_id(number)) else { return };
        let mut node = Node::clone(known);
        node.spec.availability = if drained { Availability::Drain } else { Availability::Active };
        node.status.state = if down { NodeState::Down } else { NodeState::Ready };
        self.commit(&std::iter::once(Change::PutNode(Arc::new(node))).collect());
    }
}

fn cluster() -> Cluster {
    let spec = ClusterSpec { task_history_limit: 2, ..ClusterSpec::default() };
    Cluster { spec, ..skep_testing::cluster() }
}
