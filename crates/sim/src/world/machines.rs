//! The nodes' side, and the network between them and the leader.

use std::collections::BTreeMap;
use std::time::Duration;

use skep_core::Change;
use skep_core::message::{ManagerMessage, NodeMessage};
use skep_model::task::Whole;
use skep_model::{NodeId, Task};
use skep_testing::CPU;

use super::{Happening, World};
use crate::Broken;
use crate::dice::Dice;
use crate::engine::{Engine, Later, Misuse};
use crate::invariants::{Moment, Rival};
use crate::machine::{Age, Machine, Stirred};
use crate::profile::Profile;
use crate::trace::short;

/// Share of boots at which a machine's clock is set anew, in percent.
const CLOCK_SET_PERCENT: u64 = 30;

/// Returns the machines of a new cluster.
pub(super) fn build(profile: &Profile, dice: &mut Dice) -> BTreeMap<NodeId, Machine> {
    let machines = (1..=profile.node_count).map(|number| one(profile, dice, number));
    machines.map(|machine| (machine.id, machine)).collect()
}

fn one(profile: &Profile, dice: &mut Dice, number: u64) -> Machine {
    let skew = profile.clock_skew_max.mul_f64(dice.number(0, 100) as f64 / 100.0);
    let nano_cpus = if profile.is_tight { dice.pick(&[2, 3, 4]) * CPU } else { 64 * CPU };
    let engine = Engine::new(profile.engine_fault_percent, dice.child());
    Machine::new(dice.id(), number, nano_cpus, skew, engine)
}

impl World<'_> {
    /// Returns a machine, unless it left the cluster.
    pub(super) fn machine(&mut self, id: NodeId) -> Option<&mut Machine> {
        self.machines.get_mut(&id)
    }

    /// Now and then a machine joins. Nobody leads at the moment, so nobody's draft has to know of it.
    pub(super) fn let_join(&mut self) -> Result<(), Broken> {
        let room = self.machines.len() as u64 <= self.profile.node_count;
        if !self.is_turbulent() || !room || !self.fault_dice.chance(self.profile.join_percent) {
            return Ok(());
        }
        self.machine_count += 1;
        let machine = one(&self.profile, &mut self.fault_dice, self.machine_count);
        let id = machine.id;
        self.trace.note(self.now, || format!("{} joins as {}", machine.name(), short(id)));
        self.summary.count("nodes joined");
        self.machines.insert(id, machine);
        self.write(std::iter::once(Change::PutNode(skep_testing::node(id).into())).collect())?;
        self.start_agent(id)
    }

    /// A node's record is gone: its machine hears of it some time later, and leaves.
    pub(super) fn node_removed(&mut self, id: NodeId) {
        self.summary.count("nodes removed");
        let pause = self.fault_dice.millis(0, 20_000);
        self.after(pause, Happening::Leave(id));
    }

    /// A machine is no part of the cluster any more; nothing that ran there does.
    pub(super) fn leave(&mut self, id: NodeId) {
        if let Some(machine) = self.machines.remove(&id) {
            self.trace.note(self.now, || format!("{} has left", machine.name()));
        }
    }

    pub(super) fn start_agent(&mut self, id: NodeId) -> Result<(), Broken> {
        let (now, is_lost) = (self.now, self.lost() == Some(id));
        let clock = self.profile.clock_skew_max.mul_f64(self.fault_dice.number(0, 100) as f64 / 100.0);
        let is_set = self.fault_dice.chance(CLOCK_SET_PERCENT);
        let Some(machine) = self.machine(id).filter(|machine| !machine.has_agent() && !is_lost) else {
            return Ok(());
        };
        if !machine.has_power() && is_set {
            machine.set_clock(clock);
        }
        let stirred = machine.start_agent(now);
        let name = machine.name().to_owned();
        self.trace.note(now, || format!("agent of {name} starts"));
        self.stir(id, stirred)
    }

    pub(super) fn wake_worker(&mut self, id: NodeId, number: u64) -> Result<(), Broken> {
        let now = self.now;
        let Some(machine) = self.machine(id) else { return Ok(()) };
        let stirred = machine.wake(now, number);
        self.stir(id, stirred)
    }

    pub(super) fn tell_node(&mut self, id: NodeId, message: ManagerMessage) -> Result<(), Broken> {
        let now = self.now;
        let Some(machine) = self.machines.get_mut(&id).filter(|machine| machine.hears()) else {
            return Ok(());
        };
        if !matches!(message, ManagerMessage::Alive { .. } | ManagerMessage::Acknowledged { .. }) {
            self.trace.note(now, || format!("    {} hears {}", machine.name(), heard(&message)));
        }
        let stirred = machine.hear(now, message);
        self.stir(id, stirred)
    }

    pub(super) fn engine(&mut self, id: NodeId, age: Age, later: Later) -> Result<(), Broken> {
        let now = self.now;
        let starts = if let Later::Runs(task_id) = &later { Some(*task_id) } else { None };
        let is_running = |machine: &Machine, id| machine.engine.container(id).is_some_and(|c| c.is_running());
        let Some(machine) = self.machine(id) else { return Ok(()) };
        let before = starts.is_some_and(|task_id| is_running(machine, task_id));
        let stirred = machine.happen(now, age, later);
        if let Some(task_id) = starts.filter(|task_id| !before && is_running(machine, *task_id)) {
            let task = machine.engine.container(task_id).expect("it runs").task.clone();
            self.started(id, &task)?;
        }
        self.stir(id, stirred)
    }

    /// A process began: shows the invariants which others run in the same slot.
    fn started(&mut self, node_id: NodeId, task: &Task) -> Result<(), Broken> {
        self.summary.count("containers started");
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
        self.invariants.see(self.managers.clock(self.now), &moment)
    }

    /// Lets come what a machine's step brought about.
    fn stir(&mut self, id: NodeId, stirred: Result<Stirred, Misuse>) -> Result<(), Broken> {
        let stirred =
            stirred.map_err(|detail| Broken { invariant: "workers_ask_for_what_is_possible", detail })?;
        for task_id in stirred.ending {
            let Some(container) = self.machines[&id].engine.container(task_id) else { continue };
            let moment = Moment::Ending { store: &self.managers.store, id: task_id, container };
            self.invariants.see(self.managers.clock(self.now), &moment)?;
        }
        for (pause, age, later) in stirred.later {
            self.after(pause, Happening::Engine(id, age, later));
        }
        for message in stirred.sent {
            if !matches!(message, NodeMessage::Heartbeat { .. }) {
                let name = self.machines[&id].name();
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
        if self.machines.get(&id).is_none_or(|machine| machine.is_isolated) {
            return;
        }
        for pause in self.journeys() {
            self.after(pause, Happening::ToNode(id, message.clone()));
        }
    }

    fn post_to_leader(&mut self, id: NodeId, message: NodeMessage) {
        let Some(machine) = self.machines.get(&id).filter(|machine| !machine.is_isolated) else { return };
        let held_for = match message {
            NodeMessage::Report { .. } => machine.reports_from.since(self.now),
            NodeMessage::Register { .. } | NodeMessage::Heartbeat { .. } => Duration::ZERO,
        };
        for pause in self.journeys() {
            self.after(held_for + pause, Happening::ToLeader(id, message.clone()));
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
