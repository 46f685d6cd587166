//! A task with a health check runs only when it is healthy, and is replaced when it no longer is.

use std::time::Duration;

use skep_tests::cluster::{OBEDIENT, PATIENCE};
use skep_tests::{Cluster, Look, wait_for};

/// Checks for a file that the test makes and removes.
const FLAGS: [&str; 8] = [
    "--health-cmd",
    "test -e /signals/healthy",
    "--health-interval",
    "200ms",
    "--health-retries",
    "3",
    "--health-start-period",
    "10m",
];

struct Hive {
    cluster: Cluster,
    folder: std::path::PathBuf,
}

fn start() -> Hive {
    let cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    let folder = cluster.sandbox.folder().join("signals");
    std::fs::create_dir(&folder).unwrap();
    let mount = format!("type=bind,source={},target=/signals", folder.display());
    let mut words =
        vec!["service", "create", "-d", "--name", "web", "--restart-delay", "0s", "--mount", &mount];
    words.extend(FLAGS);
    words.extend([image.as_str(), "sh", "-c", OBEDIENT]);
    cluster.docker.run(&words).unwrap();
    Hive { cluster, folder }
}

#[test]
fn running_means_healthy() {
    let mut hive = start();
    hive.cluster.task_in("web", "starting").unwrap();
    // It stays there for as long as the check fails: several intervals are given to it to go wrong.
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(hive.cluster.engine.tasks("web", true).unwrap()[0].state, "starting");
    std::fs::write(hive.folder.join("healthy"), "").unwrap();
    hive.cluster.running("web", 1).unwrap();
}

#[test]
fn an_unhealthy_task_is_replaced() {
    let mut hive = start();
    std::fs::write(hive.folder.join("healthy"), "").unwrap();
    let before = hive.cluster.running("web", 1).unwrap();
    std::fs::remove_file(hive.folder.join("healthy")).unwrap();
    let failed = hive.cluster.task_in("web", "failed").unwrap();
    assert_eq!(failed.id, before[0].id);
    assert!(failed.error.contains("unhealthy container"), "{}", failed.error);
    std::fs::write(hive.folder.join("healthy"), "").unwrap();
    assert_ne!(hive.cluster.running("web", 1).unwrap()[0].id, before[0].id);
}

#[test]
fn an_adopted_task_is_checked_again() {
    let mut hive = start();
    std::fs::write(hive.folder.join("healthy"), "").unwrap();
    let before = hive.cluster.running("web", 1).unwrap();
    hive.cluster.daemon.kill().unwrap();
    hive.cluster.daemon.restart(&hive.cluster.sandbox).unwrap();
    assert_eq!(hive.cluster.running("web", 1).unwrap()[0].id, before[0].id);
    std::fs::remove_file(hive.folder.join("healthy")).unwrap();
    wait_for("the old task to fail", PATIENCE, || {
        let tasks = hive.cluster.engine.tasks("web", false)?;
        let failed = tasks.iter().any(|task| task.id == before[0].id && task.state == "failed");
        Ok(if failed { Look::Done(()) } else { Look::NotYet(skep_tests::engine::describe(&tasks)) })
    })
    .unwrap();
}
