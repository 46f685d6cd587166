//! Skep and dockerd 20.10 on the same work, in the same run, through the same API with the same poller.
//!
//! Both daemons are up all the time, each in its own sandbox; they take turns, and while one works the other
//! has no task. The image is local and named by digest, so nobody asks a registry. Its process ends at once
//! on SIGTERM, so a stop costs what the engine makes of it. Read [`contender`] for what is measured and
//! [`report`] for how it is written down.

use std::time::Duration;

use anyhow::{Context, Result};

mod contender;
mod report;

pub use contender::{Contender, Kind};
pub use report::{Report, markdown};

/// How much to measure.
#[derive(Debug, Clone)]
pub struct Options {
    pub kinds: Vec<Kind>,
    /// Rounds, of which the median counts.
    pub rounds: usize,
    pub replicas: usize,
}

/// What one contender showed in one round.
#[derive(Debug, Clone, Copy, Default)]
pub struct Round {
    /// POST of the service to the last task running.
    pub create: Duration,
    /// POST of an update to the last new task running, one task at a time without delay.
    pub update_one: Duration,
    /// The same, five tasks at a time.
    pub update_five: Duration,
    /// Resident memory of the daemons while the tasks run, bytes.
    pub daemon_bytes: u64,
    /// Private memory of all processes beside the containers' own, per task, bytes.
    pub shim_bytes: u64,
}

/// Measures every contender, round by round in turn; `progress` hears what goes on.
pub fn measure(options: &Options, mut progress: impl FnMut(&str)) -> Result<Report> {
    let mut contenders = Vec::new();
    for kind in &options.kinds {
        progress(&format!("starting {kind}"));
        contenders.push(Contender::start(*kind).with_context(|| format!("cannot start {kind}"))?);
    }
    let mut report = Report::new(options);
    for number in 1..=options.rounds {
        for contender in &mut contenders {
            let kind = contender.kind();
            let round =
                contender.round(options.replicas).with_context(|| format!("{kind}, round {number}"))?;
            progress(&format!(
                "round {number}, {kind}: create {:.2?}, update {:.2?}, by five {:.2?}",
                round.create, round.update_one, round.update_five
            ));
            report.add(kind, round);
        }
    }
    Ok(report)
}
