//! The daemon itself: how it starts, what it refuses to start on, and how it stops.

use skep_tests::daemon::refused;
use skep_tests::{Cluster, Daemon, Sandbox};

/// Expects a refusal: exit code 1, and one line that holds `parts`.
fn expect_refusal(sandbox: &Sandbox, flags: &[&str], parts: &[&str]) {
    let (code, said) = refused(sandbox, flags).unwrap();
    assert_eq!(code, 1, "{said}");
    let last = said.lines().last().unwrap_or_default();
    for part in parts {
        assert!(last.contains(part), "{part:?} is not in {last:?}");
    }
}

#[test]
fn the_data_directory_belongs_to_one_daemon() {
    let sandbox = Sandbox::new().unwrap();
    let _first = Daemon::start(&sandbox).unwrap();
    // Everything else is its own: what the two share is the data directory.
    let exec_root = format!("--exec-root={}", sandbox.folder().join("second").display());
    let pidfile = format!("--pidfile={}", sandbox.folder().join("second.pid").display());
    let data_root = sandbox.folder().join("data").display().to_string();
    expect_refusal(&sandbox, &[&exec_root, &pidfile], &[&data_root]);
}

#[test]
fn a_port_in_use_is_named() {
    let sandbox = Sandbox::new().unwrap();
    let _taken = sandbox.in_network(|| Ok(std::net::TcpListener::bind("127.0.0.1:2375")?)).unwrap();
    let flags = ["--host=tcp://127.0.0.1:2375", "--insecure-tcp-without-tls"];
    expect_refusal(&sandbox, &flags, &["127.0.0.1:2375", "in use"]);
}

#[test]
fn tcp_without_tls_is_refused_with_its_remedy() {
    let sandbox = Sandbox::new().unwrap();
    expect_refusal(&sandbox, &["--host=tcp://127.0.0.1:2375"], &["refusing to listen", "--tlsverify"]);
}

#[test]
fn the_socket_belongs_to_the_group_that_is_named() {
    use std::os::unix::fs::MetadataExt;
    let sandbox = Sandbox::new().unwrap();
    let binary = skep_tests::daemon::binary().unwrap();
    let daemon = Daemon::start_with(&sandbox, &binary, &["--group=daemon"]).unwrap();
    let socket = std::fs::metadata(daemon.socket()).unwrap();
    assert_eq!((socket.mode() & 0o777, socket.uid(), socket.gid()), (0o660, 0, 1));
    drop(daemon);
    let sandbox = Sandbox::new().unwrap();
    expect_refusal(&sandbox, &["--group=nobody-has-it"], &["nobody-has-it", "groupadd"]);
}

#[test]
fn an_unknown_key_of_the_configuration_is_named() {
    let sandbox = Sandbox::new().unwrap();
    let path = sandbox.folder().join("daemon.json");
    std::fs::write(&path, r#"{"log-level": "debug", "storage-drivers": "zfs"}"#).unwrap();
    expect_refusal(&sandbox, &[&format!("--config-file={}", path.display())], &["storage-drivers"]);
}

#[test]
fn without_root_it_says_so() {
    let sandbox = Sandbox::new().unwrap();
    let binary = skep_tests::daemon::binary().unwrap();
    let copy = sandbox.folder().join("skep");
    std::fs::copy(binary, &copy).unwrap();
    // The folder is for root only; what is tested is the first thing that the daemon checks.
    let chmod = sandbox.run(
        "chmod",
        &["755", &sandbox.folder().to_string_lossy()],
        std::time::Duration::from_secs(5),
    );
    chmod.unwrap().success().unwrap();
    let words = ["--reuid", "65534", "--clear-groups", "--", &copy.to_string_lossy(), "daemon"];
    let output = sandbox.run("setpriv", &words, std::time::Duration::from_secs(10)).unwrap();
    assert_eq!(output.code, Some(1), "{}", output.stderr);
    assert!(output.stderr.contains("root"), "{}", output.stderr);
}

#[test]
fn it_listens_on_every_host_it_is_given() {
    let sandbox = Sandbox::new().unwrap();
    let binary = skep_tests::daemon::binary().unwrap();
    let flags = ["--host=tcp://127.0.0.1:2375", "--insecure-tcp-without-tls"];
    let _daemon = Daemon::start_with(&sandbox, &binary, &flags).unwrap();
    let answer =
        sandbox.in_network(|| skep_tests::Http::tcp("127.0.0.1:2375")?.send("GET", "/_ping", &[], &[]));
    assert_eq!(answer.unwrap().text(), "OK");
}

#[test]
fn sigterm_stops_it_cleanly() {
    let sandbox = Sandbox::new().unwrap();
    let mut daemon = Daemon::start(&sandbox).unwrap();
    assert!(sandbox.folder().join("skep.pid").exists());
    daemon.stop().unwrap();
    assert!(!sandbox.folder().join("skep.pid").exists());
    assert!(!daemon.socket().exists());
    daemon.restart(&sandbox).unwrap();
}

#[test]
fn the_node_and_the_cluster_describe_themselves() {
    let cluster = Cluster::start().unwrap();
    let nodes = cluster.docker.run(&["node", "ls"]).unwrap();
    assert!(nodes.contains("Ready") && nodes.contains("Active") && nodes.contains("Leader"), "{nodes}");
    let node = cluster.docker.run(&["node", "inspect", "--pretty", "self"]).unwrap();
    assert!(node.contains("State:") && node.contains("Resources:"), "{node}");
    let info =
        cluster.docker.run(&["info", "--format", "{{.Swarm.LocalNodeState}} {{.Swarm.Managers}}"]).unwrap();
    assert_eq!(info, "active 1\n");
    assert!(cluster.docker.run(&["version"]).unwrap().contains("API version:"));
}

#[test]
fn a_node_without_a_swarm_says_what_to_do() {
    let sandbox = Sandbox::new().unwrap();
    let daemon = Daemon::start(&sandbox).unwrap();
    let docker = daemon.docker(&sandbox).unwrap();
    let (code, said) = docker.refused(&["service", "ls"]).unwrap();
    assert_eq!(code, 1);
    assert!(said.contains("This node is not a swarm manager. Use \"docker swarm init\""), "{said}");
    assert!(
        docker.run(&["swarm", "init", "--advertise-addr", "127.0.0.1"]).unwrap().contains("is now a manager")
    );
    let (_, said) = docker.refused(&["swarm", "init", "--advertise-addr", "127.0.0.1"]).unwrap();
    assert!(said.contains("This node is already part of a swarm"), "{said}");
}
