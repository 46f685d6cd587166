//! kill -9 of the daemon at each step of an update: nothing acknowledged is lost, and the update goes on.

use std::time::{Duration, Instant};

use skep_tests::cluster::PATIENCE;
use skep_tests::engine::Task;
use skep_tests::{Cluster, Look, wait_for};

/// Kills the daemon as soon as `reached` sees what it waits for, starts it again, and expects the update to end.
fn killed_when(step: &str, flags: &[&str], reached: impl Fn(&[Task]) -> bool) {
    let mut cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    cluster.web(&image, 3, flags).unwrap();
    let image = cluster.busybox("2").unwrap();
    cluster.docker.run(&["service", "update", "-d", "--image", &image, "web"]).unwrap();
    wait_for(step, PATIENCE, || {
        let tasks = cluster.engine.tasks("web", false)?;
        Ok(if reached(&tasks) { Look::Done(()) } else { Look::NotYet(skep_tests::engine::describe(&tasks)) })
    })
    .unwrap();
    cluster.daemon.kill().unwrap();
    cluster.daemon.restart(&cluster.sandbox).unwrap();
    let tasks = cluster.running_tag("web", 3, "2").unwrap();
    let slots: Vec<u64> = tasks.iter().map(|task| task.slot).collect();
    assert_eq!(slots, [1, 2, 3], "each slot has one task");
    cluster.engine.wait_update("web", "completed", PATIENCE).unwrap();
}

/// Tells whether a task of the new version is in one of the states.
fn new_in(tasks: &[Task], states: &[&str]) -> bool {
    tasks.iter().any(|task| task.tag() == "2" && states.contains(&task.state.as_str()))
}

#[test]
fn as_soon_as_the_update_is_acknowledged() {
    killed_when("nothing", &[], |_| true);
}

#[test]
fn while_the_first_new_task_is_prepared() {
    killed_when("a new task", &[], |tasks| {
        new_in(tasks, &["new", "pending", "assigned", "accepted", "preparing"])
    });
}

#[test]
fn when_the_first_new_task_is_ready() {
    killed_when("a ready task", &[], |tasks| new_in(tasks, &["ready", "starting", "running"]));
}

#[test]
fn while_an_old_task_stops() {
    let is_stopping =
        |task: &Task| task.tag() == "1" && task.desired == "shutdown" && task.state == "running";
    killed_when("a stopping task", &[], |tasks| {
        tasks.iter().any(is_stopping) || new_in(tasks, &["starting", "running"])
    });
}

#[test]
fn between_two_steps() {
    killed_when("the delay", &["--update-delay", "2s"], |tasks| {
        let running = tasks.iter().filter(|task| task.tag() == "2" && task.state == "running").count();
        running == 1
    });
}

#[test]
fn in_the_monitor_period_after_the_last_step() {
    killed_when("the last task", &["--update-monitor", "3s"], |tasks| {
        tasks.iter().filter(|task| task.tag() == "2" && task.state == "running").count() == 3
    });
}

#[test]
fn a_delay_is_not_begun_again() {
    let mut cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    cluster.web(&image, 2, &["--update-delay", "8s"]).unwrap();
    let image = cluster.busybox("2").unwrap();
    cluster.docker.run(&["service", "update", "-d", "--image", &image, "web"]).unwrap();
    let one_new = |tasks: &[Task]| new_in(tasks, &["running"]);
    wait_for("the first new task", PATIENCE, || {
        let tasks = cluster.engine.tasks("web", true)?;
        Ok(if one_new(&tasks) { Look::Done(()) } else { Look::NotYet(String::new()) })
    })
    .unwrap();
    let started = Instant::now();
    // Time passes without the daemon, which must count all the same: this is what is tested, not a wait.
    cluster.daemon.kill().unwrap();
    std::thread::sleep(Duration::from_secs(4));
    cluster.daemon.restart(&cluster.sandbox).unwrap();
    cluster.running_tag("web", 2, "2").unwrap();
    let lasted = started.elapsed().as_secs_f64();
    assert!((6.0..14.0).contains(&lasted), "the second step came {lasted:.1} s after the first");
}

#[test]
fn no_acknowledged_service_is_lost() {
    let mut cluster = Cluster::start().unwrap();
    let mut created = Vec::new();
    for round in 0..5 {
        for number in 0..4 {
            let name = format!("s{round}-{number}");
            let spec = serde_json::json!({
                "Name": name, "Mode": {"Replicated": {"Replicas": 0}},
                "TaskTemplate": {"ContainerSpec": {"Image": "127.0.0.1:5000/busybox:1"}},
            });
            created.push((cluster.engine.create_service(&spec).unwrap(), name));
        }
        cluster.daemon.kill().unwrap();
        cluster.daemon.restart(&cluster.sandbox).unwrap();
    }
    for (id, name) in &created {
        assert_eq!(cluster.engine.service(name).unwrap()["ID"], id.as_str());
    }
}
