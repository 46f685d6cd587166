//! What people ask of rollouts, by `skep rollout` and by labels of the docker client; revisions, and limits that change
//! while a container runs.

use skep_tests::cluster::PATIENCE;
use skep_tests::engine::Task;
use skep_tests::{Cluster, Docker, Look, wait_for};

/// Two tasks of `busybox:1` that are a stable revision, and the client that knows of rollouts.
fn start(flags: &[&str]) -> (Cluster, Docker, Vec<Task>) {
    let mut cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    let mut all = vec!["--label", "skep.profile=swarm"];
    all.extend(flags);
    let tasks = cluster.web(&image, 2, &all).unwrap();
    let skep = cluster.daemon.skep(&cluster.sandbox).unwrap();
    (cluster, skep, tasks)
}

fn ids(tasks: &[Task]) -> Vec<String> {
    tasks.iter().map(|task| task.id.clone()).collect()
}

/// Waits until one task of this tag runs, whatever the others do.
fn one_runs(cluster: &mut Cluster, tag: &str) {
    let what = format!("a task of web with tag {tag} to run");
    wait_for(&what, PATIENCE, || {
        let tasks = cluster.engine.tasks("web", true)?;
        let runs = tasks.iter().any(|task| task.state == "running" && task.tag() == tag);
        Ok(if runs { Look::Done(()) } else { Look::NotYet(format!("{} tasks", tasks.len())) })
    })
    .unwrap();
}

fn exit_code(skep: &Docker, arguments: &[&str]) -> Option<i32> {
    skep.try_run(arguments).unwrap().code
}

#[test]
fn a_rollout_is_paused_resumed_aborted_undone_and_waited_for() {
    let (mut cluster, skep, before) = start(&["--update-delay", "1h"]);
    let image = cluster.busybox("2").unwrap();
    cluster.docker.run(&["service", "update", "-d", "--image", &image, "web"]).unwrap();
    one_runs(&mut cluster, "2");
    assert!(skep.run(&["rollout", "pause", "web"]).unwrap().contains("paused"));
    cluster.engine.wait_update("web", "paused", PATIENCE).unwrap();
    assert_eq!(exit_code(&skep, &["rollout", "wait", "-q", "web"]), Some(3), "held for somebody");
    assert!(skep.run(&["rollout", "why", "web"]).unwrap().contains("skep rollout resume web"));
    let half_way = cluster.running("web", 2).unwrap();
    let untouched = half_way.iter().filter(|task| ids(&before).contains(&task.id));
    assert_eq!(untouched.count(), 1, "the delay keeps the other one as it was");
    assert!(skep.run(&["rollout", "resume", "web"]).unwrap().contains("updating"));
    skep.run(&["rollout", "abort", "web"]).unwrap();
    assert_eq!(exit_code(&skep, &["rollout", "wait", "-q", "web"]), Some(2), "rolled back");
    cluster.running_tag("web", 2, "1").unwrap();
    let spec = cluster.engine.service("web").unwrap()["Spec"].to_string();
    assert!(spec.contains("busybox:1") && !spec.contains("busybox:2"), "{spec}");

    let (code, said) = skep.refused(&["rollout", "abort", "web"]).unwrap();
    assert!(code == 1 && said.contains("service web has no rollout in progress"), "{said}");
    let (_, said) = skep.refused(&["rollout", "undo", "--to", "7", "web"]).unwrap();
    assert!(said.contains("has no revision 7; those kept are 1, 2"), "{said}");

    cluster
        .docker
        .run(&["service", "update", "-d", "--update-delay", "0s", "--replicas", "3", "web"])
        .unwrap();
    cluster.running_tag("web", 3, "1").unwrap();
    skep.run(&["rollout", "undo", "--to", "2", "web"]).unwrap();
    assert_eq!(exit_code(&skep, &["rollout", "wait", "-q", "web"]), Some(0), "stable at what was asked for");
    cluster.running_tag("web", 3, "2").unwrap();
    let history = skep.run(&["rollout", "history", "web"]).unwrap();
    assert!(history.lines().nth(1).is_some_and(|line| line.starts_with("2 *")), "{history}");
}

#[test]
fn the_docker_client_steers_by_labels() {
    let (mut cluster, _, _) = start(&["--rollback-monitor", "0s"]);
    let image = cluster.busybox("2").unwrap();
    cluster.docker.run(&["service", "update", "-d", "--image", &image, "web"]).unwrap();
    cluster.engine.wait_update("web", "completed", PATIENCE).unwrap();
    let undo = ["service", "update", "-d", "--label-add", "skep.do=undo:1@2", "web"];
    cluster.docker.run(&undo).unwrap();
    cluster.engine.wait_update("web", "rollback_completed", PATIENCE).unwrap();
    let tasks = ids(&cluster.running_tag("web", 2, "1").unwrap());
    // Said again, it is about a revision that is not in force any more.
    cluster.docker.run(&undo).unwrap();
    assert_eq!(ids(&cluster.running_tag("web", 2, "1").unwrap()), tasks);
    let labels = cluster.engine.service("web").unwrap()["Spec"]["Labels"].to_string();
    assert!(!labels.contains("skep.do"), "{labels}");
    let bad = ["service", "update", "-d", "--label-add", "skep.do=jump", "web"];
    let (_, said) = cluster.docker.refused(&bad).unwrap();
    assert!(said.contains("label skep.do: \"jump\" is not pause, resume, abort, undo"), "{said}");
}

#[test]
fn what_was_rolled_back_is_not_tried_again_unasked() {
    let (mut cluster, _, _) = start(&["--update-failure-action", "rollback"]);
    let image = cluster.busybox("2").unwrap();
    let update = ["service", "update", "-d", "--image", &image, "--args", "sh -c 'exit 1'", "web"];
    cluster.docker.run(&update).unwrap();
    cluster.engine.wait_update("web", "rollback_completed", PATIENCE).unwrap();
    let (_, said) = cluster.docker.refused(&update).unwrap();
    assert!(said.contains("revision 2 of service web is the same and failed"), "{said}");
    cluster.docker.run(&[&update[..3], &["--force"], &update[3..]].concat()).unwrap();
    cluster.engine.wait_update("web", "rollback_completed", PATIENCE).unwrap();
}

#[test]
fn limits_of_a_running_container_change_and_its_task_stays() {
    let (mut cluster, skep, before) = start(&["--limit-memory", "64M"]);
    let is_limited_to = |text: &str| {
        wait_for(&format!("a memory limit of {text}"), PATIENCE, || {
            let shown = cluster.docker.run(&["stats", "--no-stream", "--format", "{{.MemUsage}}"])?;
            let all = shown.lines().count() == 2 && shown.lines().all(|line| line.ends_with(text));
            Ok(if all { Look::Done(()) } else { Look::NotYet(shown) })
        })
        .unwrap();
    };
    is_limited_to("64MiB");
    cluster.docker.run(&["service", "update", "-d", "--limit-memory", "96M", "web"]).unwrap();
    is_limited_to("96MiB");
    assert_eq!(ids(&cluster.running("web", 2).unwrap()), ids(&before));
    assert_eq!(exit_code(&skep, &["rollout", "wait", "-q", "web"]), Some(0));

    // A task that holds more than it may have in future keeps its limit, and says so until it may have more.
    let fill = "dd if=/dev/zero of=/dev/shm/full bs=1M count=32";
    for task in cluster.running("web", 2).unwrap() {
        cluster.docker.run(&["exec", &task.container, "sh", "-c", fill]).unwrap();
    }
    cluster.docker.run(&["service", "update", "-d", "--limit-memory", "8M", "web"]).unwrap();
    let is_said = |cluster: &mut Cluster, expected: bool| {
        wait_for("what the tasks say of their limits", PATIENCE, || {
            let tasks = cluster.engine.tasks("web", true)?;
            let says = |task: &Task| task.error.contains("the limits could not be changed");
            let all = tasks.len() == 2 && tasks.iter().all(|task| says(task) == expected);
            Ok(if all { Look::Done(()) } else { Look::NotYet(format!("{tasks:?}")) })
        })
        .unwrap();
    };
    is_said(&mut cluster, true);
    assert_eq!(ids(&cluster.running("web", 2).unwrap()), ids(&before));
    cluster.docker.run(&["service", "update", "-d", "--limit-memory", "128M", "web"]).unwrap();
    is_said(&mut cluster, false);
    assert_eq!(ids(&cluster.running("web", 2).unwrap()), ids(&before));
}
