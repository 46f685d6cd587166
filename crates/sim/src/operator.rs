//! Who uses the cluster: creates, updates, scales and removes services, drains nodes, and is not always
//! careful about it.

use std::sync::Arc;
use std::time::Duration;

use skep_core::Store;
use skep_model::cluster::ClusterSpec;
use skep_model::node::DRAIN;
use skep_model::node::{Availability, NodeSpec};
use skep_model::placement::{REBALANCE_LABEL, STRATEGY_LABEL};
use skep_model::policy::PROFILE;
use skep_model::request::{AuthFrom, Request, RolloutVerb, ServiceChange};
use skep_model::rollout::Phase;
use skep_model::template::Limits;
use skep_model::{Node, Service, ServiceSpec};

use crate::dice::Dice;
use crate::profile::Profile;
use crate::recipes::Recipes;

/// Draws requests.
#[derive(Debug)]
pub struct Operator {
    dice: Dice,
    service_count_max: u64,
    pause: Duration,
    recipes: Recipes,
    /// Requests whose leader went away before it answered.
    keeps_drains: bool,
    unanswered: Vec<Request>,
}

/// Share of what is asked of nodes that is their removal, in percent. A cluster without nodes shows little.
const NODE_REMOVAL_PERCENT: u64 = 8;

impl Operator {
    pub fn new(mut dice: Dice, profile: &Profile) -> Self {
        Operator {
            recipes: Recipes::new(dice.child(), profile),
            dice,
            service_count_max: profile.service_count_max,
            pause: profile.request_every,
            unanswered: Vec::new(),
            keeps_drains: profile.keeps_drains,
        }
    }

    /// Returns the time until something is asked again.
    pub fn pause(&mut self) -> Duration {
        self.pause.mul_f64(self.dice.number(10, 200) as f64 / 100.0)
    }

    /// A request got no answer. Whether it took effect is not known; some clients simply ask again.
    pub fn unanswered(&mut self, request: Request) {
        if self.dice.chance(50) {
            self.unanswered.push(request);
        }
    }

    /// Draws what is asked next: mostly one thing, sometimes several in one breath.
    pub fn draw(&mut self, store: &Store) -> Vec<Request> {
        if !self.unanswered.is_empty() && self.dice.chance(60) {
            return std::mem::take(&mut self.unanswered);
        }
        if let Some(service) = store.services().next().filter(|_| self.dice.chance(3)) {
            return self.replace(service);
        }
        let count = if self.dice.chance(15) { self.dice.number(2, 3) } else { 1 };
        (0..count).filter_map(|_| self.draw_one(store)).collect()
    }

    /// Removes a service and creates another of its name in one breath.
    fn replace(&mut self, service: &Service) -> Vec<Request> {
        let spec = ServiceSpec { name: service.spec.name.clone(), ..self.recipes.service() };
        vec![
            Request::RemoveService { id: service.id },
            Request::CreateService { spec: Box::new(spec), author: String::new() },
        ]
    }

    fn draw_one(&mut self, store: &Store) -> Option<Request> {
        let services: Vec<_> = store.services().cloned().collect();
        if services.is_empty() || (services.len() as u64) < self.service_count_max && self.dice.chance(30) {
            return Some(Request::CreateService {
                spec: Box::new(self.recipes.service()),
                author: String::new(),
            });
        }
        // What a paused rollout left half way is what a drain has to keep as it is.
        let is_half_way = store.rollouts().any(|rollout| rollout.phase == Phase::Paused);
        if is_half_way && self.dice.chance(20) {
            return self.drain(store);
        }
        match self.dice.number(0, 99) {
            0..=11 => return self.node(store),
            12 => return self.cluster(store),
            _ => {}
        }
        let index = self.dice.number(0, services.len() as u64 - 1) as usize;
        Some(self.change(&services[index]))
    }

    fn change(&mut self, service: &Service) -> Request {
        let mut spec = service.spec.clone();
        match self.dice.number(0, 99) {
            0..=39 => Arc::make_mut(&mut spec.task).container = self.recipes.container(),
            40..=51 => spec.mode = self.recipes.scaled(&spec.mode),
            52..=56 => Arc::make_mut(&mut spec.task).force_update += 1,
            57..=61 => {
                spec.labels = self.recipes.company(&spec.name);
                spec.labels.extend(self.recipes.labels());
                spec.labels.insert("note".into(), self.dice.number(0, 9).to_string());
            }
            62..=66 => {}
            67..=69 => {
                let limits = Limits { memory_bytes: self.dice.pick(&[64, 128]) << 20, ..Limits::default() };
                Arc::make_mut(&mut spec.task).resources.limits = Some(limits);
            }
            70..=76 => spec.update = self.recipes.pace(true).filter(|_| !spec.mode.is_job()),
            77..=79 => spec.rollback = self.recipes.pace(false),
            80..=83 => Arc::make_mut(&mut spec.task).restart = self.recipes.restart(),
            84..=86 => Arc::make_mut(&mut spec.task).placement = self.recipes.placement(),
            87..=92 => return self.update(service, ServiceChange::Rollback),
            93..=96 => return self.steer(service),
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
        if nodes.is_empty() {
            return None;
        }
        let node = nodes.get(self.dice.number(0, nodes.len() as u64 - 1) as usize)?;
        if self.dice.chance(NODE_REMOVAL_PERCENT) {
            // Mostly of a node that is down; forced, of any.
            return Some(Request::RemoveNode { id: node.id, force: self.dice.chance(30) });
        }
        let mut spec = node.spec.clone();
        if self.dice.chance(25) {
            spec.labels.insert("zone".into(), self.dice.pick(&["a", "b", "c"]).into());
        } else {
            // Nodes are given back more often than they are taken.
            let (drain, pause, active) = (Availability::Drain, Availability::Pause, Availability::Active);
            spec.availability = self.dice.pick(&[drain, pause, active, active]);
            spec.labels.remove(DRAIN);
            if spec.availability == drain && self.dice.chance(20) {
                spec.labels.insert(DRAIN.into(), "force".into());
            }
        }
        Some(Request::UpdateNode { id: node.id, version: node.meta.version, spec })
    }

    fn drain(&mut self, store: &Store) -> Option<Request> {
        let active = store.nodes().filter(|node| node.spec.availability == Availability::Active);
        let active: Vec<_> = active.collect();
        // Somewhere the tasks have to go.
        let node = (active.len() > 1).then(|| self.dice.pick(&active))?;
        let spec = NodeSpec { availability: Availability::Drain, ..node.spec.clone() };
        Some(Request::UpdateNode { id: node.id, version: node.meta.version, spec })
    }

    fn cluster(&mut self, store: &Store) -> Option<Request> {
        let cluster = store.cluster()?;
        let limit = self.dice.pick(&[0, 1, 2, 5, -1]);
        let mut spec = ClusterSpec { task_history_limit: limit, ..cluster.spec.clone() };
        let strategy = self.dice.pick(&["spread", "binpack"]);
        spec.labels.insert(STRATEGY_LABEL.to_owned(), strategy.to_owned());
        let rebalance = self.dice.pick(&["on", "on", "off"]);
        spec.labels.insert(REBALANCE_LABEL.to_owned(), rebalance.to_owned());
        if self.dice.chance(30) {
            spec.labels.insert(PROFILE.into(), self.recipes.profile());
        }
        Some(Request::UpdateCluster { version: cluster.meta.version, spec, rotate: Box::default() })
    }

    fn steer(&mut self, service: &Service) -> Request {
        let verb = match self.dice.number(0, 9) {
            0..=2 => RolloutVerb::Pause,
            3..=5 => RolloutVerb::Resume,
            6..=7 => RolloutVerb::Abort,
            8 => RolloutVerb::Undo { to: None },
            _ => RolloutVerb::Undo { to: Some(self.dice.number(1, service.revision_count)) },
        };
        Request::SteerRollout { id: service.id, verb, author: self.dice.pick(&["", "eve"]).into() }
    }

    /// Returns requests that give nodes back: all of them, or all that are not drained, and the first in any case.
    pub fn activate_nodes(&self, store: &Store) -> Vec<Request> {
        let first = store.nodes().next().map(|node| node.id);
        let stays = |node: &Node| {
            self.keeps_drains && node.spec.availability == Availability::Drain && first != Some(node.id)
        };
        let idle =
            store.nodes().filter(|node| node.spec.availability != Availability::Active && !stays(node));
        idle.map(|node| {
            let mut spec = NodeSpec { availability: Availability::Active, ..node.spec.clone() };
            spec.labels.remove(DRAIN);
            Request::UpdateNode { id: node.id, version: node.meta.version, spec }
        })
        .collect()
    }

    /// Returns requests that remove every service.
    pub fn remove_all(&self, store: &Store) -> Vec<Request> {
        store.services().map(|service| Request::RemoveService { id: service.id }).collect()
    }
}
