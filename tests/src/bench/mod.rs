//! Skep and dockerd 20.10 on the same work, in the same run, through the same API with the same clients.
//!
//! Each [`Subject`] is measured apart: both engines are started afresh, each in its own sandbox, and take turns, round by
//! round; while one works the other has nothing to do. One file to a subject below; its first lines say what is measured.
//! [`contender`] is an engine under measurement, [`report`] makes the page.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

pub mod chatter;
mod client;
mod contender;
mod exec;
mod launch;
mod lists;
mod logs;
mod pull;
mod report;
mod rollout;
mod row;

pub use contender::Kind;
pub use report::{Report, page};
pub use row::Row;

/// Everything that is measured, in the order of the page.
pub const SUBJECTS: [&Subject; 7] = [
    &rollout::SUBJECT,
    &launch::SUBJECT,
    &lists::SUBJECT,
    &client::SUBJECT,
    &exec::SUBJECT,
    &logs::SUBJECT,
    &pull::SUBJECT,
];

/// Something to measure.
#[derive(Debug)]
pub struct Subject {
    /// The word for `--only`.
    pub name: &'static str,
    /// How it is measured: a sentence or two of the page.
    pub method: &'static str,
    pub rows: &'static [Row],
    /// Rounds of which the median counts, unless the caller wants another number.
    pub rounds: usize,
    /// Starts an engine and prepares it.
    pub start: fn(Kind) -> Result<Box<dyn Rounds>>,
}

/// A prepared engine.
pub trait Rounds {
    /// Measures once; returns one figure for each row.
    fn round(&mut self) -> Result<Vec<f64>>;
}

/// What to measure.
#[derive(Debug, Clone)]
pub struct Options {
    pub kinds: Vec<Kind>,
    pub subjects: Vec<&'static Subject>,
    pub rounds: Option<usize>,
}

/// Measures every subject; `progress` hears what goes on.
pub fn measure(options: &Options, mut progress: impl FnMut(&str)) -> Result<Report> {
    let mut report = Report::begin()?;
    for subject in &options.subjects {
        let figures = contest(subject, options, &mut progress).with_context(|| subject.name.to_owned())?;
        report.add(subject, figures);
    }
    Ok(report)
}

/// The rounds of each contender.
pub type Figures = BTreeMap<Kind, Vec<Vec<f64>>>;

fn contest(subject: &Subject, options: &Options, progress: &mut impl FnMut(&str)) -> Result<Figures> {
    let mut contenders = Vec::new();
    for kind in &options.kinds {
        progress(&format!("{}: preparing {kind}", subject.name));
        let contender = (subject.start)(*kind).with_context(|| format!("cannot prepare {kind}"))?;
        contenders.push((*kind, contender));
    }
    let mut figures = Figures::new();
    for number in 1..=options.rounds.unwrap_or(subject.rounds) {
        for (kind, contender) in &mut contenders {
            let round = contender.round().with_context(|| format!("{kind}, round {number}"))?;
            ensure!(
                round.len() == subject.rows.len(),
                "{} figures for {} rows",
                round.len(),
                subject.rows.len()
            );
            let shown: Vec<String> =
                round.iter().zip(subject.rows).map(|(value, row)| row.show(*value)).collect();
            progress(&format!("{}: round {number}, {kind}: {}", subject.name, shown.join(", ")));
            figures.entry(*kind).or_default().push(round);
        }
    }
    Ok(figures)
}
