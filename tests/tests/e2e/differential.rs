//! The same question put to Skep and to dockerd 20.10, and the same answer expected.
//!
//! Not run by default, because dockerd is installed for measurements only: `make compare` runs these. What people
//! type is compared in `tests/compare/`; here is what no command sends, and the pair of engines that
//! [`super::rollouts_alike`] asks.

use serde_json::{Value, json};
use skep_tests::images::busybox;
use skep_tests::{Daemon, Docker, Engine, Oracle, Registry, Sandbox};

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
