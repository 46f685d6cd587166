#![forbid(unsafe_code)]
//! `cargo xtask compare`: the same commands to dockerd 20.10 and to Skep, expecting the same answers.
//!
//!     compare [--record | --recorded] [--client skep] [--show] [SCRIPT…]
//!
//! Plays the scripts of `tests/compare/` (all, or those named) to both. `--record` plays dockerd alone and writes down
//! what it answers; `--recorded` plays Skep alone, against what is written down, as `make test` does; `--client skep`
//! types `skep` in place of docker's client; `--show` prints what Skep answered.

use std::process::ExitCode;

use anyhow::{Result, bail};
use skep_tests::compare::{self, Client, Host, Script, Transcript, play_all};

#[derive(Default)]
struct Options {
    record: bool,
    recorded: bool,
    show: bool,
    skep: bool,
    names: Vec<String>,
}

fn main() -> Result<ExitCode> {
    let options = parse(std::env::args().skip(1))?;
    let scripts = compare::script::load(&options.names)?;
    if options.record {
        return record(&scripts);
    }
    let mut complaints = compare::transcript::leftovers()?;
    if !options.recorded {
        complaints.extend(outdated(&scripts)?);
    }
    let client = if options.skep { Client::Skep } else { Client::Docker };
    let skep = play_all(&scripts, Host::Skep, client);
    if options.show {
        skep.transcripts.iter().for_each(|transcript| print!("{}", transcript.render()));
    }
    complaints.extend(compare::complaints(&skep, client, options.names.is_empty())?);
    for complaint in &complaints {
        println!("{complaint}");
    }
    let steps: usize = skep.transcripts.iter().map(|transcript| transcript.steps.len()).sum();
    println!("{} scripts, {steps} commands, {} differences", scripts.len(), complaints.len());
    Ok(if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes down what dockerd answers.
fn record(scripts: &[Script]) -> Result<ExitCode> {
    let dockerd = play_all(scripts, Host::Dockerd, Client::Docker);
    for transcript in &dockerd.transcripts {
        transcript.save()?;
        println!("recorded {} commands of {}", transcript.steps.len(), transcript.name);
    }
    for failure in &dockerd.failures {
        println!("not recorded: {failure}");
    }
    Ok(if dockerd.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Names what dockerd answers otherwise than it is written down.
fn outdated(scripts: &[Script]) -> Result<Vec<String>> {
    let dockerd = play_all(scripts, Host::Dockerd, Client::Docker);
    let mut complaints = dockerd.failures;
    for transcript in dockerd.transcripts {
        let recorded = Transcript::load(&transcript.name)?;
        let mut seen = compare::meant::Seen::default();
        let verdict = compare::judge(&recorded, (&transcript, Client::Docker), &[], &mut seen);
        complaints.extend(verdict.complaints.into_iter().map(|complaint| format!("dockerd: {complaint}")));
    }
    Ok(complaints)
}

fn parse(words: impl Iterator<Item = String>) -> Result<Options> {
    let mut options = Options::default();
    let mut words = words;
    while let Some(word) = words.next() {
        match word.as_str() {
            "--record" => options.record = true,
            "--recorded" => options.recorded = true,
            "--show" => options.show = true,
            "--client" if words.next().as_deref() == Some("skep") => options.skep = true,
            name if !name.starts_with('-') => options.names.push(word),
            _ => bail!("usage: compare [--record | --recorded] [--client skep] [--show] [SCRIPT…]"),
        }
    }
    Ok(options)
}
