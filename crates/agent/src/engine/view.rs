//! Containers for those who only look: what `docker ps` and `docker inspect` show.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use skep_core::worker::Exit;
use skep_core::worker::health::Health;
use skep_model::{Task, TaskId, Timestamp};

use super::{Engine, EngineError, Known};
use crate::container;
use crate::record::ContainerRecord;

/// Health checks kept for each container, as in Docker.
const PROBES_MAX: usize = 5;

/// A container as it is now.
#[derive(Clone, Debug)]
pub struct ContainerView {
    pub record: Arc<ContainerRecord>,
    pub started_at: Option<Timestamp>,
    /// How and when it ended.
    pub ended: Option<(Exit, Timestamp)>,
    /// Of its first process; 0 if that does not run.
    pub pid: i32,
    /// The one it holds now.
    pub address: Option<Ipv4Addr>,
    /// `None` without a health check.
    pub health: Option<HealthView>,
}

/// What its health checks say.
#[derive(Clone, Debug)]
pub struct HealthView {
    pub health: Health,
    /// Oldest first.
    pub probes: Vec<HealthProbe>,
}

/// One health check that was run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthProbe {
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    /// -1 if it did not end by itself.
    pub exit_code: i32,
    pub output: String,
}

/// The last health checks of a container.
#[derive(Clone, Debug, Default)]
pub(super) struct Probes(VecDeque<HealthProbe>);

impl Probes {
    pub(super) fn add(&mut self, probe: HealthProbe) {
        if self.0.len() == PROBES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(probe);
    }
}

/// Where a container's files are on this node.
#[derive(Clone, Debug)]
pub struct ContainerPaths {
    pub resolv_conf: PathBuf,
    pub hosts: PathBuf,
    pub hostname: PathBuf,
    pub log: PathBuf,
    pub netns: PathBuf,
}

impl Engine {
    /// Returns the containers there are.
    pub fn containers(&self) -> Vec<ContainerView> {
        let known: Vec<Known> = self.known().values().cloned().collect();
        known.iter().map(Known::view).collect()
    }

    /// Returns where the files of a task's container are.
    pub fn paths(&self, id: TaskId) -> Result<ContainerPaths, EngineError> {
        let known = self.find(id)?;
        let dir = self.task_dir(id);
        Ok(ContainerPaths {
            resolv_conf: dir.join("resolv.conf"),
            hosts: dir.join("hosts"),
            hostname: dir.join("hostname"),
            log: known.handle.log_path(),
            netns: self.config.exec_root.join("netns").join(id.to_string()),
        })
    }

    /// Returns the task that a container was made for, with its placeholders filled in, if it is still remembered.
    pub fn task(&self, id: TaskId) -> Result<Option<Task>, EngineError> {
        let Some(task) = self.remembered_task(id)? else { return Ok(None) };
        let expanded = container::expanded(&task, &crate::hostname(), &crate::describe::platform());
        // What cannot be filled in was refused when the container was to be made; it is shown as it is.
        Ok(Some(expanded.unwrap_or_else(|_| (*task).clone())))
    }

    /// Notes what the worker makes of a container's health checks.
    pub(crate) fn note_health(&self, id: TaskId, health: Option<Health>) {
        if let Ok(known) = self.find(id) {
            known.life().health = health;
        }
    }
}

impl Known {
    fn view(&self) -> ContainerView {
        let life = self.life();
        let probes = || life.probes.0.iter().cloned().collect();
        let is_running = life.ended.is_none() && life.started_at.is_some();
        ContainerView {
            record: self.record.clone(),
            started_at: life.started_at,
            ended: life.ended.clone(),
            pid: if is_running { self.handle.pid().unwrap_or_default() } else { 0 },
            address: life.address,
            health: life.health.map(|health| HealthView { health, probes: probes() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_probes_are_kept() {
        let mut probes = Probes::default();
        for exit_code in 0..8 {
            let at = Timestamp::default();
            probes.add(HealthProbe { started_at: at, ended_at: at, exit_code, output: String::new() });
        }
        assert_eq!(probes.0.iter().map(|probe| probe.exit_code).collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
    }
}
