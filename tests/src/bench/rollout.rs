//! A service of 20: created, updated one at a time, updated five at a time; and the memory of everything beside its
//! processes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::contender::{Contender, LIMIT, OBEDIENT, PAUSE, service};
use super::row::{Bound, Unit};
use super::{Rounds, Row, Subject};
use crate::engine::describe;
use crate::sandbox::Inmate;

const NAME: &str = "bench";
const REPLICAS: usize = 20;
const MEBIBYTE: f64 = 1_048_576.0;

pub const SUBJECT: Subject = Subject {
    name: "rollout",
    method: "A service of 20 replicas whose process ends at once on SIGTERM. Creation and update last from the POST to the \
             moment when every task of the new version is RUNNING, by a poller that looks every 5 ms. Memory is read from \
             `/proc/PID/smaps_rollup` while all tasks run.",
    rows: &[
        Row {
            what: "`service create`, 20 replicas, POST to the last task RUNNING",
            unit: Unit::Seconds,
            ratio: Some(0.15),
            own: None,
        },
        Row {
            what: "rolling update of 20, parallelism 1, delay 0",
            unit: Unit::Seconds,
            ratio: Some(0.06),
            own: None,
        },
        Row {
            what: "rolling update of 20, parallelism 5, delay 0",
            unit: Unit::Seconds,
            ratio: Some(0.10),
            own: None,
        },
        Row {
            what: "resident memory of the daemon (dockerd + containerd) with 20 tasks",
            unit: Unit::Mebibytes,
            ratio: Some(0.15),
            own: None,
        },
        Row {
            what: "private memory per container beside its process (shim)",
            unit: Unit::Mebibytes,
            ratio: Some(0.15),
            own: Some(Bound::AtMost(1.0)),
        },
    ],
    rounds: 3,
    start: |kind| {
        let mut contender = Contender::start(kind)?;
        let image = contender.busybox()?;
        contender.warm_up(&image)?;
        Ok(Box::new(Rollout { contender, image }))
    },
};

struct Rollout {
    contender: Contender,
    image: String,
}

impl Rounds for Rollout {
    fn round(&mut self) -> Result<Vec<f64>> {
        let started = Instant::now();
        self.contender.engine.create_service(&service(
            NAME,
            &self.image,
            REPLICAS,
            &["sh", "-c", OBEDIENT],
        ))?;
        let create = self.wait_generation(0, started)?;
        let daemon = memory(&self.contender.daemons()?, &["Rss"])?;
        let shims = self.contender.shims()?;
        ensure!(shims.len() == REPLICAS, "{} shims for {REPLICAS} tasks", shims.len());
        let beside = [shims, self.contender.helpers()?].concat();
        let shim = memory(&beside, &["Private_Clean", "Private_Dirty"])? / REPLICAS as f64;
        let update_one = self.update(1, 1)?;
        let update_five = self.update(5, 2)?;
        self.contender.engine.remove_service(NAME)?;
        Ok(vec![create.as_secs_f64(), update_one.as_secs_f64(), update_five.as_secs_f64(), daemon, shim])
    }
}

impl Rollout {
    /// Replaces every task and waits until all of the new generation run.
    fn update(&mut self, parallelism: u64, generation: u64) -> Result<Duration> {
        let started = Instant::now();
        self.contender.engine.update_service(NAME, |spec| {
            spec["TaskTemplate"]["ForceUpdate"] = json!(generation);
            spec["UpdateConfig"]["Parallelism"] = json!(parallelism);
        })?;
        let lasted = self.wait_generation(generation, started)?;
        // The engine goes on for its monitor period; the next step must not begin in the middle of that.
        self.contender.engine.wait_update(NAME, "completed", LIMIT)?;
        Ok(lasted)
    }

    /// Polls the tasks until all that should run do, and all are of this generation.
    fn wait_generation(&mut self, generation: u64, started: Instant) -> Result<Duration> {
        loop {
            let tasks = self.contender.engine.tasks(NAME, true)?;
            let lasted = started.elapsed();
            let is_new = |raw: &Value| raw["Spec"]["ForceUpdate"].as_u64().unwrap_or_default() == generation;
            if tasks.len() == REPLICAS
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
}

/// Sums fields of the memory of some processes, in MiB.
fn memory(inmates: &[Inmate], fields: &[&str]) -> Result<f64> {
    let mut bytes = 0;
    for inmate in inmates {
        for field in fields {
            bytes += inmate.memory(field).with_context(|| format!("memory of {}", inmate.program()))?;
        }
    }
    Ok(bytes as f64 / MEBIBYTE)
}
