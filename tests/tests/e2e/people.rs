//! Containers as people look at them, with the docker client: ps, inspect, logs, stats, top, cp, diff, port, wait, kill.

use skep_tests::cluster::{OBEDIENT, PATIENCE};
use skep_tests::{Cluster, Look, wait_for};

/// A cluster with one running container, by its name.
fn start(flags: &[&str]) -> (Cluster, String) {
    let mut cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    let script = format!("echo hello; echo oh >&2; {OBEDIENT}");
    cluster.script("web", flags, &image, &script).unwrap();
    cluster.running("web", 1).unwrap();
    let name = cluster.docker.run(&["ps", "--format", "{{.Names}}"]).unwrap();
    (cluster, name.trim().to_owned())
}

#[test]
fn it_is_listed_with_health_and_ports() {
    let check = ["--health-cmd", "true", "--health-interval", "200ms"];
    let port = ["--publish", "mode=host,target=80,published=8080"];
    let (cluster, name) = start(&[check, [port[0], port[1], "--label", "a=b"]].concat());
    let row = wait_for("the container to be healthy", PATIENCE, || {
        let row = cluster.docker.run(&["ps", "--format", "{{.Status}}|{{.Ports}}|{{.Image}}"])?;
        Ok(if row.contains("(healthy)") { Look::Done(row) } else { Look::NotYet(row) })
    });
    let row = row.unwrap();
    assert!(row.contains("|0.0.0.0:8080->80/tcp|127.0.0.1:5000/busybox:1"), "{row}");
    assert_eq!(cluster.docker.run(&["port", &name]).unwrap(), "80/tcp -> 0.0.0.0:8080\n");
    let health = cluster.docker.run(&["inspect", "-f", "{{(index .State.Health.Log 0).ExitCode}}", &name]);
    assert_eq!(health.unwrap(), "0\n");
}

#[test]
fn what_its_service_asked_for_is_shown() {
    let flags = ["--env", "SLOT={{.Task.Slot}}", "--hostname", "{{.Service.Name}}-{{.Task.Slot}}"];
    let limits = ["--limit-memory", "64m", "--cap-add", "NET_ADMIN", "--init", "--read-only"];
    let (cluster, name) = start(&[&flags[..], &limits[..]].concat());
    let show = |template: &str| cluster.docker.run(&["inspect", "-f", template, &name]).unwrap();
    assert!(show("{{json .Config.Env}}").contains("SLOT=1"), "{}", show("{{json .Config.Env}}"));
    assert_eq!(show("{{.Config.Hostname}} {{.HostConfig.Memory}}"), "web-1 67108864\n");
    assert_eq!(show("{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Init}}"), "true true\n");
    assert_eq!(show("{{json .HostConfig.CapAdd}}"), "[\"CAP_NET_ADMIN\"]\n");
    assert!(show("{{.NetworkSettings.IPAddress}}").starts_with("172.30."));
}

#[test]
fn its_log_is_read_without_the_cluster() {
    let (cluster, name) = start(&[]);
    let output = cluster.docker.try_run(&["logs", &name]).unwrap();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("hello\n", "oh\n"));
    let stamped = cluster.docker.run(&["logs", "--timestamps", "--tail", "1", &name]).unwrap();
    assert!(stamped.is_empty() || stamped.split(' ').next().unwrap().ends_with('Z'), "{stamped}");
}

#[test]
fn what_it_uses_and_who_is_in_it() {
    let (cluster, name) = start(&["--limit-memory", "64m"]);
    let stats =
        cluster.docker.run(&["stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}} {{.PIDs}}"]);
    let stats = stats.unwrap();
    assert!(stats.starts_with(&name) && stats.contains("/ 64MiB"), "{stats}");
    let top = cluster.docker.run(&["top", &name, "-o", "pid,args"]).unwrap();
    assert!(top.starts_with("PID") && top.contains("sleep 3600"), "{top}");
}

#[test]
fn files_are_copied_in_and_out() {
    let (cluster, name) = start(&[]);
    let folder = cluster.sandbox.folder().join("copies");
    std::fs::create_dir_all(folder.join("in/deep")).unwrap();
    std::fs::write(folder.join("in/deep/file"), "content").unwrap();
    let path = |rest: &str| folder.join(rest).display().to_string();
    cluster.docker.run(&["cp", &path("in"), &format!("{name}:/tmp/")]).unwrap();
    assert_eq!(cluster.docker.run(&["exec", &name, "cat", "/tmp/in/deep/file"]).unwrap(), "content");
    cluster.docker.run(&["exec", &name, "ln", "-s", "/etc/passwd", "/tmp/link"]).unwrap_err();
    cluster.docker.run(&["cp", &format!("{name}:/tmp/in/deep"), &path("out")]).unwrap();
    assert_eq!(std::fs::read_to_string(folder.join("out/file")).unwrap(), "content");
    let changes = cluster.docker.run(&["diff", &name]).unwrap();
    assert!(changes.contains("A /tmp/in/deep/file"), "{changes}");
    let (code, said) = cluster.docker.refused(&["cp", &format!("{name}:/no/such"), &path("x")]).unwrap();
    assert_eq!(code, 1);
    assert!(said.contains("Could not find the file /no/such in container"), "{said}");
}

#[test]
fn one_that_is_ended_by_hand_is_replaced() {
    let mut cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    let first = cluster.web(&image, 1, &["--restart-delay", "0s"]).unwrap().remove(0);
    let waiting = cluster.docker.clone();
    let id = first.container.clone();
    let code = std::thread::scope(|scope| {
        let waiter = scope.spawn(|| waiting.run(&["wait", &id]));
        cluster.docker.run(&["kill", "--signal", "KILL", &id]).unwrap();
        waiter.join().unwrap()
    });
    assert_eq!(code.unwrap(), "137\n");
    let second =
        cluster.engine.wait_running("web", 1, PATIENCE, |task| task.container != id).unwrap().remove(0);
    assert!(cluster.docker.run(&["stop", &second.container]).is_ok());
    cluster.engine.wait_running("web", 1, PATIENCE, |task| task.container != second.container).unwrap();
    // The client cuts a span down to whole seconds, so the end lies in the next one.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let until = (now.as_secs() + 1).to_string();
    let words = ["events", "--since", "1", "--until", &until, "--filter", "event=kill"];
    let past = cluster.docker.run(&words).unwrap();
    assert!(past.contains("container kill") && past.contains("signal=9"), "{past}");
}

#[test]
fn what_the_cluster_decides_is_refused_by_name() {
    let (cluster, name) = start(&[]);
    for (words, part) in [
        (vec!["run", "127.0.0.1:5000/busybox:1"], "docker service create"),
        (vec!["restart", &name], "docker service update --force"),
        (vec!["rename", &name, "x"], "named after their task"),
        (vec!["pause", &name], "docker service scale"),
        (vec!["commit", &name, "x"], "build elsewhere"),
        (vec!["rm", &name], "stop the container before removing or force remove"),
    ] {
        let (code, said) = cluster.docker.refused(&words).unwrap();
        assert!(code != 0 && said.contains(part), "{words:?}: {said}");
    }
}
