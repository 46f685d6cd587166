//! What breaks, and how it heals.

use std::collections::BTreeSet;

use skep_model::NodeId;

use super::{Happening, LOOK_EVERY, Phase, QUIET_FOR, World};
use crate::Broken;
use crate::profile::Network;

impl World<'_> {
    /// Breaks one thing, and comes back later while the phase lasts.
    pub(super) fn break_something(&mut self) -> Result<(), Broken> {
        let Some(average) = self.profile.fault_every.filter(|_| self.phase == Phase::Turbulent) else {
            return Ok(());
        };
        let ids: Vec<_> = self.machines.keys().copied().collect();
        if ids.is_empty() {
            return Ok(());
        }
        let id = self.fault_dice.pick(&ids);
        match self.fault_dice.number(0, 11) {
            0..=3 => self.depose()?,
            4..=5 => self.kill_agent(id),
            6..=7 => self.isolate(id),
            8..=9 => self.cut_power(id),
            _ => self.hold_reports(id),
        }
        let pause = average.mul_f64(self.fault_dice.number(10, 200) as f64 / 100.0);
        self.after(pause, Happening::Break);
        Ok(())
    }

    fn kill_agent(&mut self, id: NodeId) {
        let Some(machine) = self.machines.get_mut(&id).filter(|machine| machine.has_agent()) else { return };
        machine.lose_agent();
        self.summary.count("agent restarts");
        self.trace.note(self.now, || format!("agent of {} killed", machine.name()));
        let outage = self.fault_dice.pick(&[10, 2_000, 40_000]);
        let outage = self.fault_dice.millis(0, outage);
        self.after(outage, Happening::StartAgent(id));
    }

    fn isolate(&mut self, id: NodeId) {
        let Some(machine) = self.machines.get_mut(&id).filter(|machine| !machine.is_isolated) else { return };
        machine.is_isolated = true;
        self.summary.count("nodes lost");
        self.trace.note(self.now, || format!("{} isolated", machine.name()));
        let outage = self.fault_dice.pick(&[500, 5_000, 60_000]);
        let outage = self.fault_dice.millis(0, outage);
        self.after(outage, Happening::Rejoin(id));
    }

    pub(super) fn rejoin(&mut self, id: NodeId) -> Result<(), Broken> {
        let is_lost = self.lost() == Some(id);
        let Some(machine) = self.machines.get_mut(&id).filter(|_| !is_lost) else { return Ok(()) };
        machine.is_isolated = false;
        self.trace.note(self.now, || format!("{} rejoins", machine.name()));
        Ok(())
    }

    fn cut_power(&mut self, id: NodeId) {
        let Some(machine) = self.machines.get_mut(&id).filter(|machine| machine.has_power()) else { return };
        machine.lose_power();
        self.summary.count("nodes lost");
        self.trace.note(self.now, || format!("{} loses power", machine.name()));
        let outage = self.fault_dice.pick(&[1_000, 10_000, 90_000]);
        let outage = self.fault_dice.millis(0, outage);
        self.after(outage, Happening::StartAgent(id));
    }

    /// What becomes of its tasks is told late, though the node is there.
    fn hold_reports(&mut self, id: NodeId) {
        let Some(machine) = self.machines.get_mut(&id) else { return };
        let longest = self.fault_dice.pick(&[2_000, 8_000, 20_000]);
        machine.reports_from = self.now + self.fault_dice.millis(0, longest);
        self.summary.count("reports held back");
        self.trace.note(self.now, || format!("{} reports late", machine.name()));
    }

    /// Ends the turbulence: everything works from here on, but for a node that is lost for good.
    pub(super) fn heal(&mut self) -> Result<(), Broken> {
        self.network = Network::QUIET;
        let can_lose = self.profile.loses_a_node && self.machines.len() > 1;
        let lost = self.machines.keys().next().copied().filter(|_| can_lose);
        self.trace.note(self.now, || format!("all heals, lost for good: {}", lost.is_some()));
        let ids: Vec<_> = self.machines.keys().copied().collect();
        for id in ids {
            let machine = self.machines.get_mut(&id).expect("a machine of the world");
            machine.engine.heal();
            machine.reports_from = self.now;
            machine.is_isolated = lost == Some(id);
            if machine.is_isolated {
                machine.lose_power();
            } else {
                self.start_agent(id)?;
            }
        }
        let until = self.now + QUIET_FOR;
        self.phase = Phase::Quiet { until, settled: BTreeSet::new(), lost };
        self.profile.drop_percent = 0;
        self.elect()?;
        self.after(LOOK_EVERY, Happening::Look);
        Ok(())
    }
}
