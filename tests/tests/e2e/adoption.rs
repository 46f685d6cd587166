//! Containers live on without their daemon, and the next daemon finds them as they are.

use skep_tests::cluster::{OBEDIENT, PATIENCE};
use skep_tests::engine::Task;
use skep_tests::{Cluster, Daemon, Look, wait_for};

/// What must be the same before and after.
fn identity(tasks: &[Task]) -> Vec<(String, String, String)> {
    let process = |task: &Task| task.raw["Status"]["ContainerStatus"]["PID"].to_string();
    tasks.iter().map(|task| (task.id.clone(), task.container.clone(), process(task))).collect()
}

fn start() -> (Cluster, Vec<Task>) {
    let mut cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    let tasks = cluster.web(&image, 3, &[]).unwrap();
    (cluster, tasks)
}

#[test]
fn a_killed_daemon_adopts_them() {
    let (mut cluster, before) = start();
    cluster.daemon.kill().unwrap();
    assert_eq!(Daemon::shims(&cluster.sandbox).unwrap().len(), 3);
    cluster.daemon.restart(&cluster.sandbox).unwrap();
    assert_eq!(identity(&cluster.running("web", 3).unwrap()), identity(&before));
}

#[test]
fn a_stopped_daemon_adopts_them() {
    let (mut cluster, before) = start();
    cluster.daemon.stop().unwrap();
    assert_eq!(Daemon::shims(&cluster.sandbox).unwrap().len(), 3);
    cluster.daemon.restart(&cluster.sandbox).unwrap();
    assert_eq!(identity(&cluster.running("web", 3).unwrap()), identity(&before));
}

#[test]
fn a_new_binary_adopts_them() {
    let (mut cluster, before) = start();
    cluster.daemon.stop().unwrap();
    let binary = cluster.sandbox.folder().join("skep-of-tomorrow");
    std::fs::copy(skep_tests::daemon::binary().unwrap(), &binary).unwrap();
    cluster.daemon = Daemon::start_with(&cluster.sandbox, &binary, &[]).unwrap();
    assert_eq!(identity(&cluster.running("web", 3).unwrap()), identity(&before));
}

#[test]
fn an_exit_that_nobody_saw_is_reported_with_its_code_and_log() {
    let mut cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    // The container waits for a file, so that it certainly ends while no daemon runs.
    let folder = cluster.sandbox.folder().join("signals");
    std::fs::create_dir(&folder).unwrap();
    let mount = format!("type=bind,source={},target=/signals", folder.display());
    let script = "echo before; while [ ! -e /signals/go ]; do sleep 0.05; done; echo after; touch /signals/gone; exit 42";
    cluster.script("once", &["--mount", &mount], &image, script).unwrap();
    let before = cluster.task_in("once", "running").unwrap();
    cluster.daemon.kill().unwrap();
    std::fs::write(folder.join("go"), "").unwrap();
    wait_for("the container to end", PATIENCE, || {
        let ended = folder.join("gone").exists() && Daemon::shims(&cluster.sandbox)?.is_empty();
        Ok(if ended { Look::Done(()) } else { Look::NotYet("it runs".into()) })
    })
    .unwrap();
    cluster.daemon.restart(&cluster.sandbox).unwrap();
    let after = cluster.task_in("once", "failed").unwrap();
    assert_eq!((after.id.as_str(), after.exit_code), (before.id.as_str(), 42));
    assert_eq!(cluster.logs(&after.id).unwrap(), "before\nafter\n");
}

#[test]
fn a_lost_shim_fails_its_task_and_the_slot_is_filled_again() {
    let (mut cluster, before) = start();
    let shims = Daemon::shims(&cluster.sandbox).unwrap();
    let id = shims[0].id.to_string();
    let output = skep_tests::run(std::process::Command::new("kill").args(["-9", &id]), PATIENCE).unwrap();
    assert_eq!(output.code, Some(0));
    let survivors =
        |tasks: &[Task]| tasks.iter().filter(|task| before.iter().any(|old| old.id == task.id)).count();
    wait_for("the lost task to be replaced", PATIENCE, || {
        let tasks = cluster.engine.tasks("web", true)?;
        let done =
            tasks.len() == 3 && survivors(&tasks) == 2 && tasks.iter().all(|task| task.state == "running");
        Ok(if done { Look::Done(()) } else { Look::NotYet(skep_tests::engine::describe(&tasks)) })
    })
    .unwrap();
}

#[test]
fn leaving_removes_everything() {
    let (mut cluster, _) = start();
    let (_, said) = cluster.docker.refused(&["swarm", "leave"]).unwrap();
    assert!(said.contains("--force"), "{said}");
    cluster.docker.run(&["swarm", "leave", "--force"]).unwrap();
    wait_for("every container to end", PATIENCE, || {
        let shims = Daemon::shims(&cluster.sandbox)?;
        Ok(if shims.is_empty() { Look::Done(()) } else { Look::NotYet(format!("{} shims", shims.len())) })
    })
    .unwrap();
    cluster.engine.swarm_init().unwrap();
    assert_eq!(cluster.docker.run(&["service", "ls", "-q"]).unwrap(), "");
    let image = cluster.busybox("1").unwrap();
    cluster.script("again", &[], &image, OBEDIENT).unwrap();
    cluster.running("again", 1).unwrap();
}
