//! Clients that other people wrote, each with a script of its own in `tests/clients/`.

use std::process::Command;
use std::time::Duration;

use skep_tests::{Cluster, clients, run};

/// Longest time for one script: seconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(180);

/// Runs a client's script against a cluster with two images in its registry.
fn walk_through(mut client: Command) {
    let cluster = Cluster::start().unwrap();
    let images = ["1", "2"].map(|tag| cluster.busybox(tag).unwrap());
    let said = run(client.arg(cluster.daemon.socket()).args(images), LIMIT).unwrap();
    print!("{}", said.success().unwrap());
}

#[test]
fn dockers_python_sdk() {
    walk_through(clients::python("docker", "python_sdk.py").unwrap());
}

#[test]
fn dockerode() {
    walk_through(clients::node("dockerode.js").unwrap());
}
