//! A thousand seeds in every run of the tests, in parts so that the runner can spread them.

use std::ops::Range;

use skep_sim::Summary;
use skep_sim::trace::Trace;

fn run(seeds: Range<u64>) -> Summary {
    let mut failures = Vec::new();
    let mut total = Summary::default();
    for seed in seeds {
        match skep_sim::run(seed, &mut Trace::Off) {
            Ok(summary) => total = total.plus(&summary),
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
    let Summary { leader_changes, agent_restarts, nodes_lost, .. } = total;
    assert!(leader_changes > 250 && agent_restarts > 100 && nodes_lost > 250, "{total:?}");
    let Summary { requests_granted, requests_refused, containers_started, .. } = total;
    assert!(requests_granted > 1_000 && requests_refused > 250 && containers_started > 1_000, "{total:?}");
    let Summary { rollouts_completed, rollouts_paused, rollouts_reversed, .. } = total;
    assert!(rollouts_completed > 100 && rollouts_paused > 25 && rollouts_reversed > 25, "{total:?}");
}

#[test]
fn seeds_250_to_500() {
    run(250..500);
}

#[test]
fn seeds_500_to_750() {
    run(500..750);
}

#[test]
fn seeds_750_to_1000() {
    run(750..1000);
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
