//! One machine: the real worker, and around it what an agent does for it.
//!
//! The agent's memory and the containers outlive the agent. A clock of its own, which is ahead of the
//! world's and may be set when the machine boots, tells the worker the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use skep_core::message::{ManagerMessage, NodeMessage};
use skep_core::worker::{Effect, Event, Worker};
use skep_model::node::NodeDescription;
use skep_model::{NodeId, Task, TaskId, Timestamp};

use crate::engine::{Engine, Later, Misuse};

/// A machine of the cluster.
#[derive(Debug)]
pub struct Machine {
    pub id: NodeId,
    pub engine: Engine,
    /// The node's clock is this much ahead of the leader's.
    skew: Duration,
    description: NodeDescription,
    addr: String,
    worker: Option<Worker>,
    memory: BTreeMap<TaskId, Arc<Task>>,
    has_power: bool,
    /// No message comes through, in either direction.
    pub is_isolated: bool,
    /// What it reports before this instant arrives then; its heartbeats come through.
    pub reports_from: Timestamp,
    age: Age,
    wake_count: u64,
}

/// Names one run of the machine and one of its agent: what belongs to an earlier one is void.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Age {
    boot: u64,
    agent: u64,
}

/// What is to come of a machine's step.
#[derive(Debug, Default)]
pub struct Stirred {
    pub later: Vec<(Duration, Age, Later)>,
    pub sent: Vec<NodeMessage>,
    /// Tasks whose containers are stopped or removed.
    pub ending: Vec<TaskId>,
    /// When to wake the worker, with the number that tells whether it still wants to be.
    pub wake: Option<(Timestamp, u64)>,
}

impl Machine {
    pub fn new(id: NodeId, number: u64, nano_cpus: i64, skew: Duration, engine: Engine) -> Self {
        let description = NodeDescription {
            nano_cpus,
            generic: [("gpu".to_owned(), 2)].into(),
            ..skep_testing::description(u128::from(number))
        };
        Machine {
            id,
            engine,
            skew,
            description,
            addr: format!("10.0.0.{number}"),
            worker: None,
            memory: BTreeMap::new(),
            has_power: true,
            is_isolated: false,
            reports_from: Timestamp::default(),
            age: Age::default(),
            wake_count: 0,
        }
    }

    pub fn name(&self) -> &str {
        &self.description.hostname
    }

    pub fn has_power(&self) -> bool {
        self.has_power
    }

    pub fn has_agent(&self) -> bool {
        self.worker.is_some()
    }

    pub fn hears(&self) -> bool {
        self.worker.is_some() && !self.is_isolated
    }

    /// Starts the agent, and the machine if it is off.
    pub fn start_agent(&mut self, now: Timestamp) -> Result<Stirred, Misuse> {
        self.has_power = true;
        self.worker = Some(Worker::new());
        self.engine.watch();
        let tasks = self.memory.values().cloned().collect();
        let mut stirred = self.step(now, Event::Recovered { tasks, containers: self.engine.found() })?;
        let description = Box::new(self.description.clone());
        let connected = self.step(now, Event::Connected { description, addr: self.addr.clone() })?;
        stirred.later.extend(connected.later);
        stirred.sent.extend(connected.sent);
        stirred.ending.extend(connected.ending);
        stirred.wake = connected.wake;
        Ok(stirred)
    }

    /// Sets the clock; it may go back.
    pub fn set_clock(&mut self, skew: Duration) {
        self.skew = skew;
    }

    /// The agent dies; what runs goes on.
    pub fn lose_agent(&mut self) {
        self.worker = None;
        self.age.agent += 1;
        self.engine.lose_agent();
    }

    /// The machine dies, with all that runs on it.
    pub fn lose_power(&mut self) {
        self.lose_agent();
        self.has_power = false;
        self.age.boot += 1;
        self.engine.lose_power();
    }

    pub fn hear(&mut self, now: Timestamp, message: ManagerMessage) -> Result<Stirred, Misuse> {
        self.step(now, Event::Told(message))
    }

    /// Wakes the worker, if it still waits for this.
    pub fn wake(&mut self, now: Timestamp, number: u64) -> Result<Stirred, Misuse> {
        if number != self.wake_count { Ok(Stirred::default()) } else { self.step(now, Event::Woke) }
    }

    /// Lets happen in the engine what was planned, and tells the agent of it.
    pub fn happen(&mut self, now: Timestamp, age: Age, later: Later) -> Result<Stirred, Misuse> {
        // Once told, a process ends whoever listens; everything else is done by the agent that began it.
        let outlives_agent = matches!(later, Later::Exits(..));
        if age.boot != self.age.boot || (age != self.age && !outlives_agent) {
            return Ok(Stirred::default());
        }
        match self.engine.happen(now, later) {
            Some((id, outcome)) => self.step(now, Event::Did(id, outcome)),
            None => Ok(Stirred::default()),
        }
    }

    fn step(&mut self, now: Timestamp, event: Event) -> Result<Stirred, Misuse> {
        let Some(worker) = &mut self.worker else { return Ok(Stirred::default()) };
        let output = worker.step(now + self.skew, event);
        self.wake_count += 1;
        let wake = output.wake_at.map(|at| ((at - self.skew).max(now), self.wake_count));
        let mut stirred = Stirred { wake, ..Stirred::default() };
        for effect in output.effects {
            self.perform(effect, &mut stirred)?;
        }
        Ok(stirred)
    }

    fn perform(&mut self, effect: Effect, stirred: &mut Stirred) -> Result<(), Misuse> {
        let plan = match effect {
            Effect::Remember { put, forget } => {
                self.memory.extend(put.into_iter().map(|task| (task.id, task)));
                forget.iter().for_each(|id| drop(self.memory.remove(id)));
                return Ok(());
            }
            Effect::Send(message) => {
                stirred.sent.push(message);
                return Ok(());
            }
            Effect::Prepare(task) => self.engine.prepare(task)?,
            Effect::CancelPreparation(id) => self.engine.cancel(id),
            Effect::Start(id) => self.engine.start(id)?,
            Effect::Stop { id, grace, .. } => {
                stirred.ending.push(id);
                self.engine.stop(id, grace)
            }
            Effect::Limit { id, limits } => self.engine.limit(id, limits),
            Effect::Probe { id, .. } => self.engine.probe(id),
            Effect::Remove(id) => {
                stirred.ending.push(id);
                self.engine.remove(id)
            }
        };
        let age = self.age;
        stirred.later.extend(plan.into_iter().map(|(after, later)| (after, age, later)));
        Ok(())
    }
}
