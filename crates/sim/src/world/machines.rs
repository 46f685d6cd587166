//! The nodes' side, and the network between them and the leader.

use std::collections::BTreeMap;
use std::time::Duration;

use skep_core::leader::Event;
use skep_core::message::{ManagerMessage, NodeMessage};
use skep_model::task::Whole;
use skep_model::{NodeId, Task};

use super::{Happening, World};
use crate::Broken;
use crate::dice::Dice;
use crate::engine::{Engine, Later, Misuse};
use crate::invariants::{Moment, Rival};
use crate::machine::{Age, Machine, Stirred};
use crate::profile::Profile;
use crate::trace::short;

/// One CPU, in billionths.
const CPU: i64 = 1_000_000_000;

/// Returns the machines of a new cluster.
pub(super) fn build(profile: &Profile, dice: &mut Dice) -> BTreeMap<NodeId, Machine> {
    let mut machines = BTreeMap::new();
    for number in 1..=profile.node_count {
        let skew = profile.clock_skew_max.mul_f64(dice.number(0, 100) as f64 / 100.0);
        let nano_cpus = if profile.is_tight { dice.pick(&[2, 3, 4]) * CPU } else { 64 * CPU };
        let engine = Engine::new(profile.engine_fault_percent, dice.child());
        let machine = Machine::new(dice.id(), number, nano_cpus, skew, engine);
        machines.insert(machine.id, machine);
    }
    machines
}

impl World<'_> {
    fn machine(&mut self, id: NodeId) -> &mut Machine {
        self.machines.get_mut(&id).expect("machines are never taken out of the world")
    }

    pub(super) fn start_agent(&mut self, id: NodeId) -> Result<(), Broken> {
        if self.machine(id).has_agent() || self.lost() == Some(id) {
            return Ok(());
        }
        let now = self.now;
        let stirred = self.machine(id).start_agent(now);
        let name = self.machine(id).name().to_owned();
        self.trace.note(now, || format!("agent of {name} starts"));
        self.stir(id, stirred)
    }

    pub(super) fn wake_worker(&mut self, id: NodeId, number: u64) -> Result<(), Broken> {
        let now = self.now;
        let stirred = self.machine(id).wake(now, number);
        self.stir(id, stirred)
    }

    pub(super) fn tell_node(&mut self, id: NodeId, message: ManagerMessage) -> Result<(), Broken> {
        let now = self.now;
        if !self.machine(id).hears() {
            return Ok(());
        }
        if !matches!(message, ManagerMessage::Alive { .. } | ManagerMessage::Acknowledged { .. }) {
            let name = self.machine(id).name().to_owned();
            self.trace.note(now, || format!("    {name} hears {}", heard(&message)));
        }
        let stirred = self.machine(id).hear(now, message);
        self.stir(id, stirred)
    }

    pub(super) fn tell_leader(&mut self, id: NodeId, message: NodeMessage) -> Result<(), Broken> {
        self.lead(Event::Heard(id, message))
    }

    pub(super) fn engine(&mut self, id: NodeId, age: Age, later: Later) -> Result<(), Broken> {
        let now = self.now;
        let starts = if let Later::Runs(task_id) = &later { Some(*task_id) } else { None };
        let was_running =
            |machine: &Machine, id| machine.engine.container(id).is_some_and(|c| c.is_running());
        let before = starts.is_some_and(|task_id| was_running(self.machine(id), task_id));
        let stirred = self.machine(id).happen(now, age, later);
        if let Some(task_id) = starts.filter(|task_id| !before && was_running(self.machine(id), *task_id)) {
            let task = self.machine(id).engine.container(task_id).expect("it runs").task.clone();
            self.started(id, &task)?;
        }
        self.stir(id, stirred)
    }

    /// A process began: shows the invariants which others run in the same slot.
    fn started(&mut self, node_id: NodeId, task: &Task) -> Result<(), Broken> {
        self.summary.containers_started += 1;
        self.trace.note(self.now, || {
            format!("{}.{} {} runs on {}", task.service.name, task.slot, short(task.id), short(node_id))
        });
        let mut rivals = Vec::new();
        for machine in self.machines.values() {
            for (id, container) in machine.engine.containers() {
                let other = &container.task;
                let same_slot = (other.service_id, other.slot) == (task.service_id, task.slot);
                if same_slot && *id != task.id && container.is_running() {
                    rivals.push(Rival { task: other.clone(), node_id: machine.id });
                }
            }
        }
        let moment = Moment::Started { store: &self.managers.store, task, rivals: &rivals };
        self.invariants.see(self.now, &moment)
    }

    /// Lets come what a machine's step brought about.
    fn stir(&mut self, id: NodeId, stirred: Result<Stirred, Misuse>) -> Result<(), Broken> {
        let stirred =
            stirred.map_err(|detail| Broken { invariant: "workers_ask_for_what_is_possible", detail })?;
        for task_id in stirred.ending {
            let Some(container) = self.machines[&id].engine.container(task_id) else { continue };
            let moment = Moment::Ending { store: &self.managers.store, id: task_id, container };
            self.invariants.see(self.now, &moment)?;
        }
        for (pause, age, later) in stirred.later {
            self.after(pause, Happening::Engine(id, age, later));
        }
        for message in stirred.sent {
            if !matches!(message, NodeMessage::Heartbeat { .. }) {
                let name = self.machine(id).name().to_owned();
                self.trace.note(self.now, || format!("    {name} says {}", said(&message)));
            }
            self.post_to_leader(id, message);
        }
        if let Some((at, number)) = stirred.wake {
            self.at(at, Happening::WakeWorker(id, number));
        }
        Ok(())
    }

    pub(super) fn post_to_node(&mut self, id: NodeId, message: ManagerMessage) {
        if self.machine(id).is_isolated {
            return;
        }
        for pause in self.journeys() {
            self.after(pause, Happening::ToNode(id, message.clone()));
        }
    }

    fn post_to_leader(&mut self, id: NodeId, message: NodeMessage) {
        if self.machine(id).is_isolated {
            return;
        }
        for pause in self.journeys() {
            self.after(pause, Happening::ToLeader(id, message.clone()));
        }
    }

    /// Returns how long each copy of a message travels; no copy: it is lost.
    fn journeys(&mut self) -> Vec<Duration> {
        let dice = &mut self.network_dice;
        if dice.chance(self.network.loss_percent) {
            return Vec::new();
        }
        let copies = if dice.chance(self.network.repeat_percent) { 2 } else { 1 };
        (0..copies).map(|_| dice.millis(0, self.network.millis_max)).collect()
    }
}

/// Says in one line what a node says.
fn said(message: &NodeMessage) -> String {
    match message {
        NodeMessage::Report { sequence, statuses, .. } => {
            let states: Vec<_> =
                statuses.iter().map(|(id, status)| format!("{} {:?}", short(id), status.state)).collect();
            format!("report {sequence} {}", states.join(", "))
        }
        NodeMessage::Register { attempt, .. } => format!("register {attempt}"),
        NodeMessage::Heartbeat { .. } => "heartbeat".to_owned(),
    }
}

/// Says in one line what a node hears.
fn heard(message: &ManagerMessage) -> String {
    match message {
        ManagerMessage::Assignments(assignments) => {
            let put: Vec<_> = assignments
                .put
                .iter()
                .map(|Whole(task)| format!("{} {:?}", short(task.id), task.desired))
                .collect();
            let remove: Vec<_> = assignments.remove.iter().map(short).collect();
            format!("assignments {} put {put:?} remove {remove:?}", assignments.sequence)
        }
        ManagerMessage::Registered { attempt, .. } => format!("registered {attempt}"),
        ManagerMessage::SessionInvalid { .. } => "session invalid".to_owned(),
        ManagerMessage::Alive { sequence, .. } => format!("alive {sequence}"),
        ManagerMessage::Acknowledged { sequence, .. } => format!("acknowledged {sequence}"),
    }
}
