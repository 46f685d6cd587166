//! One engine under measurement: a cluster of one in a sandbox of its own, with busybox in a registry beside it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::daemon::{Daemon, binary};
use crate::engine::Engine;
use crate::images::{Image, busybox};
use crate::oracle::Oracle;
use crate::registry::Registry;
use crate::sandbox::{Inmate, Sandbox};

/// Pause between two looks: the same for everybody, short beside what is measured.
pub const PAUSE: Duration = Duration::from_millis(5);

/// Longest time for one measured step; dockerd needs about 40 s for the slowest.
pub const LIMIT: Duration = Duration::from_secs(300);

/// Ends at once on SIGTERM, and waits without using a processor until then.
pub const OBEDIENT: &str = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done";

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    pub kind: Kind,
    pub engine: Engine,
    program: Running,
    registry: Registry,
    pub sandbox: Sandbox,
}

/// Keeps the daemon alive.
#[derive(Debug)]
enum Running {
    Skep(Daemon),
    Dockerd(Oracle),
}

impl Contender {
    /// Starts the engine, with the log level that it has by default.
    pub fn start(kind: Kind) -> Result<Self> {
        let sandbox = Sandbox::new()?;
        let registry = Registry::start(&sandbox)?;
        let (program, engine) = match kind {
            Kind::Skep => {
                let daemon = Daemon::start_with(&sandbox, &binary()?, &["--log-level=info"])?;
                let mut engine = daemon.engine()?;
                engine.swarm_init()?;
                (Running::Skep(daemon), engine)
            }
            Kind::Dockerd => {
                let (oracle, engine) = Oracle::start(&sandbox)?;
                (Running::Dockerd(oracle), engine)
            }
        };
        Ok(Self { kind, engine, program, registry, sandbox })
    }

    /// Pushes an image; returns its name with its digest, so that nobody asks the registry again once it is local.
    pub fn push(&self, image: &Image) -> Result<String> {
        Ok(format!("{}@{}", self.registry.push(&self.sandbox, image)?, image.digest()))
    }

    /// Pushes busybox; returns its name with its digest.
    pub fn busybox(&self) -> Result<String> {
        self.push(&busybox()?)
    }

    /// Runs one task once: the image is local afterwards and every code path has been taken.
    pub fn warm_up(&mut self, image: &str) -> Result<()> {
        self.engine.create_service(&service("warm-up", image, 1, &["sh", "-c", OBEDIENT]))?;
        self.engine.wait_running("warm-up", 1, LIMIT, |_| true)?;
        self.engine.remove_service("warm-up")
    }

    /// Starts a service of one task; returns its task's id and its container's.
    pub fn run_one(&mut self, name: &str, image: &str, command: &[&str]) -> Result<(String, String)> {
        self.engine.create_service(&service(name, image, 1, command))?;
        let tasks = self.engine.wait_running(name, 1, LIMIT, |_| true)?;
        let task = tasks.into_iter().next().context("a running task")?;
        Ok((task.id, task.container))
    }

    /// Returns the path of the API's socket.
    pub fn socket(&self) -> PathBuf {
        match &self.program {
            Running::Skep(daemon) => daemon.socket().to_owned(),
            Running::Dockerd(oracle) => oracle.socket().to_owned(),
        }
    }

    /// Lists the daemons.
    pub fn daemons(&self) -> Result<Vec<Inmate>> {
        let found = match self.kind {
            Kind::Dockerd => Oracle::daemons(&self.sandbox),
            Kind::Skep => Daemon::processes(&self.sandbox, "daemon"),
        }?;
        ensure!(!found.is_empty(), "no daemon");
        Ok(found)
    }

    /// Lists the processes that stand beside containers, one to a container.
    pub fn shims(&self) -> Result<Vec<Inmate>> {
        match self.kind {
            Kind::Dockerd => Oracle::shims(&self.sandbox),
            Kind::Skep => Daemon::shims(&self.sandbox),
        }
    }

    /// Lists what serves all shims and is no daemon: its memory is shared out among the containers.
    pub fn helpers(&self) -> Result<Vec<Inmate>> {
        match self.kind {
            Kind::Dockerd => Ok(Vec::new()),
            Kind::Skep => Daemon::processes(&self.sandbox, "shim-nursery"),
        }
    }

    /// Returns the processor time that the engine has used so far, all its processes together.
    pub fn processor_time(&self) -> Result<Duration> {
        let all = [self.daemons()?, self.shims()?, self.helpers()?].concat();
        all.iter().map(Inmate::processor_time).sum()
    }
}

/// Returns a service that is paced as Swarm does it: to dockerd the label is one like any other.
pub fn service(name: &str, image: &str, replicas: usize, command: &[&str]) -> Value {
    json!({
        "Name": name,
        "Labels": { "skep.profile": "swarm" },
        "Mode": {"Replicated": {"Replicas": replicas}},
        "TaskTemplate": {"ContainerSpec": {"Image": image, "Command": command}},
        "UpdateConfig": {"Parallelism": 1, "Delay": 0},
    })
}
