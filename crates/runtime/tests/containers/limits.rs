//! Limits that hold, and kills that are told apart.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use skep_runtime::Handle;

use crate::world::{World, printed};

/// Finds a control file of the container on v1 or v2.
fn control(world: &World, handle: &Handle, v1: (&str, &str), v2: &str) -> String {
    let below = format!("{}/{}", world.options.cgroup_parent.trim_start_matches('/'), handle.id());
    let root = PathBuf::from("/sys/fs/cgroup");
    let path = root.join(v1.0).join(&below).join(v1.1);
    let path = if path.exists() { path } else { root.join(&below).join(v2) };
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).trim().to_owned()
}

#[tokio::test]
async fn limits_reach_the_kernel() {
    let world = World::new();
    let mut container = world.shell("sleep 60");
    container.resources.memory_bytes = Some(64 << 20);
    container.resources.nano_cpus = Some(250_000_000);
    container.resources.pids_limit = Some(33);
    let handle = world.start(&container).await;
    assert_eq!(control(&world, &handle, ("memory", "memory.limit_in_bytes"), "memory.max"), "67108864");
    assert_eq!(control(&world, &handle, ("pids", "pids.max"), "pids.max"), "33");
    let cpu = control(&world, &handle, ("cpu", "cpu.cfs_quota_us"), "cpu.max");
    assert!(cpu.starts_with("25000"), "{cpu}");
}

#[tokio::test]
async fn memory_over_the_limit_is_an_oom_kill() {
    let world = World::new();
    let mut container = world.container(&["sh", "-c", "exec tail /dev/zero"]);
    container.resources.memory_bytes = Some(24 << 20);
    let (exit, text) = world.run(&container).await;
    assert_eq!((exit.code, exit.oom_killed), (137, true), "{text}");
}

#[tokio::test]
async fn an_oom_kill_of_a_child_is_not_the_containers() {
    let world = World::new();
    let mut container = world.shell("tail /dev/zero; exit 5");
    container.resources.memory_bytes = Some(24 << 20);
    let (exit, text) = world.run(&container).await;
    assert_eq!((exit.code, exit.oom_killed), (5, false), "{text}");
}

#[tokio::test]
async fn forks_over_the_limit_fail() {
    let world = World::new();
    let mut container = world.shell("for i in $(seq 1 20); do sleep 5 & done; wait");
    container.resources.pids_limit = Some(8);
    let (exit, text) = world.run(&container).await;
    assert_ne!(exit.code, 0);
    assert!(text.contains("can't fork"), "{text}");
}

#[tokio::test]
async fn cpu_time_is_bounded() {
    let world = World::new();
    let mut container = world.shell("echo ready; while :; do :; done");
    container.resources.nano_cpus = Some(200_000_000);
    let handle = world.start(&container).await;
    printed(&handle, "ready").await;
    let used = || -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", handle.pid().expect("a pid"))).expect("alive");
        let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
        (fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime")) / 100.0
    };
    let (begin, before) = (Instant::now(), used());
    // Measuring a rate takes time; there is no event to wait for.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let share = (used() - before) / begin.elapsed().as_secs_f64();
    assert!(share < 0.3, "{share}");
}
