//! Measurements, not tests: `cargo test -p skep-runtime --test containers measure -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use crate::exec::shim_pid;
use crate::world::{World, exec};

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[tokio::test]
#[ignore = "prints measurements"]
async fn measure_durations_and_memory() {
    let world = World::new();
    let (mut create, mut start, mut stop, mut delete, mut run) = (vec![], vec![], vec![], vec![], vec![]);
    for _ in 0..20 {
        let mut container = world.container(&["sleep", "60"]);
        container.resources.memory_bytes = Some(64 << 20);
        container.resources.pids_limit = Some(50);
        let begin = Instant::now();
        let handle = world.runtime.create(&container).await.expect("created");
        create.push(begin.elapsed());
        let begin = Instant::now();
        handle.start().await.expect("started");
        start.push(begin.elapsed());
        exec(&handle, &["true"]).await;
        let begin = Instant::now();
        exec(&handle, &["true"]).await;
        run.push(begin.elapsed());
        let begin = Instant::now();
        handle.stop(9, Duration::from_secs(10)).await.expect("stopped");
        stop.push(begin.elapsed());
        let begin = Instant::now();
        handle.delete().await.expect("deleted");
        delete.push(begin.elapsed());
    }
    println!(
        "create {:?}, start {:?}, exec {:?}, stop {:?}, delete {:?}",
        median(create),
        median(start),
        median(run),
        median(stop),
        median(delete)
    );
    let mut handles = Vec::new();
    for _ in 0..5 {
        handles.push(world.start(&world.container(&["sleep", "60"])).await);
    }
    exec(&handles[0], &["true"]).await;
    for handle in &handles {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", shim_pid(&world, handle.id())));
        let rollup = rollup.expect("readable");
        let fields = ["Rss:", "Pss:", "Private_Dirty:", "Private_Clean:"];
        let lines = rollup.lines().filter(|line| fields.iter().any(|field| line.starts_with(field)));
        println!(
            "{}",
            lines
                .map(|l| l.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
}
