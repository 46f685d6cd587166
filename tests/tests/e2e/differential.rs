//! The same question put to Skep and to dockerd 20.10, and the same answer expected.
//!
//! Not run by default, because dockerd is installed for measurements only: `make compare` runs these. What people
//! type is compared in `tests/compare/`; here is what no command sends, and the pair of engines that
//! [`super::rollouts_alike`] asks.

use serde_json::{Value, json};
use skep_tests::cluster::PATIENCE;
use skep_tests::images::{Entry, Image, Layer, busybox};
use skep_tests::{Daemon, Docker, Engine, Look, Oracle, Registry, Sandbox, wait_for};

/// One engine with its client; the rest only keeps it alive. Fields are dropped in this order.
pub(super) struct Side {
    pub(super) engine: Engine,
    pub(super) docker: Docker,
    _daemon: Box<dyn std::any::Any>,
    _registry: Registry,
    _sandbox: Sandbox,
}

/// Returns `linked:1`: busybox, and links that lead to what is not there.
fn linked() -> Image {
    let links = [Entry::symlink("data", "/var/lib/missing"), Entry::symlink("single", "../run/missing")];
    busybox().unwrap().named("linked", "1").layer(Layer::of(links).unwrap())
}

/// Starts an engine beside a registry that holds `busybox:1` and `linked:1`.
fn side<D: 'static>(start: impl FnOnce(&Sandbox) -> (D, Engine, Docker)) -> Side {
    let sandbox = Sandbox::new().unwrap();
    let registry = Registry::start(&sandbox).unwrap();
    registry.push(&sandbox, &busybox().unwrap()).unwrap();
    registry.push(&sandbox, &linked()).unwrap();
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

/// Runs a script to its end in a task of `linked:1` and returns what it printed.
fn printed(side: &mut Side, flags: &[&str], script: &str) -> String {
    let image = "127.0.0.1:5000/linked:1";
    let create = ["service", "create", "-d", "--name", "script", "--restart-condition", "none"];
    side.docker.run(&[&create, flags, &[image, "sh", "-c", script]].concat()).unwrap();
    let state = |side: &mut Side| side.engine.tasks("script", false).map(|tasks| tasks[0].state.clone());
    let end = wait_for("the end of the script", PATIENCE, || {
        let state = state(side)?;
        let is_over = matches!(state.as_str(), "complete" | "failed" | "rejected");
        Ok(if is_over { Look::Done(state) } else { Look::NotYet(state) })
    });
    let text =
        format!("{}\n{}", end.unwrap(), side.docker.run(&["service", "logs", "--raw", "script"]).unwrap());
    side.docker.run(&["service", "rm", "script"]).unwrap();
    text
}

#[test]
#[ignore = "needs dockerd: `make compare`"]
fn where_mounts_lead_through_links() {
    let mut pair = Pair::start();
    let script = "mount | cut -d' ' -f3 | grep -e missing -e data -e single; pwd; ls -l /data /single | cut -c1-10; \
                  for place in /var /var/lib /var/lib/missing /var/lib/missing/x /run/missing; do stat -c '%n %A' $place 2>&1; done";
    for flags in [
        &["--mount", "type=tmpfs,target=/data/x,tmpfs-mode=0700"][..],
        &["--mount", "type=tmpfs,target=/data,tmpfs-mode=0700"],
        &["--mount", "type=bind,source=/usr/share,target=/data/x"],
        &["--mount", "type=bind,source=/etc/passwd,target=/single"],
        &["--mount", "type=bind,source=/etc/passwd,target=/data/x/file"],
        &["--mount", "type=volume,source=v,target=/data/x"],
        &["--mount", "type=volume,source=w,target=/data"],
        &["--workdir", "/data/x"],
    ] {
        pair.ask(&format!("{flags:?}"), |side| printed(side, flags, script));
    }
    pair.finish();
}
