//! Limits that are really enforced, and stops that are really bounded.

use std::time::{Duration, Instant};

use skep_tests::cluster::PATIENCE;
use skep_tests::{Cluster, Look, wait_for};

fn start() -> (Cluster, String) {
    let cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    (cluster, image)
}

#[test]
fn too_much_memory_is_an_oom_kill_and_told_as_one() {
    let (mut cluster, image) = start();
    // One block of 256 MiB, written to while it is read.
    let script = "dd if=/dev/zero of=/dev/null bs=256M count=1";
    cluster.script("greedy", &["--limit-memory", "32M"], &image, script).unwrap();
    let task = cluster.task_in("greedy", "failed").unwrap();
    assert!(task.error.contains("137") && task.error.to_lowercase().contains("memory"), "{}", task.error);
}

#[test]
fn another_kill_is_not_told_as_oom() {
    let (mut cluster, image) = start();
    cluster.script("killed", &["--limit-memory", "32M"], &image, "sh -c 'kill -9 $$'; exit $?").unwrap();
    let task = cluster.task_in("killed", "failed").unwrap();
    assert_eq!(task.error, "task: non-zero exit (137)");
}

#[test]
fn processor_time_is_bounded() {
    let (mut cluster, image) = start();
    // `getconf CLK_TCK` is 100 everywhere: fields 14 and 15 are hundredths of seconds of processor time.
    let script = "cut -d' ' -f1 /proc/uptime; i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; \
                  cut -d' ' -f1 /proc/uptime; cut -d' ' -f14,15 /proc/$$/stat";
    let printed = cluster.printed(&["--limit-cpu", "0.25"], &image, script).unwrap();
    let numbers: Vec<f64> = printed.split_whitespace().map(|word| word.parse().unwrap()).collect();
    let (lasted, used) = (numbers[1] - numbers[0], (numbers[2] + numbers[3]) / 100.0);
    assert!(used > 0.1, "the loop is too short to tell: {used} s");
    // A busy machine only makes the share smaller; the first period of 100 ms may be used up twice.
    assert!(
        used / lasted < 0.35,
        "{used:.2} s of processor time in {lasted:.2} s with a quarter of a processor"
    );
}

#[test]
fn processes_are_bounded() {
    let (mut cluster, image) = start();
    let script =
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done 2>/dev/null; ls -d /proc/[0-9]* | wc -l";
    cluster.script("many", &["--limit-pids", "8"], &image, script).unwrap();
    let ended = wait_for("the forking to end", PATIENCE, || {
        let tasks = cluster.engine.tasks("many", false)?;
        let task = tasks.first().filter(|task| matches!(task.state.as_str(), "failed" | "complete"));
        Ok(task.map_or(Look::NotYet("it runs".into()), |task| Look::Done(task.clone())))
    });
    let logs = cluster.logs(&ended.unwrap().id).unwrap();
    let count = logs.trim().lines().last().and_then(|line| line.parse::<u32>().ok());
    assert!(count.is_none_or(|count| count <= 8), "{logs}");
}

#[test]
fn a_process_that_ignores_sigterm_is_killed_after_its_grace() {
    let (mut cluster, image) = start();
    cluster
        .script("stubborn", &["--stop-grace-period", "2s"], &image, "trap '' TERM; while :; do sleep 1; done")
        .unwrap();
    cluster.running("stubborn", 1).unwrap();
    let started = Instant::now();
    cluster.docker.run(&["service", "scale", "-d", "stubborn=0"]).unwrap();
    wait_for("the task to end", PATIENCE, || {
        let shims = skep_tests::Daemon::shims(&cluster.sandbox)?.len();
        Ok(if shims == 0 { Look::Done(()) } else { Look::NotYet(format!("{shims} shims")) })
    })
    .unwrap();
    let lasted = started.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_secs(4)).contains(&lasted), "{lasted:?}");
}

#[test]
fn the_stop_signal_is_the_one_that_was_asked_for() {
    let (mut cluster, image) = start();
    let folder = cluster.sandbox.folder().join("signals");
    std::fs::create_dir(&folder).unwrap();
    let mount = format!("type=bind,source={},target=/signals", folder.display());
    let script = "trap 'touch /signals/usr1; exit 0' USR1; trap 'touch /signals/term; exit 0' TERM; \
                  while :; do sleep 3600 & wait $!; done";
    cluster.script("polite", &["--stop-signal", "SIGUSR1", "--mount", &mount], &image, script).unwrap();
    cluster.running("polite", 1).unwrap();
    cluster.docker.run(&["service", "rm", "polite"]).unwrap();
    wait_for("the signal", PATIENCE, || {
        let seen: Vec<String> = std::fs::read_dir(&folder)?
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        Ok(if seen == ["usr1"] { Look::Done(()) } else { Look::NotYet(format!("{seen:?}")) })
    })
    .unwrap();
}

#[test]
fn restarts_are_delayed_and_counted() {
    let (mut cluster, image) = start();
    let create = [
        "service",
        "create",
        "-d",
        "--name",
        "loop",
        "--restart-condition",
        "on-failure",
        "--restart-delay",
        "200ms",
        "--restart-max-attempts",
        "2",
        &image,
        "sh",
        "-c",
        "exit 3",
    ];
    cluster.docker.run(&create).unwrap();
    let tasks = wait_for("three attempts", PATIENCE, || {
        let tasks = cluster.engine.tasks("loop", false)?;
        let ended = tasks.iter().filter(|task| task.state == "failed").count();
        Ok(if ended == 3 { Look::Done(tasks) } else { Look::NotYet(skep_tests::engine::describe(&tasks)) })
    })
    .unwrap();
    assert_eq!(tasks.len(), 3, "one attempt and two restarts");
}
