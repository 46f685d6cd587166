//! Many containers at once: a service of 100, from its POST to the last task RUNNING.

use std::time::Instant;

use anyhow::{Result, bail};

use super::contender::{Contender, LIMIT, OBEDIENT, PAUSE, service};
use super::row::{Bound, Unit};
use super::{Rounds, Row, Subject};
use crate::engine::describe;

const NAME: &str = "crowd";
const REPLICAS: usize = 100;

pub const SUBJECT: Subject = Subject {
    name: "launch",
    method: "A service of 100 replicas of a local image, from the POST to the last task RUNNING: scheduling, network, image \
             and state are all in it. The engine decides how many it prepares at a time (Skep: 8).",
    rows: &[Row {
        what: "containers created and started per second, 100 in one service",
        unit: Unit::PerSecond,
        ratio: None,
        own: Some(Bound::AtLeast(60.0)),
    }],
    rounds: 3,
    start: |kind| {
        let mut contender = Contender::start(kind)?;
        let image = contender.busybox()?;
        contender.warm_up(&image)?;
        Ok(Box::new(Launch { contender, image }))
    },
};

struct Launch {
    contender: Contender,
    image: String,
}

impl Rounds for Launch {
    fn round(&mut self) -> Result<Vec<f64>> {
        let engine = &mut self.contender.engine;
        let started = Instant::now();
        engine.create_service(&service(NAME, &self.image, REPLICAS, &["sh", "-c", OBEDIENT]))?;
        let lasted = loop {
            let tasks = engine.tasks(NAME, true)?;
            let lasted = started.elapsed();
            if tasks.len() == REPLICAS && tasks.iter().all(|task| task.state == "running") {
                break lasted;
            }
            if lasted > LIMIT {
                bail!("not running after {LIMIT:?}: {}", describe(&tasks));
            }
            std::thread::sleep(PAUSE);
        };
        engine.remove_service(NAME)?;
        Ok(vec![REPLICAS as f64 / lasted.as_secs_f64()])
    }
}
