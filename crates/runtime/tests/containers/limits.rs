//! Limits that hold, and kills that are told apart.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use skep_runtime::{Handle, Resources, UpdateError};

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
async fn a_container_that_ended_has_no_group() {
    let world = World::new();
    let handle = world.start(&world.shell("sleep 60")).await;
    let groups = || {
        let below = format!("{}/{}", world.options.cgroup_parent.trim_start_matches('/'), handle.id());
        let root = PathBuf::from("/sys/fs/cgroup");
        let hierarchies = fs::read_dir(&root).expect("readable").map(|entry| entry.expect("readable").path());
        hierarchies.chain([root]).filter(|hierarchy| hierarchy.join(&below).is_dir()).count()
    };
    assert_ne!(groups(), 0);
    handle.signal(9).expect("it is killed");
    handle.wait().await;
    assert_eq!(groups(), 0);
    assert!(matches!(handle.usage().await, Err(skep_runtime::UsageError::NotRunning(_))));
    assert_eq!(handle.processes().await.expect("none is not wrong").len(), 0);
    handle.delete().await.expect("it can be deleted all the same");
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

#[tokio::test]
async fn limits_of_a_running_container_are_replaced_both_ways_or_not_at_all() {
    let mut world = World::new();
    let mut container = world.shell("sleep 60");
    container.resources.memory_bytes = Some(32 << 20);
    container.resources.pids_limit = Some(10);
    let handle = world.start(&container).await;
    let wish = |memory: Option<u64>, pids, cpus| Resources {
        memory_bytes: memory,
        pids_limit: pids,
        nano_cpus: cpus,
        ..Resources::default()
    };
    let memory = |world: &World| control(world, &handle, ("memory", "memory.limit_in_bytes"), "memory.max");
    let pids = |world: &World| control(world, &handle, ("pids", "pids.max"), "pids.max");
    handle.update_limits(&wish(Some(256 << 20), Some(20), Some(500_000_000))).await.expect("raised");
    assert_eq!((memory(&world), pids(&world)), ((256u64 << 20).to_string(), "20".into()));
    assert!(control(&world, &handle, ("cpu", "cpu.cfs_quota_us"), "cpu.max").starts_with("50000"));
    handle.update_limits(&wish(Some(64 << 20), None, None)).await.expect("lowered");
    assert_eq!((memory(&world), pids(&world)), ((64u64 << 20).to_string(), "max".into()));
    assert!(
        ["-1", "max 100000"]
            .contains(&control(&world, &handle, ("cpu", "cpu.cfs_quota_us"), "cpu.max").as_str())
    );
    // Ten times more than the kernel has numbers for: the memory limit, which was set first, goes back.
    let error =
        handle.update_limits(&wish(Some(128 << 20), Some(u64::MAX), None)).await.expect_err("refused");
    assert!(matches!(error, UpdateError::Limit { .. }), "{error}");
    assert_eq!(memory(&world), (64u64 << 20).to_string());
    // A later daemon knows what is in force.
    world.reopen();
    let adopted = world.runtime.adopt().await.expect("adopted");
    let found = adopted[0].container.as_ref().expect("a bundle");
    assert_eq!(found.resources, wish(Some(64 << 20), None, None));
    handle.signal(9).expect("sent");
    handle.wait().await;
    assert!(matches!(handle.update_limits(&wish(None, None, None)).await, Err(UpdateError::NotRunning(_))));
}

#[tokio::test]
async fn swap_and_swappiness_are_set_where_the_kernel_has_them() {
    let world = World::new();
    let path = "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes";
    if !std::path::Path::new(path).exists() {
        eprintln!("no swap accounting on cgroup v1 here; nothing tested");
        return;
    }
    let swap = |handle: &Handle| {
        control(&world, handle, ("memory", "memory.memsw.limit_in_bytes"), "memory.swap.max")
    };
    for (swap_bytes, expected) in [(None, 64u64 << 20), (Some(8 << 20), 40 << 20), (Some(0), 32 << 20)] {
        let mut container = world.shell("sleep 60");
        container.resources.memory_bytes = Some(32 << 20);
        container.resources.swap_bytes = swap_bytes;
        container.resources.swappiness = Some(7);
        let handle = world.start(&container).await;
        assert_eq!(swap(&handle), expected.to_string(), "{swap_bytes:?}");
        assert_eq!(control(&world, &handle, ("memory", "memory.swappiness"), "none"), "7");
        handle.delete().await.expect("deleted");
    }
}
