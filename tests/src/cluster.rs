//! A cluster of one with a registry: what nearly every test starts from.

use std::time::Duration;

use anyhow::Result;

use crate::daemon::Daemon;
use crate::docker::Docker;
use crate::engine::{Engine, Task};
use crate::images::{Image, busybox};
use crate::registry::Registry;
use crate::sandbox::Sandbox;
use crate::wait::{Look, wait_for};

/// Longest wait for what takes at most a few seconds on an idle machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A shell script that ends at once on SIGTERM and does nothing until then.
pub const OBEDIENT: &str = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done";

/// A sandbox with a registry on 127.0.0.1:5000, a daemon that is a swarm, and two ways to talk to it.
///
/// Fields are dropped in this order: the daemon before its sandbox.
#[derive(Debug)]
pub struct Cluster {
    pub engine: Engine,
    pub docker: Docker,
    pub daemon: Daemon,
    pub registry: Registry,
    pub sandbox: Sandbox,
}

impl Cluster {
    /// Starts everything.
    pub fn start() -> Result<Self> {
        let sandbox = Sandbox::new()?;
        let registry = Registry::start(&sandbox)?;
        let (daemon, engine) = Daemon::start_cluster(&sandbox)?;
        let docker = daemon.docker(&sandbox)?;
        Ok(Self { engine, docker, daemon, registry, sandbox })
    }

    /// Pushes an image; returns its full name.
    pub fn push(&self, image: &Image) -> Result<String> {
        self.registry.push(&self.sandbox, image)
    }

    /// Pushes busybox under a tag; returns its full name.
    pub fn busybox(&self, tag: &str) -> Result<String> {
        // The label makes each tag an image of its own, as two versions of a program are.
        self.push(&busybox()?.named("busybox", tag).with("Labels", serde_json::json!({"version": tag})))
    }

    /// Creates a service named `web` of an image that runs [`OBEDIENT`], and waits until it runs.
    pub fn web(&mut self, image: &str, replicas: usize, flags: &[&str]) -> Result<Vec<Task>> {
        let count = replicas.to_string();
        let mut words = vec!["service", "create", "-d", "--name", "web", "--replicas", &count];
        words.extend(["--update-monitor", "500ms", "--rollback-monitor", "500ms"]);
        words.extend(flags);
        words.extend([image, "sh", "-c", OBEDIENT]);
        self.docker.run(&words)?;
        self.running("web", replicas)
    }

    /// Creates a service that runs a shell script once; returns its name. It is not restarted.
    pub fn script(&self, name: &str, flags: &[&str], image: &str, script: &str) -> Result<()> {
        let mut words = vec!["service", "create", "-d", "--name", name, "--restart-condition", "none"];
        words.extend(flags);
        words.extend([image, "sh", "-c", script]);
        self.docker.run(&words).map(drop)
    }

    /// Waits until `count` tasks of a service run.
    pub fn running(&mut self, service: &str, count: usize) -> Result<Vec<Task>> {
        self.engine.wait_running(service, count, PATIENCE, |_| true)
    }

    /// Waits until `count` tasks of a service run with this tag of its image.
    pub fn running_tag(&mut self, service: &str, count: usize, tag: &str) -> Result<Vec<Task>> {
        self.engine.wait_running(service, count, PATIENCE, |task| task.tag() == tag)
    }

    /// Waits until one task of a service is in a state; returns it.
    pub fn task_in(&mut self, service: &str, state: &str) -> Result<Task> {
        wait_for(&format!("a task of {service} to be {state}"), PATIENCE, || {
            let tasks = self.engine.tasks(service, false)?;
            Ok(match tasks.iter().find(|task| task.state == state) {
                Some(task) => Look::Done(task.clone()),
                None => Look::NotYet(crate::engine::describe(&tasks)),
            })
        })
    }

    /// Runs a script to its end in a container and returns what it printed.
    pub fn printed(&mut self, flags: &[&str], image: &str, script: &str) -> Result<String> {
        const NAME: &str = "script";
        self.script(NAME, flags, image, script)?;
        let task = self.task_in(NAME, "complete")?;
        let printed = self.logs(&task.id)?;
        self.engine.remove_service(NAME)?;
        Ok(printed)
    }

    /// Returns everything that a service or task printed, without the names in front.
    pub fn logs(&self, reference: &str) -> Result<String> {
        self.docker.run(&["service", "logs", "--raw", reference])
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the daemon's last words:\n{}", self.daemon.log_tail());
        }
    }
}
