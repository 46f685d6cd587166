#![forbid(unsafe_code)]
//! Runs seeds: `--seed N` one, `--seeds N` the first N, `--seeds A..B` a range; `--trace` tells the story. Or
//! measures a large cluster: `fleet --nodes N --tasks M`.
//!
//! Seeds are independent, so they are shared out among as many threads as there are cores. What is printed
//! does not depend on how: failures come in the order of their seeds.

mod measure;

use std::ops::Range;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use skep_sim::trace::Trace;
use skep_sim::{Failure, Summary};

const USAGE: &str = "\
usage: skep-sim --seed N | --seeds COUNT | --seeds A..B  [--trace] [--threads N] [--failures-max N]
       skep-sim fleet [--nodes N] [--tasks N] [--write FILE]";

/// What to run.
struct Order {
    seeds: Range<u64>,
    traced: bool,
    threads: usize,
    /// After so many failures no further seed is begun.
    failures_max: u64,
}

/// More of them tell nothing that these do not.
const FAILURES_MAX: u64 = 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("fleet", rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return measure::main(rest);
    }
    let Some(order) = parse(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let began_at = Instant::now();
    let (total, count, mut failures) = run(&order);
    failures.sort_by_key(|failure| failure.seed);
    failures.iter().for_each(|failure| println!("{failure}"));
    let seconds = began_at.elapsed().as_secs_f64();
    println!("{count} seeds in {seconds:.1} s, {} failed; {total}", failures.len());
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the seeds on all threads. Returns the sums, how many seeds were run, and what failed.
fn run(order: &Order) -> (Summary, u64, Vec<Failure>) {
    let (next, failed) = (AtomicU64::new(order.seeds.start), AtomicU64::new(0));
    let work = || {
        let (mut total, mut count, mut failures) = (Summary::default(), 0, Vec::new());
        while failed.load(Ordering::Relaxed) < order.failures_max {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= order.seeds.end {
                break;
            }
            count += 1;
            let mut trace = if order.traced { Trace::Printed } else { Trace::Off };
            match skep_sim::run(seed, &mut trace) {
                Ok(summary) => total.merge(&summary),
                Err(failure) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    failures.push(failure);
                }
            }
        }
        (total, count, failures)
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..order.threads).map(|_| scope.spawn(work)).collect();
        let mut sum = (Summary::default(), 0, Vec::new());
        for worker in workers {
            let (total, count, failures) = worker.join().expect("a worker panics only by a bug");
            sum.0.merge(&total);
            sum.1 += count;
            sum.2.extend(failures);
        }
        sum
    })
}

fn parse(arguments: &[String]) -> Option<Order> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut order = Order { seeds: 0..0, traced: false, threads: cores, failures_max: FAILURES_MAX };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--trace" => order.traced = true,
            "--seed" => {
                let seed: u64 = rest.next()?.parse().ok()?;
                order.seeds = seed..seed.checked_add(1)?;
            }
            "--seeds" => {
                let text = rest.next()?;
                let (first, end) = text.split_once("..").unwrap_or(("0", text));
                order.seeds = first.parse().ok()?..end.parse().ok()?;
            }
            "--threads" => order.threads = rest.next()?.parse().ok()?,
            "--failures-max" => order.failures_max = rest.next()?.parse().ok()?,
            _ => return None,
        }
    }
    // A story is told by one voice.
    if order.traced {
        order.threads = 1;
    }
    (!order.seeds.is_empty() && order.threads > 0).then_some(order)
}
