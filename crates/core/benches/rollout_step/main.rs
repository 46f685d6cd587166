//! What a rollout costs its leader, and what a store costs that nothing happens in.
//!
//! A *step* is everything the leader decides to move one slot: it takes the slot up, places the replacement, lets
//! it take over and judges it. The figure is the sum over those decisions, commits included; the nodes' part, the
//! log and the application of its entries are not in it. `cargo bench -p skep-core --bench rollout_step`

mod cluster;

use std::time::Duration;

use skep_core::Event;
use skep_core::message::NodeMessage;
use skep_model::NodeId;

use cluster::Cluster;

/// Steps slower than this break the promise.
const STEP_TARGET: Duration = Duration::from_millis(1);
/// Steps that are measured; those before them fill caches.
const STEPS: usize = 300;
const STEPS_BEFORE: usize = 20;
const BEATS: usize = 10_000;

fn main() {
    println!("| one rollout step | store | median | 99 of 100 within | target | |");
    println!("|---|---|---|---|---|---|");
    for replicas in [1_000, 10_000] {
        rollout(replicas, 100_000);
    }
    println!();
    println!(
        "| idle store | election, first pass | woken for nothing | heartbeat | CPU of 1,000 nodes' heartbeats |"
    );
    println!("|---|---|---|---|---|");
    for tasks in [100_000, 1_000_000] {
        idle(tasks);
    }
}

fn rollout(replicas: u64, tasks: u64) {
    let mut cluster = Cluster::new(replicas, tasks, 1_000);
    cluster.start();
    cluster.update_first_service();
    for _ in 0..STEPS_BEFORE {
        cluster.settle_one();
    }
    let mut times: Vec<_> = (0..STEPS).map(|_| cluster.settle_one()).collect();
    times.sort();
    let median = times[times.len() / 2];
    let verdict = if median <= STEP_TARGET { "met" } else { "missed" };
    let slow = times[times.len() * 99 / 100];
    println!(
        "| {replicas} replicas | {tasks} tasks | {} | {} | ≤ 1,000 µs | {verdict} |",
        micros(median),
        micros(slow)
    );
}

fn idle(tasks: u64) {
    let mut cluster = Cluster::new(10_000, tasks, 10_000);
    let election = cluster.start();
    let proposals = cluster.proposal_count;
    let wakes = median(BEATS, || cluster.step(Event::Woke));
    let nodes: Vec<NodeId> = cluster.node_ids().collect();
    let mut beating = nodes.iter().copied().cycle();
    let beats = median(BEATS, || {
        let id = beating.next().expect("nodes without end");
        let session = cluster.session(id);
        cluster.step(Event::Heard(id, NodeMessage::Heartbeat { session }))
    });
    assert_eq!(cluster.proposal_count, proposals, "where nothing happens, nothing is decided");
    // 1,000 nodes beat 200 times a second.
    let share = beats.as_secs_f64() * 200.0 * 100.0;
    println!(
        "| {tasks} tasks, {} nodes | {:.2} s | {} | {} | {share:.2} % |",
        nodes.len(),
        election.as_secs_f64(),
        micros(wakes),
        micros(beats)
    );
}

/// Returns the median of so many times.
fn median(count: usize, mut time: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<_> = (0..count).map(|_| time()).collect();
    times.sort();
    times[times.len() / 2]
}

fn micros(time: Duration) -> String {
    format!("{:.1} µs", time.as_secs_f64() * 1e6)
}
