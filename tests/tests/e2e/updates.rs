//! Updates that go wrong, and what each failure action makes of it.

use skep_tests::Cluster;
use skep_tests::cluster::PATIENCE;
use skep_tests::engine::Task;

fn ids(tasks: &[Task]) -> Vec<String> {
    tasks.iter().map(|task| task.id.clone()).collect()
}

/// Starts three tasks of `busybox:1` that `flags` govern.
fn cluster(flags: &[&str]) -> (Cluster, Vec<Task>) {
    let mut cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    let tasks = cluster.web(&image, 3, flags).unwrap();
    (cluster, tasks)
}

#[test]
fn a_program_that_does_not_exist_pauses_the_update_and_disturbs_nobody() {
    let (mut cluster, before) = cluster(&[]);
    let image = cluster.busybox("2").unwrap();
    let update = ["service", "update", "-d", "--image", &image, "--entrypoint", "/no/such/program", "web"];
    cluster.docker.run(&update).unwrap();
    let message = cluster.engine.wait_update("web", "paused", PATIENCE).unwrap();
    assert!(message.starts_with("update paused due to failure or early termination of task "), "{message}");
    assert_eq!(ids(&cluster.running("web", 3).unwrap()), ids(&before));
    let failed = cluster.engine.tasks("web", false).unwrap();
    let failed = failed.iter().find(|task| task.tag() == "2").unwrap();
    assert!(failed.error.contains("/no/such/program"), "{}", failed.error);
}

#[test]
fn a_program_that_ends_early_pauses_the_update_at_the_first_task() {
    let (mut cluster, before) = cluster(&["--restart-condition", "none"]);
    cluster.docker.run(&["service", "update", "-d", "--args", "sh -c 'exit 7'", "web"]).unwrap();
    cluster.engine.wait_update("web", "paused", PATIENCE).unwrap();
    let tasks = cluster.engine.tasks("web", false).unwrap();
    assert!(tasks.iter().any(|task| task.error == "task: non-zero exit (7)" && task.exit_code == 7));
    let untouched = before.iter().filter(|old| {
        tasks.iter().any(|task| task.id == old.id && task.state == "running" && task.desired == "running")
    });
    assert_eq!(untouched.count(), 2);
}

#[test]
fn failure_action_rollback_restores_every_task() {
    let (mut cluster, _) = cluster(&["--update-failure-action", "rollback", "--update-parallelism", "2"]);
    let image = cluster.busybox("2").unwrap();
    cluster
        .docker
        .run(&["service", "update", "-d", "--image", &image, "--args", "sh -c 'exit 1'", "web"])
        .unwrap();
    let message = cluster.engine.wait_update("web", "rollback_completed", PATIENCE).unwrap();
    assert_eq!(message, "rollback completed");
    let tasks = cluster.running_tag("web", 3, "1").unwrap();
    assert_eq!(tasks.len(), 3);
    let spec = cluster.engine.service("web").unwrap()["Spec"].to_string();
    assert!(spec.contains("busybox:1") && !spec.contains("busybox:2"), "{spec}");
}

#[test]
fn failure_action_continue_goes_on_to_the_end() {
    let (mut cluster, before) =
        cluster(&["--update-failure-action", "continue", "--restart-condition", "none"]);
    cluster.docker.run(&["service", "update", "-d", "--args", "sh -c 'exit 1'", "web"]).unwrap();
    cluster.engine.wait_update("web", "completed", PATIENCE).unwrap();
    let tasks = cluster.engine.tasks("web", false).unwrap();
    for old in &before {
        let old = tasks.iter().find(|task| task.id == old.id).unwrap();
        assert_eq!(old.desired, "shutdown", "every old task was replaced");
    }
}

#[test]
fn start_first_never_runs_less_than_it_should() {
    let (mut cluster, _) = cluster(&["--update-order", "start-first"]);
    let image = cluster.busybox("2").unwrap();
    cluster.docker.run(&["service", "update", "-d", "--image", &image, "web"]).unwrap();
    skep_tests::wait_for("the update", PATIENCE, || {
        let running =
            cluster.engine.tasks("web", false)?.iter().filter(|task| task.state == "running").count();
        anyhow::ensure!(running >= 3, "only {running} tasks run");
        let done = cluster.engine.service("web")?["UpdateStatus"]["State"] == "completed";
        Ok(if done {
            skep_tests::Look::Done(())
        } else {
            skep_tests::Look::NotYet(format!("{running} running"))
        })
    })
    .unwrap();
    cluster.running_tag("web", 3, "2").unwrap();
}

#[test]
fn force_replaces_every_task_of_an_unchanged_service() {
    let (mut cluster, before) = cluster(&["--update-parallelism", "0"]);
    cluster.docker.run(&["service", "update", "-d", "--force", "web"]).unwrap();
    cluster.engine.wait_update("web", "completed", PATIENCE).unwrap();
    let after = cluster.running("web", 3).unwrap();
    assert!(ids(&after).iter().all(|id| !ids(&before).contains(id)));
}

#[test]
fn what_changes_no_task_replaces_no_task() {
    let (mut cluster, before) = cluster(&[]);
    cluster
        .docker
        .run(&["service", "update", "-d", "--label-add", "a=b", "--update-delay", "9s", "web"])
        .unwrap();
    cluster.docker.run(&["service", "scale", "-d", "web=4"]).unwrap();
    let after = cluster.running("web", 4).unwrap();
    assert!(ids(&before).iter().all(|id| ids(&after).contains(id)));
}

#[test]
fn a_stop_costs_what_the_process_needs_and_no_more() {
    let (cluster, _) = cluster(&["--update-parallelism", "1", "--label", "skep.profile=swarm"]);
    let started = std::time::Instant::now();
    let mut cluster = cluster;
    cluster.docker.run(&["service", "update", "-d", "--force", "web"]).unwrap();
    let forced = |task: &Task| task.raw["Spec"]["ForceUpdate"] == 1;
    cluster.engine.wait_running("web", 3, PATIENCE, forced).unwrap();
    // Three stops and starts one after the other; dockerd needs 5.4 s for them, most of it sleeping.
    assert!(started.elapsed().as_secs_f64() < 4.0, "{:?}", started.elapsed());
}
