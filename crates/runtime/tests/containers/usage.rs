//! What containers use, as the kernel counts it.

use skep_runtime::UsageError;

use crate::world::{World, exec, printed};

#[tokio::test]
async fn a_busy_container_is_measured() {
    let world = World::new();
    let mut container =
        world.shell("i=0; while test $i -lt 20000; do i=$((i+1)); done; echo ready; sleep 60 & sleep 61");
    container.resources.memory_bytes = Some(64 << 20);
    container.resources.pids_limit = Some(77);
    container.resources.nano_cpus = Some(2_000_000_000);
    let handle = world.start(&container).await;
    printed(&handle, "ready").await;
    let usage = handle.usage().await.expect("measured");
    assert!(
        usage.cpu.total > 0 && usage.cpu.system > usage.cpu.total && usage.cpu.online_count > 0,
        "{:?}",
        usage.cpu
    );
    assert!(
        usage.memory.current > 0 && usage.memory.table.contains_key("inactive_file"),
        "{:?}",
        usage.memory
    );
    assert_eq!((usage.memory.limit, usage.pids_limit), (Some(64 << 20), Some(77)));
    assert!(usage.pids >= 1, "{}", usage.pids);
    assert!(usage.networks.is_empty(), "only lo: {:?}", usage.networks);
    let pids = handle.processes().await.expect("listed");
    assert!(pids.contains(&handle.pid().expect("a pid")), "{pids:?}");
    exec(&handle, &["sh", "-c", "i=0; while test $i -lt 20000; do i=$((i+1)); done"]).await;
    assert!(handle.usage().await.expect("measured").cpu.total > usage.cpu.total);
}

#[tokio::test]
async fn without_limits_there_are_none_and_after_the_end_nothing() {
    let world = World::new();
    let handle = world.start(&world.shell("sleep 60")).await;
    let usage = handle.usage().await.expect("measured");
    assert_eq!((usage.memory.limit, usage.pids_limit), (None, None));
    handle.signal(9).expect("sent");
    handle.wait().await;
    assert!(matches!(handle.usage().await, Err(UsageError::NotRunning(_))));
}
