//! Some seeds in every run of the tests, in parts so that the runner can spread them. `make test` runs many
//! more of them (`xtask/src/run.rs`).

use std::ops::Range;

use skep_sim::Summary;
use skep_sim::trace::Trace;

fn run(seeds: Range<u64>) -> Summary {
    let mut failures = Vec::new();
    let mut total = Summary::default();
    for seed in seeds {
        match skep_sim::run(seed, &mut Trace::Off) {
            Ok(summary) => total.merge(&summary),
            Err(failure) => failures.push(failure.to_string()),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    total
}

/// A run in which nothing happens breaks nothing: the seeds must still reach what they are for.
#[test]
fn seeds_0_to_250_meet_every_kind_of_event() {
    let total = run(0..250);
    let reached = [
        ("leader changes", 250),
        ("steps of deposed leaders", 250),
        ("proposals dropped", 50),
        ("agent restarts", 100),
        ("nodes lost", 250),
        ("nodes joined", 10),
        ("reports held back", 100),
        ("requests granted", 1_000),
        ("requests refused", 250),
        ("containers started", 1_000),
        ("rollouts completed", 100),
        ("rollouts paused", 25),
        ("rollouts reversed", 25),
    ];
    for (what, least) in reached {
        assert!(total.of(what) >= least, "{what}: {} of {least}, all: {total}", total.of(what));
    }
}

#[test]
fn seeds_250_to_500() {
    run(250..500);
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [3, 77, 1_234] {
        let story = || {
            let mut trace = Trace::Kept(Vec::new());
            skep_sim::run(seed, &mut trace).expect("a seed that breaks nothing");
            let Trace::Kept(lines) = trace else { unreachable!("a trace stays what it is") };
            lines
        };
        assert!(story() == story(), "seed {seed} told two stories");
    }
}
