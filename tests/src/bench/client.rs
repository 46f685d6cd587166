//! The command line: how long `skep` takes where the docker client takes its time.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::contender::{Contender, Kind};
use super::lists::waiting_services;
use super::row::{Bound, Spread, Unit};
use super::{Rounds, Row, Subject};
use crate::daemon::binary;
use crate::docker::Docker;

const SERVICES: usize = 100;
/// Runs of a command in one round, of which the median counts.
const RUNS: usize = 40;

pub const SUBJECT: Subject = Subject {
    name: "client",
    method: "From the start of the program to its end, output into a pipe; the median of 40 runs is the round's figure. `skep` \
             asks Skep; docker's client (28.2) asks dockerd.",
    rows: &[
        Row {
            what: "`--version`: start of the client without a daemon",
            unit: Unit::Milliseconds,
            ratio: None,
            own: Some(Bound::AtMost(10.0)),
        },
        Row { what: "`service ls` with 100 services", unit: Unit::Milliseconds, ratio: Some(0.5), own: None },
    ],
    rounds: 3,
    start: |kind| {
        let contender = waiting_services(kind, SERVICES, 1)?;
        let program = match kind {
            Kind::Skep => binary()?,
            Kind::Dockerd => PathBuf::from("docker"),
        };
        let client = Docker::with_program(&contender.sandbox, &contender.socket(), &program)?;
        Ok(Box::new(Client { client, _contender: contender }))
    },
};

struct Client {
    client: Docker,
    _contender: Contender,
}

impl Rounds for Client {
    fn round(&mut self) -> Result<Vec<f64>> {
        Ok(vec![self.time(&["--version"], 1)?, self.time(&["service", "ls"], SERVICES + 1)?])
    }
}

impl Client {
    /// Runs a command that prints so many lines; returns the median in milliseconds.
    fn time(&self, words: &[&str], line_count: usize) -> Result<f64> {
        let mut times = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            let mut command: Command = self.client.command(words);
            command.env_remove("DOCKER_CONTEXT").stdin(Stdio::null());
            let started = Instant::now();
            let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
            times.push(started.elapsed().as_secs_f64() * 1000.0);
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{command:?}: {said}");
            let found = output.stdout.split_inclusive(|byte| *byte == b'\n').count();
            ensure!(found == line_count, "{command:?} printed {found} lines, expected {line_count}");
        }
        Ok(Spread::of(times).context("a command was timed")?.median)
    }
}
