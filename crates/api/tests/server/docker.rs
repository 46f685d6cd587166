//! The real docker client against the server over a unix socket. Skipped, with a word, where there is no client.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use skep_api::server::listen::Access;
use skep_api::server::{Address, Listener, Server};
use tempfile::TempDir;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use super::fake::{DIGEST, Fake, line};

const DOCKER: &str = "/usr/local/bin/docker";

/// A server on a socket in a folder of its own.
struct Daemon {
    folder: TempDir,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<()>,
    fake: std::sync::Arc<Fake>,
}

impl Daemon {
    async fn start(fake: std::sync::Arc<Fake>) -> Option<Self> {
        if !Path::new(DOCKER).exists() {
            eprintln!("skipped: there is no docker client at {DOCKER}");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let address = Address::Unix(folder.path().join("s.sock"));
        let listener = Listener::bind(&address, &Access::default()).await.expect("a listener");
        let stop = CancellationToken::new();
        let served = tokio::spawn(Server::new(fake.clone()).serve(vec![listener], stop.clone()));
        Some(Daemon { folder, stop, served, fake })
    }

    async fn run(&self, words: &[&str]) -> Output {
        let mut command = Command::new(DOCKER);
        command
            .env_clear()
            .env("DOCKER_CONFIG", self.folder.path())
            .env("DOCKER_HOST", format!("unix://{}", self.folder.path().join("s.sock").display()))
            .args(words)
            .kill_on_drop(true);
        tokio::time::timeout(Duration::from_secs(30), command.output())
            .await
            .unwrap_or_else(|_| panic!("docker {words:?} does not end"))
            .expect("docker runs")
    }

    /// Runs a command that must succeed and returns what it prints.
    async fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words).await;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "docker {words:?}: {error}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs a command that must fail and returns its complaint.
    async fn fails(&self, words: &[&str]) -> String {
        let output = self.run(words).await;
        assert_eq!(output.status.code(), Some(1), "docker {words:?}");
        String::from_utf8_lossy(&output.stderr).trim_end().to_owned()
    }

    async fn end(self) {
        self.stop.cancel();
        self.served.await.expect("the server ends");
        assert!(!self.folder.path().join("s.sock").exists(), "the socket is removed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_walk_through() {
    let Some(daemon) = Daemon::start(Fake::new()).await else { return };
    let created = daemon
        .ok(&[
            "service",
            "create",
            "--name",
            "redis",
            "--replicas",
            "2",
            "--update-monitor",
            "1ms",
            "redis:6",
        ])
        .await;
    assert!(
        created.contains("verify: Service redis converged") || created.contains("converged"),
        "{created}"
    );

    let listed =
        daemon.ok(&["service", "ls", "--format", "{{.Name}} {{.Mode}} {{.Replicas}} {{.Image}}"]).await;
    assert_eq!(listed, "redis replicated 2/2 redis:6\n");
    let tasks =
        daemon.ok(&["service", "ps", "redis", "--format", "{{.Name}} {{.Node}} {{.DesiredState}}"]).await;
    assert_eq!(tasks, "redis.1 bee Running\nredis.2 bee Running\n");
    let pretty = daemon.ok(&["service", "inspect", "--pretty", "redis"]).await;
    for part in ["Name:\t\tredis", " Replicas:\t2", &format!("redis:6@{DIGEST}"), "Endpoint Mode:\tvip"] {
        assert!(pretty.contains(part), "{part:?} in {pretty}");
    }

    daemon.ok(&["service", "update", "--detach", "--image", "redis:7", "redis"]).await;
    let image =
        daemon.ok(&["service", "inspect", "redis", "--format", "{{.Spec.TaskTemplate.ContainerSpec.Image}}"]);
    assert_eq!(image.await, format!("redis:7@{DIGEST}\n"));
    daemon
        .ok(&["service", "update", "--detach", "--force", "--env-add", "A=1", "--limit-cpu", ".5", "redis"])
        .await;
    daemon.ok(&["service", "scale", "--detach", "redis=1"]).await;
    daemon.ok(&["service", "rollback", "--detach", "redis"]).await;
    let state = daemon.ok(&["service", "inspect", "redis", "--format", "{{.UpdateStatus.State}}"]).await;
    assert_eq!(state, "completed\n");

    let task =
        daemon.fake.world.lock().expect("nobody panics with it").as_ref().expect("a cluster").task_ids()[0];
    daemon.fake.logs.lock().expect("nobody panics with it").insert(task, vec![line("ready to accept")]);
    let logs = daemon.ok(&["service", "logs", "redis"]).await;
    assert!(logs.contains("@bee") && logs.ends_with("| ready to accept\n"), "{logs}");

    assert_eq!(daemon.ok(&["service", "rm", "redis"]).await, "redis\n");
    assert_eq!(daemon.ok(&["service", "ls", "-q"]).await, "");
    let past =
        ["events", "--since", "1767323000", "--until", "1767323100", "--format", "{{.Type}} {{.Action}}"];
    let events = daemon.ok(&past).await;
    assert!(events.starts_with("service create\nservice update\n"), "{events}");
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_and_its_node() {
    let Some(daemon) = Daemon::start(Fake::inactive()).await else { return };
    let complaint = daemon.fails(&["service", "ls"]).await;
    assert!(
        complaint.starts_with("Error response from daemon: This node is not a swarm manager."),
        "{complaint}"
    );
    let born = daemon.ok(&["swarm", "init"]).await;
    assert!(born.contains("docker swarm join --token SWMTKN-1-w 10.0.0.1:2377"), "{born}");
    let nodes =
        daemon.ok(&["node", "ls", "--format", "{{.Self}} {{.Hostname}} {{.Status}} {{.ManagerStatus}}"]);
    assert_eq!(nodes.await, "true bee Ready Leader\n");
    let node = daemon.ok(&["node", "inspect", "self", "--pretty"]).await;
    assert!(node.contains("Raft Status:\t\tReachable"), "{node}");
    daemon.ok(&["node", "update", "--label-add", "zone=a", "bee"]).await;
    daemon.ok(&["node", "update", "--availability", "drain", "bee"]).await;
    daemon.ok(&["swarm", "update", "--task-history-limit", "3"]).await;
    let token = daemon.ok(&["swarm", "join-token", "-q", "worker"]).await;
    assert_eq!(token, "SWMTKN-1-w\n");
    let info = daemon.ok(&["info"]).await;
    for part in [
        " Swarm: active",
        "  Is Manager: true",
        "  Default Address Pool: 10.0.0.0/8",
        " Server Version: 0.1.0",
    ] {
        assert!(info.contains(part), "{part:?} in {info}");
    }
    let version = daemon.ok(&["version"]).await;
    assert!(version.contains("API version:      1.50 (minimum version 1.24)"), "{version}");
    for words in [
        &["ps", "-q"][..],
        &["images", "-q"],
        &["network", "ls", "-q"],
        &["secret", "ls", "-q"],
        &["system", "df"],
    ] {
        daemon.ok(words).await;
    }
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_later_is_refused_by_name() {
    let Some(daemon) = Daemon::start(Fake::new()).await else { return };
    let cases: &[(&[&str], &str)] = &[
        (&["--publish", "mode=host,target=80,protocol=sctp"], "--publish protocol=sctp"),
        (&["--mount", "type=cluster,source=v,target=/d"], "--mount type=cluster"),
        (&["--log-driver", "syslog"], "--log-driver syslog"),
    ];
    for (flags, name) in cases {
        let mut words = vec!["service", "create", "--no-resolve-image", "--detach"];
        words.extend_from_slice(flags);
        words.push("redis");
        let complaint = daemon.fails(&words).await;
        let expected = format!(
            "Error response from daemon: rpc error: code = Unimplemented desc = skep: {name} is not supported yet"
        );
        assert_eq!(complaint, expected);
    }
    let complaint = daemon.fails(&["service", "inspect", "nope"]).await;
    assert_eq!(complaint, "Error: no such service: nope");
    daemon.end().await;
}
