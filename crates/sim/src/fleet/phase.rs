//! What a fleet goes through: deploy, roll, lose nodes, get them back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use skep_model::node::NodeState;
use skep_model::request::{AuthFrom, Request, ServiceChange};
use skep_model::rollout::Phase as RolloutPhase;
use skep_model::{Service, ServiceSpec};

use super::{Counts, Fleet, Happening, births, node_id};

/// One phase that came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    pub name: &'static str,
    /// Virtual time that it took.
    pub lasted: Duration,
    /// What happened in it.
    pub counts: Counts,
}

/// A phase does not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    pub phase: &'static str,
    pub counts: Counts,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stuck { phase, counts } = self;
        write!(f, "{phase} does not come to its end within {PHASE_MAX:?} of virtual time: {counts:?}")
    }
}

impl std::error::Error for Stuck {}

/// Virtual time after which a phase is stuck.
const PHASE_MAX: Duration = Duration::from_secs(3_600);
/// One node of so many is lost.
const LOST_SHARE: usize = 100;

impl Fleet<'_> {
    /// Waits until every node has registered.
    pub fn register(&mut self) -> Result<Phase, Stuck> {
        let is_ready = |fleet: &Fleet<'_>| {
            fleet.in_flight.is_none() && fleet.store.nodes().all(|node| node.status.state == NodeState::Ready)
        };
        self.phase("nodes register", |_| {}, is_ready)
    }

    /// Creates the services and waits until all of their tasks run.
    pub fn deploy(&mut self) -> Result<Phase, Stuck> {
        let tasks = self.size.tasks;
        let create = |fleet: &mut Fleet<'_>| {
            births::services(tasks).for_each(|spec| fleet.request(births::creation(spec)));
        };
        self.phase("deploy", create, |fleet| fleet.store.services().next().is_some() && fleet.all_run())
    }

    /// Gives every service another image and waits until the rollouts are completed.
    pub fn roll(&mut self) -> Result<Phase, Stuck> {
        let update = |fleet: &mut Fleet<'_>| {
            let services: Vec<Arc<Service>> = fleet.store.services().cloned().collect();
            for service in services {
                let mut spec: ServiceSpec = service.spec.clone();
                Arc::make_mut(&mut spec.task).container.image = "app:2".into();
                let change = Box::new(ServiceChange::Spec { spec, auth: AuthFrom::Spec });
                let (id, version) = (service.id, service.meta.version);
                fleet.request(Request::UpdateService { id, version, change, author: String::new() });
            }
        };
        let is_over = |fleet: &Fleet<'_>| {
            let is_over = |service: &Arc<Service>| {
                let rollout = fleet.store.rollout(service.id);
                service.revision == 2 && rollout.is_some_and(|one| one.phase == RolloutPhase::Completed)
            };
            fleet.store.services().all(is_over) && fleet.all_run()
        };
        self.phase("roll", update, is_over)
    }

    /// Loses one node of a hundred and waits until what ran there runs elsewhere.
    pub fn lose_nodes(&mut self) -> Result<Phase, Stuck> {
        let lose = |fleet: &mut Fleet<'_>| {
            fleet.nodes.iter_mut().step_by(LOST_SHARE).for_each(|node| node.is_lost = true);
        };
        let is_over = |fleet: &Fleet<'_>| {
            let lost = fleet.nodes.iter().enumerate().filter(|(_, node)| node.is_lost);
            let is_down = |index| {
                fleet.store.node(node_id(index)).is_some_and(|node| node.status.state == NodeState::Down)
            };
            lost.into_iter().all(|(index, _)| is_down(index)) && fleet.all_run()
        };
        self.phase("lose 1 % of the nodes", lose, is_over)
    }

    /// Gets the lost nodes back and waits until what was replaced meanwhile has ended there.
    pub fn get_nodes_back(&mut self) -> Result<Phase, Stuck> {
        let back = |fleet: &mut Fleet<'_>| {
            let lost: Vec<usize> =
                (0..fleet.nodes.len()).filter(|index| fleet.nodes[*index].is_lost).collect();
            for index in lost {
                fleet.nodes[index].is_lost = false;
                fleet.nodes[index].will_act = false;
                let at = fleet.now + fleet.turn(index);
                fleet.at(at, Happening::Register(index));
            }
        };
        let is_over = |fleet: &Fleet<'_>| {
            let is_back = |index| {
                let node = fleet.store.node(node_id(index));
                let ends = |id| fleet.store.tasks_on(id).all(|task| task.is_live() || task.is_over());
                node.is_some_and(|node| node.status.state == NodeState::Ready && ends(node.id))
            };
            (0..fleet.nodes.len()).step_by(LOST_SHARE).all(is_back) && fleet.all_run()
        };
        self.phase("get them back", back, is_over)
    }

    /// Begins a phase and lets things happen until it is over.
    fn phase(
        &mut self,
        name: &'static str,
        begin: impl FnOnce(&mut Self),
        is_over: impl Fn(&Self) -> bool,
    ) -> Result<Phase, Stuck> {
        let (began_at, before) = (self.now, self.counts);
        begin(self);
        let end = began_at + PHASE_MAX;
        while self.now < end {
            if self.go_on() && is_over(self) {
                let counts = self.counts.since(before);
                return Ok(Phase { name, lasted: self.now.since(began_at), counts });
            }
        }
        Err(Stuck { phase: name, counts: self.counts.since(before) })
    }

    /// Returns whether every service has what it should: as many slots as replicas, each with one task, which
    /// runs and is up to date.
    fn all_run(&self) -> bool {
        self.store.services().all(|service| {
            let tally = self.store.tally(service.id);
            service.spec.replicas() == Some(tally.running)
                && tally.running == tally.kept
                && self.store.slots_contested(service.id).next().is_none()
                && self.store.tasks_of_other_revisions(service.id, service.revision).next().is_none()
        })
    }

    /// Returns how many tasks run and are wanted to.
    pub fn running_count(&self) -> u64 {
        self.store.services().map(|service| self.store.tally(service.id).running).sum()
    }

    /// Returns how many live tasks are on the nodes that [`Fleet::lose_nodes`] is about to lose.
    pub fn held_by_nodes_to_lose(&self) -> u64 {
        let nodes = (0..self.nodes.len()).step_by(LOST_SHARE).map(node_id);
        let live = |id| self.store.tasks_on(id).filter(|task| task.is_live()).count() as u64;
        nodes.map(live).sum()
    }
}

impl Counts {
    fn since(self, before: Counts) -> Counts {
        Counts {
            events: self.events - before.events,
            entries: self.entries - before.entries,
            decisions: self.decisions - before.decisions,
            tasks_made: self.tasks_made - before.tasks_made,
            tasks_placed: self.tasks_placed - before.tasks_placed,
            deciding: self.deciding.saturating_sub(before.deciding),
        }
    }
}
