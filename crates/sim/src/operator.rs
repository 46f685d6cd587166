//! Who uses the cluster: creates, updates, scales and removes services, drains nodes, and is not always
//! careful about it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use skep_core::Store;
use skep_model::node::{Availability, NodeSpec};
use skep_model::request::{AuthFrom, Request, ServiceChange};
use skep_model::service::{FailureAction, Mode, UpdateConfig, UpdateOrder};
use skep_model::template::{
    ContainerSpec, Healthcheck, Placement, Reservations, Resources, RestartCondition, RestartPolicy,
};
use skep_model::{Service, ServiceSpec, TaskSpec};

use crate::dice::Dice;
use crate::engine::Character;
use crate::profile::Profile;

/// Draws requests.
#[derive(Debug)]
pub struct Operator {
    dice: Dice,
    service_count_max: u64,
    pause: Duration,
    is_tight: bool,
    image_count: u64,
}

const REPLICAS_MAX: u64 = 6;

impl Operator {
    pub fn new(dice: Dice, profile: &Profile) -> Self {
        Operator {
            dice,
            service_count_max: profile.service_count_max,
            pause: profile.request_every,
            is_tight: profile.is_tight,
            image_count: 0,
        }
    }

    /// Returns the time until something is asked again.
    pub fn pause(&mut self) -> Duration {
        self.pause.mul_f64(self.dice.number(10, 200) as f64 / 100.0)
    }

    /// Draws what is asked next: mostly one thing, sometimes several in one breath.
    pub fn draw(&mut self, store: &Store) -> Vec<Request> {
        if let Some(service) = store.services().next().filter(|_| self.dice.chance(3)) {
            return self.replace(service);
        }
        let count = if self.dice.chance(15) { self.dice.number(2, 3) } else { 1 };
        (0..count).filter_map(|_| self.draw_one(store)).collect()
    }

    /// Removes a service and creates another of its name in one breath.
    fn replace(&mut self, service: &Service) -> Vec<Request> {
        let spec = ServiceSpec { name: service.spec.name.clone(), ..self.service() };
        vec![
            Request::RemoveService { id: service.id },
            Request::CreateService { spec: Box::new(spec), author: String::new() },
        ]
    }

    fn draw_one(&mut self, store: &Store) -> Option<Request> {
        let services: Vec<_> = store.services().cloned().collect();
        if services.is_empty() || (services.len() as u64) < self.service_count_max && self.dice.chance(30) {
            return Some(Request::CreateService { spec: Box::new(self.service()), author: String::new() });
        }
        if self.dice.chance(12) {
            return self.node(store);
        }
        let index = self.dice.number(0, services.len() as u64 - 1) as usize;
        Some(self.change(&services[index]))
    }

    fn change(&mut self, service: &Service) -> Request {
        let mut spec = service.spec.clone();
        match self.dice.number(0, 99) {
            0..=39 => Arc::make_mut(&mut spec.task).container = self.container(),
            40..=51 => spec.mode = Mode::Replicated { replicas: self.dice.number(0, REPLICAS_MAX) },
            52..=56 => Arc::make_mut(&mut spec.task).force_update += 1,
            57..=61 => drop(spec.labels.insert("note".into(), self.dice.number(0, 9).to_string())),
            62..=69 => {}
            70..=76 => spec.update = self.pace(true),
            77..=79 => spec.rollback = self.pace(false),
            80..=83 => Arc::make_mut(&mut spec.task).restart = self.restart(),
            84..=86 => Arc::make_mut(&mut spec.task).placement = self.placement(),
            87..=95 => return self.update(service, ServiceChange::Rollback),
            _ => return Request::RemoveService { id: service.id },
        }
        self.update(service, ServiceChange::Spec { spec, auth: AuthFrom::Spec })
    }

    /// Writes from the version that was read, or now and then from an older one.
    fn update(&mut self, service: &Service, change: ServiceChange) -> Request {
        let is_stale = self.dice.chance(5);
        let version = service.meta.version - u64::from(is_stale);
        Request::UpdateService { id: service.id, version, change: Box::new(change), author: String::new() }
    }

    fn node(&mut self, store: &Store) -> Option<Request> {
        let nodes: Vec<_> = store.nodes().collect();
        let node = nodes.get(self.dice.number(0, nodes.len() as u64 - 1) as usize)?;
        // Nodes are given back more often than they are taken.
        let choices = [Availability::Drain, Availability::Pause, Availability::Active, Availability::Active];
        let spec = NodeSpec { availability: self.dice.pick(&choices), ..node.spec.clone() };
        Some(Request::UpdateNode { id: node.id, version: node.meta.version, spec })
    }

    /// Returns requests that give every node back.
    pub fn activate_nodes(&self, store: &Store) -> Vec<Request> {
        let idle = store.nodes().filter(|node| node.spec.availability != Availability::Active);
        idle.map(|node| {
            let spec = NodeSpec { availability: Availability::Active, ..node.spec.clone() };
            Request::UpdateNode { id: node.id, version: node.meta.version, spec }
        })
        .collect()
    }

    /// Returns requests that remove every service.
    pub fn remove_all(&self, store: &Store) -> Vec<Request> {
        store.services().map(|service| Request::RemoveService { id: service.id }).collect()
    }

    fn service(&mut self) -> ServiceSpec {
        let task = TaskSpec {
            container: self.container(),
            resources: self.resources(),
            restart: self.restart(),
            placement: self.placement(),
            ..TaskSpec::default()
        };
        ServiceSpec {
            name: format!("s{}", self.dice.number(1, self.service_count_max)),
            labels: BTreeMap::new(),
            task: Arc::new(task),
            mode: Mode::Replicated { replicas: self.dice.number(0, REPLICAS_MAX) },
            update: self.pace(true),
            rollback: self.pace(false),
            endpoint: Default::default(),
        }
    }

    fn container(&mut self) -> ContainerSpec {
        let (character, name) = if self.dice.chance(60) {
            Character::ALL[self.dice.number(0, 1) as usize]
        } else {
            self.dice.pick(&Character::ALL)
        };
        // A small set of tags, so that a later image may equal an earlier one.
        self.image_count += 1;
        let tag = if self.dice.chance(20) { 1 } else { self.image_count };
        let is_checked = character.has_healthcheck() || self.dice.chance(20);
        let healthcheck = is_checked.then(|| Healthcheck {
            test: vec!["CMD".into(), "true".into()],
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            start_period: Duration::from_secs(self.dice.pick(&[0, 3])),
            start_interval: Duration::from_millis(500),
            retries: 2,
        });
        ContainerSpec {
            image: format!("{name}:{tag}"),
            healthcheck,
            stop_grace: self.dice.chance(80).then(|| self.dice.millis(500, 5_000)),
            ..ContainerSpec::default()
        }
    }

    fn resources(&mut self) -> Resources {
        let cpus = if self.is_tight { self.dice.number(0, 2) } else { 0 };
        let reservations = Reservations {
            nano_cpus: cpus as i64 * 1_000_000_000,
            memory_bytes: 0,
            ..Reservations::default()
        };
        Resources { reservations: (cpus > 0).then_some(reservations), ..Resources::default() }
    }

    fn restart(&mut self) -> Option<RestartPolicy> {
        self.dice.chance(60).then(|| RestartPolicy {
            condition: self.dice.pick(&[
                RestartCondition::Any,
                RestartCondition::Any,
                RestartCondition::OnFailure,
                RestartCondition::None,
            ]),
            delay: self.dice.chance(70).then(|| self.dice.millis(0, 6_000)),
            max_attempts: self.dice.pick(&[0, 0, 1, 3]),
            window: self.dice.chance(30).then(|| self.dice.millis(1_000, 20_000)),
        })
    }

    fn placement(&mut self) -> Placement {
        let constraints = match self.dice.number(0, 19) {
            0 => vec!["node.hostname == n1".to_owned()],
            1 => vec!["node.hostname != n1".to_owned()],
            _ => Vec::new(),
        };
        let max_replicas = if self.dice.chance(10) { self.dice.number(1, 3) } else { 0 };
        Placement { constraints, max_replicas, ..Placement::default() }
    }

    fn pace(&mut self, may_roll_back: bool) -> Option<UpdateConfig> {
        if self.dice.chance(25) {
            return None;
        }
        let actions = [FailureAction::Pause, FailureAction::Continue, FailureAction::Rollback];
        let actions = if may_roll_back { &actions[..] } else { &actions[..2] };
        Some(UpdateConfig {
            parallelism: self.dice.pick(&[0, 1, 1, 2, 3]),
            delay: self.dice.pick(&[0, 0, 500, 3_000]) * Duration::from_millis(1),
            failure_action: self.dice.pick(actions),
            monitor: self.dice.pick(&[0, 2_000, 5_000, 8_000]) * Duration::from_millis(1),
            monitor_is_default: false,
            max_failure_ratio: self.dice.pick(&[0.0, 0.0, 0.3, 0.6, 1.0]),
            order: self.dice.pick(&[UpdateOrder::StopFirst, UpdateOrder::StopFirst, UpdateOrder::StartFirst]),
        })
    }
}
