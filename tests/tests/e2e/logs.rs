//! What containers print, and who may read it when.

use skep_tests::Cluster;
use skep_tests::cluster::{OBEDIENT, PATIENCE};

fn start() -> (Cluster, String) {
    let cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    (cluster, image)
}

#[test]
fn both_streams_arrive_each_in_its_own() {
    let (mut cluster, image) = start();
    cluster.script("talk", &[], &image, "echo out; echo err >&2").unwrap();
    let task = cluster.task_in("talk", "complete").unwrap();
    let output = cluster.docker.try_run(&["service", "logs", "--raw", &task.id]).unwrap();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
}

#[test]
fn each_line_names_its_task() {
    let (mut cluster, image) = start();
    cluster.script("talk", &["--replicas", "2"], &image, &format!("echo hello; {OBEDIENT}")).unwrap();
    cluster.running("talk", 2).unwrap();
    let logs = skep_tests::wait_for("both lines", PATIENCE, || {
        let logs = cluster.docker.run(&["service", "logs", "talk"])?;
        let done = logs.lines().count() == 2;
        Ok(if done { skep_tests::Look::Done(logs) } else { skep_tests::Look::NotYet(logs) })
    });
    let logs = logs.unwrap();
    let mut names: Vec<&str> = logs.lines().map(|line| line.split('.').next().unwrap()).collect();
    names.dedup();
    assert_eq!(names, ["talk"]);
    assert!(logs.contains("talk.1.") && logs.contains("talk.2.") && logs.contains("| hello"), "{logs}");
}

#[test]
fn the_tail_is_counted_for_each_task() {
    let (mut cluster, image) = start();
    cluster.script("count", &[], &image, "for i in 1 2 3 4 5; do echo $i; done").unwrap();
    let task = cluster.task_in("count", "complete").unwrap();
    let logs = cluster.docker.run(&["service", "logs", "--raw", "--tail", "2", &task.id]).unwrap();
    assert_eq!(logs, "4\n5\n");
}

#[test]
fn followed_logs_come_as_they_are_printed_and_end_with_the_service() {
    let (mut cluster, image) = start();
    let folder = cluster.sandbox.folder().join("signals");
    std::fs::create_dir(&folder).unwrap();
    let mount = format!("type=bind,source={},target=/signals", folder.display());
    let script = "echo first; while [ ! -e /signals/go ]; do sleep 0.05; done; echo second";
    cluster.script("slow", &["--mount", &mount], &image, script).unwrap();
    let task = cluster.task_in("slow", "running").unwrap();
    let docker = cluster.docker.clone();
    let logs = std::thread::scope(|scope| {
        let reader = scope.spawn(|| docker.run(&["service", "logs", "--raw", "--follow", &task.id]));
        std::fs::write(folder.join("go"), "").unwrap();
        reader.join().unwrap()
    });
    assert_eq!(logs.unwrap(), "first\nsecond\n");
}
