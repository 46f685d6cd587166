//! The run itself: a queue of what happens next, and the two phases.
//!
//! The turbulent phase asks and breaks at random. Then everything heals, and what was asked must come
//! true ([`crate::liveness`]); at last every service is removed, and nothing may remain. `managers`
//! has the leader and the log, `machines` the nodes and the network, `faults` what breaks.

mod birth;
mod faults;
mod group;
mod machines;
mod managers;
mod story;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use skep_core::message::{ManagerMessage, NodeMessage};
use skep_model::{NodeId, ServiceId, Timestamp};

use crate::dice::Dice;
use crate::engine::Later;
use crate::invariants::Invariants;
use crate::liveness;
use crate::machine::{Age, Machine};
use crate::operator::Operator;
use crate::profile::{Network, Profile};
use crate::trace::Trace;
use crate::{Broken, Summary};
use managers::Managers;

/// A cluster, its surroundings, and what is to happen to it.
pub struct World<'t> {
    now: Timestamp,
    queue: BTreeMap<(Timestamp, u64), Happening>,
    planned: u64,
    happened: u64,
    phase: Phase,
    profile: Profile,
    network: Network,
    network_dice: Dice,
    fault_dice: Dice,
    managers: Managers,
    machines: BTreeMap<NodeId, Machine>,
    /// Machines so far; each has a number of its own.
    machine_count: u64,
    operator: Operator,
    invariants: Invariants,
    trace: &'t mut Trace,
    summary: Summary,
}

/// What can happen, each at its instant.
#[derive(Debug)]
enum Happening {
    /// The proposal in flight of this term commits, or is dropped.
    Commit {
        term: u64,
    },
    WakeLeader {
        term: u64,
        number: u64,
    },
    Elect,
    /// The leader of this term is deposed.
    Depose {
        term: u64,
    },
    ToLeader(NodeId, NodeMessage),
    ToNode(NodeId, ManagerMessage),
    WakeWorker(NodeId, u64),
    Engine(NodeId, Age, Later),
    StartAgent(NodeId),
    Rejoin(NodeId),
    Leave(NodeId),
    Ask,
    Break,
    Heal,
    /// The quiet phase looks whether all is as it should be.
    Look,
}

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    Turbulent,
    /// Everything asked for must come true before this instant; these services did already.
    Quiet {
        until: Timestamp,
        settled: BTreeSet<ServiceId>,
        lost: Option<NodeId>,
    },
    /// Everything is removed and must be gone before this instant.
    Clearing {
        until: Timestamp,
        lost: Option<NodeId>,
    },
    Over,
}

/// Time for everything asked for to come true once nothing breaks any more. Restart delays, pauses
/// between attempts and the wait for lost nodes are all far below it; a rollout of a hundred slots, one every 12 s, is not over sooner.
const QUIET_FOR: Duration = Duration::from_secs(30 * 60);
/// Time for removed services to be gone: a stop may take its grace period, attempts their pauses.
const CLEARING_FOR: Duration = Duration::from_secs(5 * 60);
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// When a run begins: far from the zero that means *never*.
const BIRTH: Timestamp = Timestamp(1_000_000_000_000);
/// More happenings in one run mean that something spins.
const HAPPENINGS_MAX: u64 = 2_000_000;

impl<'t> World<'t> {
    /// Returns the cluster at its birth: initialised, with nodes that are about to register.
    pub fn new(mut profile: Profile, trace: &'t mut Trace) -> Self {
        let mut dice = profile.dice.child();
        let operator = Operator::new(dice.child(), &profile);
        let managers = Managers::new(&profile, dice.child());
        let machines = machines::build(&profile, &mut dice);
        let mut world = World {
            now: BIRTH,
            queue: BTreeMap::new(),
            planned: 0,
            happened: 0,
            phase: Phase::Turbulent,
            network: profile.network,
            network_dice: dice.child(),
            fault_dice: dice.child(),
            managers,
            machine_count: machines.len() as u64,
            machines,
            operator,
            invariants: Invariants::new(&profile),
            trace,
            summary: Summary::default(),
            profile,
        };
        world.after(Duration::ZERO, Happening::Elect);
        let ids: Vec<_> = world.machines.keys().copied().collect();
        for id in ids {
            world.after(Duration::from_millis(10), Happening::StartAgent(id));
        }
        world.after(Duration::from_millis(500), Happening::Ask);
        if let Some(pause) = world.profile.fault_every {
            world.after(pause, Happening::Break);
        }
        world.after(world.profile.turbulent_for, Happening::Heal);
        world
    }

    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub fn summary(&self) -> Summary {
        let mut summary = self.summary.clone();
        summary.add("events", self.happened);
        summary
    }

    /// Returns the node that stays dead in the quiet phase.
    fn lost(&self) -> Option<NodeId> {
        match self.phase {
            Phase::Quiet { lost, .. } | Phase::Clearing { lost, .. } => lost,
            Phase::Turbulent | Phase::Over => None,
        }
    }

    fn after(&mut self, pause: Duration, happening: Happening) {
        self.at(self.now + pause, happening);
    }

    fn at(&mut self, at: Timestamp, happening: Happening) {
        // The second part of the key keeps what was planned first before what was planned later.
        self.planned += 1;
        self.queue.insert((at.max(self.now), self.planned), happening);
    }

    fn is_turbulent(&self) -> bool {
        self.phase == Phase::Turbulent
    }

    /// Lets everything happen until the run is over or an invariant is broken.
    pub fn run(&mut self) -> Result<(), Broken> {
        self.be_born()?;
        while self.phase != Phase::Over {
            let Some(((at, _), happening)) = self.queue.pop_first() else {
                return Err(Broken { invariant: "time_goes_on", detail: "nothing is left to happen".into() });
            };
            self.now = at;
            self.happened += 1;
            if self.happened > HAPPENINGS_MAX {
                let detail = format!("{HAPPENINGS_MAX} happenings, the last: {happening:?}");
                return Err(Broken { invariant: "time_goes_on", detail });
            }
            self.happen(happening)?;
        }
        Ok(())
    }

    fn happen(&mut self, happening: Happening) -> Result<(), Broken> {
        match happening {
            Happening::Commit { term } => self.commit(term),
            Happening::WakeLeader { term, number } => self.wake_leader(term, number),
            Happening::Elect => self.elect(),
            Happening::Depose { term } => self.depose_in(term),
            Happening::Leave(id) => {
                self.leave(id);
                Ok(())
            }
            Happening::ToLeader(id, message) => self.tell_leader(id, message),
            Happening::ToNode(id, message) => self.tell_node(id, message),
            Happening::WakeWorker(id, number) => self.wake_worker(id, number),
            Happening::Engine(id, age, later) => self.engine(id, age, later),
            Happening::StartAgent(id) => self.start_agent(id),
            Happening::Rejoin(id) => self.rejoin(id),
            Happening::Ask => self.ask(),
            Happening::Break => self.break_something(),
            Happening::Heal => self.heal(),
            Happening::Look => self.look(),
        }
    }

    /// Asks one thing, or several at once, and comes back later while the phase lasts.
    fn ask(&mut self) -> Result<(), Broken> {
        if self.phase != Phase::Turbulent {
            return Ok(());
        }
        for request in self.operator.draw(&self.managers.store) {
            self.request(request)?;
        }
        let pause = self.operator.pause();
        self.after(pause, Happening::Ask);
        Ok(())
    }

    /// Looks whether the quiet phase reached its end.
    fn look(&mut self) -> Result<(), Broken> {
        match self.phase.clone() {
            Phase::Quiet { until, mut settled, lost } => {
                let state = liveness::State::new(&self.managers.store, &self.machines, lost);
                let obstacle = state.first_obstacle(&mut settled);
                match obstacle {
                    None => self.clear(lost)?,
                    Some(detail) if self.now >= until => {
                        return Err(Broken { invariant: "what_was_asked_comes_true", detail });
                    }
                    Some(_) => {
                        self.phase = Phase::Quiet { until, settled, lost };
                        self.activate_nodes()?;
                    }
                }
            }
            Phase::Clearing { until, lost } => {
                let state = liveness::State::new(&self.managers.store, &self.machines, lost);
                match state.remains() {
                    None => self.phase = Phase::Over,
                    Some(detail) if self.now >= until => {
                        return Err(Broken { invariant: "removed_services_leave_nothing", detail });
                    }
                    // What was asked last may have come into being only now.
                    Some(_) => self.remove_all()?,
                }
            }
            Phase::Turbulent | Phase::Over => {}
        }
        self.after(LOOK_EVERY, Happening::Look);
        Ok(())
    }

    /// Asks for nodes to take tasks; nobody begins to drain in the quiet phase.
    fn activate_nodes(&mut self) -> Result<(), Broken> {
        for request in self.operator.activate_nodes(&self.managers.store) {
            self.request(request)?;
        }
        Ok(())
    }

    /// Everything came true: removes all services.
    fn clear(&mut self, lost: Option<NodeId>) -> Result<(), Broken> {
        self.trace.note(self.now, || "all came true, removing every service".to_owned());
        self.phase = Phase::Clearing { until: self.now + CLEARING_FOR, lost };
        self.remove_all()
    }

    fn remove_all(&mut self) -> Result<(), Broken> {
        for request in self.operator.remove_all(&self.managers.store) {
            self.request(request)?;
        }
        Ok(())
    }
}
