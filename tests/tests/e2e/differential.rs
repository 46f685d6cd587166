//! The same question put to Skep and to dockerd 20.10, and the same answer expected.
//!
//! Not run by default, because dockerd is installed for measurements only: `make compare` runs these. A
//! difference that is meant is left out of the question, with the reason beside it.

use serde_json::{Value, json};
use skep_tests::cluster::PATIENCE;
use skep_tests::images::busybox;
use skep_tests::{Daemon, Docker, Engine, Look, Oracle, Registry, Sandbox, wait_for};

/// One engine with its client; the rest only keeps it alive. Fields are dropped in this order.
pub(super) struct Side {
    pub(super) engine: Engine,
    pub(super) docker: Docker,
    _daemon: Box<dyn std::any::Any>,
    _registry: Registry,
    _sandbox: Sandbox,
}

/// Starts an engine beside a registry that holds `busybox:1`.
fn side<D: 'static>(start: impl FnOnce(&Sandbox) -> (D, Engine, Docker)) -> Side {
    let sandbox = Sandbox::new().unwrap();
    let registry = Registry::start(&sandbox).unwrap();
    registry.push(&sandbox, &busybox().unwrap()).unwrap();
    let (daemon, engine, docker) = start(&sandbox);
    Side { engine, docker, _daemon: Box::new(daemon), _registry: registry, _sandbox: sandbox }
}

fn skep() -> Side {
    side(|sandbox| {
        let (daemon, engine) = Daemon::start_cluster(sandbox).unwrap();
        let docker = daemon.docker(sandbox).unwrap();
        (daemon, engine, docker)
    })
}

fn dockerd() -> Side {
    side(|sandbox| {
        let (oracle, engine) = Oracle::start(sandbox).unwrap();
        let docker = oracle.docker(sandbox).unwrap();
        (oracle, engine, docker)
    })
}

/// Both engines, and what they answered differently.
pub(super) struct Pair {
    skep: Side,
    dockerd: Side,
    differences: Vec<String>,
}

impl Pair {
    pub(super) fn start() -> Self {
        Self { skep: skep(), dockerd: dockerd(), differences: Vec::new() }
    }

    /// Puts one question to both and notes when the answers differ.
    pub(super) fn ask<T: PartialEq + std::fmt::Debug>(
        &mut self,
        what: &str,
        question: impl Fn(&mut Side) -> T,
    ) {
        let (skep, dockerd) = (question(&mut self.skep), question(&mut self.dockerd));
        if skep != dockerd {
            self.differences.push(format!("{what}\n  skep    {skep:?}\n  dockerd {dockerd:?}"));
        }
    }

    pub(super) fn finish(self) {
        assert!(self.differences.is_empty(), "{}", self.differences.join("\n"));
    }
}

impl Side {
    /// Creates a service of one task that runs a script once, and returns the task when it has ended.
    fn ended(&mut self, name: &str, flags: &[&str], script: &str) -> skep_tests::engine::Task {
        let mut words = vec!["service", "create", "-d", "--name", name, "--restart-condition", "none"];
        words.extend(flags);
        words.extend(["127.0.0.1:5000/busybox:1", "sh", "-c", script]);
        self.docker.run(&words).unwrap();
        wait_for("the task to end", PATIENCE, || {
            let tasks = self.engine.tasks(name, false)?;
            let ended =
                tasks.iter().find(|task| matches!(task.state.as_str(), "complete" | "failed" | "rejected"));
            let not_yet = || Look::NotYet(skep_tests::engine::describe(&tasks));
            Ok(ended.map_or_else(not_yet, |task| Look::Done(task.clone())))
        })
        .unwrap()
    }

    /// Returns what a script prints in a container.
    fn printed(&mut self, name: &str, flags: &[&str], script: &str) -> String {
        let task = self.ended(name, flags, script);
        self.docker.run(&["service", "logs", "--raw", &task.id]).unwrap()
    }
}

#[test]
#[ignore = "needs dockerd: `make compare`"]
fn what_a_process_finds() {
    let mut pair = Pair::start();
    let flags = ["--user", "bee", "--workdir", "/made", "--env", "A=b", "--hostname", "hive"];
    let script = "id; pwd; env | grep -v HOSTNAME | sort; hostname; stat -c '%a %u' /made; umask";
    pair.ask("user and environment", |side| side.printed("user", &flags, script));
    let script = "grep -E '^(Cap|Seccomp:|NoNewPrivs)' /proc/self/status; ulimit -a | grep -E 'core|stack'";
    pair.ask("confinement", |side| side.printed("confined", &[], script));
    let script =
        "ls -ld /dev/* | cut -c1-10; ls /dev; ls -ld /tmp /root /etc/hosts /etc/resolv.conf | cut -c1-10";
    pair.ask("devices", |side| side.printed("devices", &[], script));
    // Skep also hides /proc/interrupts, as later versions of Docker do.
    let script = "cut -d' ' -f2,3 /proc/mounts | grep -v -e cgroup -e interrupts -e '^/etc/' -e '^/ ' | sort";
    pair.ask("mounts", |side| side.printed("mounts", &[], script));
    pair.finish();
}

#[test]
#[ignore = "needs dockerd: `make compare`"]
fn how_a_task_ends() {
    let mut pair = Pair::start();
    for (name, script) in
        [("ok", "true"), ("bad", "exit 7"), ("signal", "kill -9 $$"), ("missing", "exec /no/such")]
    {
        pair.ask(name, |side| {
            let task = side.ended(name, &[], script);
            (task.state, task.error, task.exit_code)
        });
    }
    pair.finish();
}

/// Replaces what differs between any two clusters (ids, times, indexes), and two things that are meant:
/// dockerd 20.10 reads no platform from an OCI manifest, and fills in the endpoint when it gets round to it.
fn without_names(value: &Value) -> Value {
    const NAMES: [&str; 8] =
        ["ID", "CreatedAt", "UpdatedAt", "Index", "StartedAt", "CompletedAt", "Timestamp", "Image"];
    const MEANT: [&str; 2] = ["Platforms", "Endpoint"];
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !MEANT.contains(&name.as_str()))
            .map(|(name, field)| {
                let plain = if NAMES.contains(&name.as_str()) { json!("…") } else { without_names(field) };
                (name.clone(), plain)
            })
            .collect(),
        Value::Array(items) => items.iter().map(without_names).collect(),
        plain => plain.clone(),
    }
}

#[test]
#[ignore = "needs dockerd: `make compare`"]
fn what_a_service_looks_like() {
    let mut pair = Pair::start();
    let create = [
        "service",
        "create",
        "-d",
        "--name",
        "web",
        "--replicas",
        "0",
        "--label",
        "a=b",
        "--env",
        "C=d",
        "--limit-cpu",
        "0.5",
        "--limit-memory",
        "64M",
        "--update-delay",
        "3s",
        "--update-order",
        "start-first",
        "--restart-max-attempts",
        "3",
        "--stop-grace-period",
        "7s",
        "--constraint",
        "node.role==manager",
        "127.0.0.1:5000/busybox:1",
        "sh",
    ];
    for path in ["/services/web", "/services/web?insertDefaults=true"] {
        pair.ask(path, |side| {
            if side.engine.service("web").is_err() {
                side.docker.run(&create).unwrap();
            }
            without_names(&side.engine.get(path).unwrap())
        });
    }
    pair.ask("PreviousSpec", |side| {
        side.docker.run(&["service", "update", "-d", "--env-add", "E=f", "web"]).unwrap();
        without_names(&side.engine.service("web").unwrap()["PreviousSpec"])
    });
    pair.finish();
}

#[test]
#[ignore = "needs dockerd: `make compare`"]
fn how_it_refuses() {
    let mut pair = Pair::start();
    let requests: [(&str, &str, Option<Value>); 8] = [
        ("GET", "/services/nobody", None),
        ("GET", "/tasks/nobody", None),
        ("GET", "/nodes/nobody", None),
        ("POST", "/swarm/init", Some(json!({"ListenAddr": "127.0.0.1:2377", "AdvertiseAddr": "127.0.0.1"}))),
        ("POST", "/services/create", Some(json!({"Name": "a b"}))),
        ("POST", "/services/create", Some(json!({"Name": "a", "TaskTemplate": {"ContainerSpec": {}}}))),
        (
            "POST",
            "/services/create",
            Some(json!({
                "Name": "a", "TaskTemplate": {"ContainerSpec": {"Image": "x"}, "Resources": {"Limits": {"NanoCPUs": 100_000}}},
            })),
        ),
        ("GET", "/tasks?filters={\"desired-state\":[\"x\"]}", None),
    ];
    for (method, path, body) in requests {
        let path = path.replace('"', "%22").replace(['{'], "%7B").replace('}', "%7D");
        pair.ask(&format!("{method} {path} {body:?}"), |side| {
            let answer = side.engine.send(method, &path, body.as_ref()).unwrap();
            (answer.status, answer.text())
        });
    }
    pair.finish();
}
