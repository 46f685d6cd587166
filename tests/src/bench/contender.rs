//! One engine under measurement: started, warmed up, and put through a round.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::Round;
use crate::daemon::Daemon;
use crate::engine::{Engine, describe};
use crate::images::busybox;
use crate::oracle::Oracle;
use crate::registry::Registry;
use crate::sandbox::{Inmate, Sandbox};

/// Pause between two looks at the tasks: the same for everybody, short beside what is measured.
const PAUSE: Duration = Duration::from_millis(5);

/// Longest time for one measured step; dockerd needs about 40 s for the slowest.
const LIMIT: Duration = Duration::from_secs(300);

/// Ends at once on SIGTERM, and waits without using a processor until then.
const SCRIPT: &str = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done";

/// Name of the measured service.
const SERVICE: &str = "bench";

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Skep,
    Dockerd,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Skep => "skep",
            Self::Dockerd => "dockerd",
        })
    }
}

/// A running engine. Fields are dropped in this order: the engine before its sandbox.
#[derive(Debug)]
pub struct Contender {
    kind: Kind,
    engine: Engine,
    _program: Running,
    _registry: Registry,
    image: String,
    sandbox: Sandbox,
}

/// Keeps the daemon alive.
#[derive(Debug)]
enum Running {
    Skep { _daemon: Daemon },
    Dockerd { _oracle: Oracle },
}

impl Contender {
    /// Starts the engine as a cluster of one and makes the image local to it.
    pub fn start(kind: Kind) -> Result<Self> {
        let sandbox = Sandbox::new()?;
        let registry = Registry::start(&sandbox)?;
        let image = busybox()?;
        let name = registry.push(&sandbox, &image)?;
        let (program, engine) = match kind {
            Kind::Skep => {
                let (daemon, engine) = Daemon::start_cluster(&sandbox)?;
                (Running::Skep { _daemon: daemon }, engine)
            }
            Kind::Dockerd => {
                let (oracle, engine) = Oracle::start(&sandbox)?;
                (Running::Dockerd { _oracle: oracle }, engine)
            }
        };
        let image = format!("{name}@{}", image.digest());
        let mut contender = Self { kind, engine, _program: program, _registry: registry, image, sandbox };
        contender.warm_up()?;
        Ok(contender)
    }

    /// Returns which engine this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Runs one task once: the image is local afterwards and every code path has been taken.
    fn warm_up(&mut self) -> Result<()> {
        let started = Instant::now();
        self.engine.create_service(&self.spec(1))?;
        self.wait_generation(1, 0, started)?;
        self.engine.remove_service(SERVICE)
    }

    /// Creates a service, measures its memory, updates it twice and removes it.
    pub fn round(&mut self, replicas: usize) -> Result<Round> {
        let started = Instant::now();
        self.engine.create_service(&self.spec(replicas))?;
        let create = self.wait_generation(replicas, 0, started)?;
        let daemon_bytes = sum(&self.daemons()?, &["Rss"])?;
        let shims = self.shims()?;
        ensure!(shims.len() == replicas, "{} shims for {replicas} tasks", shims.len());
        let shim_bytes =
            sum(&[shims, self.helpers()?].concat(), &["Private_Clean", "Private_Dirty"])? / replicas as u64;
        let update_one = self.update(replicas, 1, 1)?;
        let update_five = self.update(replicas, 5, 2)?;
        self.engine.remove_service(SERVICE)?;
        Ok(Round { create, update_one, update_five, daemon_bytes, shim_bytes })
    }

    /// Replaces every task and waits until all of the new generation run.
    fn update(&mut self, replicas: usize, parallelism: u64, generation: u64) -> Result<Duration> {
        let started = Instant::now();
        self.engine.update_service(SERVICE, |spec| {
            spec["TaskTemplate"]["ForceUpdate"] = json!(generation);
            spec["UpdateConfig"]["Parallelism"] = json!(parallelism);
        })?;
        let lasted = self.wait_generation(replicas, generation, started)?;
        // The engine goes on for its monitor period; the next step must not begin in the middle of that.
        self.engine.wait_update(SERVICE, "completed", LIMIT)?;
        Ok(lasted)
    }

    /// Polls the tasks until all that should run do, and all are of this generation.
    fn wait_generation(&mut self, replicas: usize, generation: u64, started: Instant) -> Result<Duration> {
        loop {
            let tasks = self.engine.tasks(SERVICE, true)?;
            let lasted = started.elapsed();
            let is_new = |raw: &Value| raw["Spec"]["ForceUpdate"].as_u64().unwrap_or_default() == generation;
            if tasks.len() == replicas
                && tasks.iter().all(|task| task.state == "running" && is_new(&task.raw))
            {
                return Ok(lasted);
            }
            if lasted > LIMIT {
                bail!("not running after {LIMIT:?}: {}", describe(&tasks));
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn spec(&self, replicas: usize) -> Value {
        json!({
            "Name": SERVICE,
            // Skep is measured at Swarm's own pacing; to dockerd it is a label like any other.
            "Labels": { "skep.profile": "swarm" },
            "Mode": {"Replicated": {"Replicas": replicas}},
            "TaskTemplate": {"ContainerSpec": {"Image": self.image, "Command": ["sh", "-c", SCRIPT]}},
            "UpdateConfig": {"Parallelism": 1, "Delay": 0},
        })
    }

    fn daemons(&self) -> Result<Vec<Inmate>> {
        match self.kind {
            Kind::Dockerd => Oracle::daemons(&self.sandbox),
            Kind::Skep => Daemon::processes(&self.sandbox, "daemon"),
        }
    }

    /// Lists what serves all shims and is no daemon: its memory is shared out among the containers.
    fn helpers(&self) -> Result<Vec<Inmate>> {
        match self.kind {
            Kind::Dockerd => Ok(Vec::new()),
            Kind::Skep => Daemon::processes(&self.sandbox, "shim-nursery"),
        }
    }

    fn shims(&self) -> Result<Vec<Inmate>> {
        match self.kind {
            Kind::Dockerd => Oracle::shims(&self.sandbox),
            Kind::Skep => Daemon::shims(&self.sandbox),
        }
    }
}

fn sum(inmates: &[Inmate], fields: &[&str]) -> Result<u64> {
    ensure!(!inmates.is_empty(), "no such process");
    let mut bytes = 0;
    for inmate in inmates {
        for field in fields {
            bytes += inmate.memory(field).with_context(|| format!("memory of {}", inmate.program()))?;
        }
    }
    Ok(bytes)
}
