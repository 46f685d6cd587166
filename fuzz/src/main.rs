#![forbid(unsafe_code)]
//! `skep-fuzz TARGET [SECONDS [SEED]]`: one target for some time; `skep-fuzz list` names them all.
//!
//! An input that is found is written to `fuzz/artifacts/TARGET-SEED-NUMBER`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use skep_fuzz::drive::{Outcome, Run, bound_memory, corpus, drive, read_corpus};
use skep_fuzz::targets::TARGETS;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["list"] => {
            TARGETS.iter().for_each(|(name, _)| println!("{name}"));
            Ok(true)
        }
        [target] => run(target, "10", "0"),
        [target, seconds] => run(target, seconds, "0"),
        [target, seconds, seed] => run(target, seconds, seed),
        _ => Err(anyhow::anyhow!("usage: skep-fuzz TARGET [SECONDS [SEED]], or skep-fuzz list")),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("skep-fuzz: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Runs one target; returns whether it found nothing.
fn run(name: &str, seconds: &str, seed: &str) -> Result<bool> {
    let Some((_, target)) = TARGETS.iter().find(|(known, _)| *known == name) else {
        bail!("there is no target {name}; skep-fuzz list names them");
    };
    let seconds: u64 = seconds.parse().with_context(|| format!("{seconds:?} is no number of seconds"))?;
    let seed: u64 = seed.parse().with_context(|| format!("{seed:?} is no seed"))?;
    let corpus = read_corpus(&corpus(name))?;
    bound_memory()?;
    match drive(corpus, Run { seed, inputs: u64::MAX, time: Duration::from_secs(seconds) }, *target) {
        Outcome::Passed(count) => {
            println!("{name}: {count} inputs, seed {seed}");
            Ok(true)
        }
        Outcome::Panicked { input, number } => {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts");
            std::fs::create_dir_all(&folder).context("cannot make the folder for findings")?;
            let path = folder.join(format!("{name}-{seed}-{number}"));
            std::fs::write(&path, input).with_context(|| format!("cannot write {}", path.display()))?;
            println!("{name}: input {number} of seed {seed} is kept as {}", path.display());
            Ok(false)
        }
    }
}
