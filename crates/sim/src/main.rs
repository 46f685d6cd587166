#![forbid(unsafe_code)]
//! Runs seeds: `--seed N` one, `--seeds N` the first N, `--seeds A..B` a range; `--trace` tells the story.

use std::process::ExitCode;

use skep_sim::Summary;
use skep_sim::trace::Trace;

const USAGE: &str = "usage: skep-sim --seed N | --seeds COUNT | --seeds A..B  [--trace]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((seeds, traced)) = parse(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let (mut failures, count) = (0u64, seeds.end - seeds.start);
    let mut total = Summary::default();
    for seed in seeds {
        let mut trace = if traced { Trace::Printed } else { Trace::Off };
        match skep_sim::run(seed, &mut trace) {
            Ok(summary) => total = total.plus(&summary),
            Err(failure) => {
                failures += 1;
                println!("{failure}");
            }
        }
    }
    println!("{count} seeds, {failures} failed; {total:?}");
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Returns the seeds to run, and whether to tell what happens.
fn parse(arguments: &[String]) -> Option<(std::ops::Range<u64>, bool)> {
    let (mut seeds, mut traced) = (None, false);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--trace" => traced = true,
            "--seed" => {
                let seed: u64 = rest.next()?.parse().ok()?;
                seeds = Some(seed..seed.checked_add(1)?);
            }
            "--seeds" => {
                let text = rest.next()?;
                let (first, end) = text.split_once("..").unwrap_or(("0", text));
                seeds = Some(first.parse().ok()?..end.parse().ok()?);
            }
            _ => return None,
        }
    }
    seeds.filter(|seeds| !seeds.is_empty()).map(|seeds| (seeds, traced))
}
