//! A command in a running container: `docker exec CONTAINER true`, as its client asks for it.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::contender::{Contender, OBEDIENT};
use super::row::{Spread, Unit};
use super::{Rounds, Row, Subject};

/// Commands of one round, of which the median counts.
const RUNS: usize = 50;

pub const SUBJECT: Subject = Subject {
    name: "exec",
    method: "Three requests over the API, as `docker exec` makes them: create, start with the output read to its end, \
             inspect for the exit code. The median of 50 is the round's figure.",
    rows: &[Row {
        what: "`exec` of `true` in a running container",
        unit: Unit::Milliseconds,
        ratio: Some(0.4),
        own: None,
    }],
    rounds: 3,
    start: |kind| {
        let mut contender = Contender::start(kind)?;
        let image = contender.busybox()?;
        let (_, container) = contender.run_one("host", &image, &["sh", "-c", OBEDIENT])?;
        let mut exec = Exec { contender, container };
        exec.once()?;
        Ok(Box::new(exec))
    },
};

struct Exec {
    contender: Contender,
    container: String,
}

impl Rounds for Exec {
    fn round(&mut self) -> Result<Vec<f64>> {
        let mut times = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            let started = Instant::now();
            self.once()?;
            times.push(started.elapsed().as_secs_f64() * 1000.0);
        }
        Ok(vec![Spread::of(times).context("a command was timed")?.median])
    }
}

impl Exec {
    /// Runs the command to its end.
    fn once(&mut self) -> Result<()> {
        let engine = &mut self.contender.engine;
        let spec = json!({"AttachStdout": true, "AttachStderr": true, "Cmd": ["true"]});
        let created = engine.send("POST", &format!("/containers/{}/exec", self.container), Some(&spec))?;
        ensure!(created.status == 201, "exec create: {} {}", created.status, created.text());
        let id = created.json()?["Id"].as_str().context("an exec has an id")?.to_owned();
        let started = engine.send(
            "POST",
            &format!("/exec/{id}/start"),
            Some(&json!({"Detach": false, "Tty": false})),
        )?;
        ensure!(started.status == 200, "exec start: {} {}", started.status, started.text());
        ensure!(started.body.is_empty(), "`true` said {:?}", started.text());
        let seen = engine.get(&format!("/exec/{id}/json"))?;
        ensure!(seen["ExitCode"] == 0, "exec inspect: {seen}");
        Ok(())
    }
}
