//! The two lists that clients poll: 200 services, and their 2,000 tasks, which wait for a node and so cost nobody anything.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::json;

use super::contender::{Contender, service};
use super::row::{Unit, percentile_99};
use super::{Kind, Rounds, Row, Subject};
use crate::engine::Engine;

const SERVICES: usize = 200;
const TASKS_EACH: usize = 10;
/// Requests of one round, of which one in a hundred is left out.
const REQUESTS: usize = 200;

pub const SUBJECT: Subject = Subject {
    name: "lists",
    method: "200 services of 10 replicas that wait for a node which does not exist. 200 requests for each list, one after \
             the other over one connection, each until its last byte; the 99th percentile is the round's figure.",
    rows: &[
        Row {
            what: "`GET /services` with 200 services, p99",
            unit: Unit::Milliseconds,
            ratio: Some(0.5),
            own: None,
        },
        Row {
            what: "`GET /tasks` with 2,000 tasks, p99",
            unit: Unit::Milliseconds,
            ratio: Some(0.5),
            own: None,
        },
    ],
    rounds: 3,
    start: |kind| Ok(Box::new(Lists(waiting_services(kind, SERVICES, TASKS_EACH)?))),
};

struct Lists(Contender);

impl Rounds for Lists {
    fn round(&mut self) -> Result<Vec<f64>> {
        let engine = &mut self.0.engine;
        Ok(vec![latency(engine, "/services", SERVICES)?, latency(engine, "/tasks", SERVICES * TASKS_EACH)?])
    }
}

/// Starts an engine with services whose tasks wait.
pub fn waiting_services(kind: Kind, count: usize, tasks_each: usize) -> Result<Contender> {
    let mut contender = Contender::start(kind)?;
    let image = contender.busybox()?;
    for number in 0..count {
        let mut spec = service(&format!("service-{number}"), &image, tasks_each, &["sleep", "3600"]);
        spec["TaskTemplate"]["Placement"] = json!({"Constraints": ["node.hostname==nowhere"]});
        contender.engine.create_service(&spec)?;
    }
    Ok(contender)
}

/// Asks for a list again and again; returns the 99th percentile in milliseconds.
fn latency(engine: &mut Engine, path: &str, length: usize) -> Result<f64> {
    let list = engine.get(path)?;
    let found = list.as_array().map_or(0, Vec::len);
    ensure!(found == length, "{path} has {found} rows, expected {length}");
    let mut times = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let started = Instant::now();
        let response = engine.send("GET", path, None)?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
        ensure!(response.status == 200, "GET {path}: {}", response.status);
    }
    Ok(percentile_99(times))
}
