//! The commands of the cluster and its nodes, against the docker client: what they print, and what they ask.

use crate::testing::{Answer, Daemon, docker, json};

const SWARM: &str = r#"{"ID":"c1","Version":{"Index":7},"CreatedAt":"2026-01-02T03:04:05Z","UpdatedAt":"2026-01-02T03:04:05Z",
    "Spec":{"Name":"default","Labels":{"a":"b"},"Orchestration":{"TaskHistoryRetentionLimit":5},
    "Raft":{"SnapshotInterval":10000,"KeepOldSnapshots":0,"LogEntriesForSlowFollowers":500,"ElectionTick":10,"HeartbeatTick":1},
    "Dispatcher":{"HeartbeatPeriod":5000000000},"CAConfig":{"NodeCertExpiry":7776000000000000},
    "TaskDefaults":{},"EncryptionConfig":{"AutoLockManagers":LOCKED}},
    "TLSInfo":{"TrustRoot":"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
    "JoinTokens":{"Worker":"SWMTKN-1-w","Manager":"SWMTKN-1-m"}}"#;

const NODE: &str = r#"{"ID":"NAME-id","Version":{"Index":3},"CreatedAt":"2026-01-02T03:04:05Z","UpdatedAt":"2026-01-02T03:04:05Z",
    "Spec":{"Labels":{"disk":"ssd"},"Role":"ROLE","Availability":"active"},
    "Description":{"Hostname":"NAME","Platform":{"Architecture":"x86_64","OS":"linux"},
    "Resources":{"NanoCPUs":2000000000,"MemoryBytes":1073741824},"Engine":{"EngineVersion":"28.2.2",
    "Labels":{"rack":"1"},"Plugins":[{"Type":"Volume","Name":"local"},{"Type":"Log","Name":"json-file"},{"Type":"Log","Name":"local"}]},
    "TLSInfo":{"TrustRoot":"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}},
    "Status":{"State":"ready","Addr":"10.0.0.2"},
    "ManagerStatus":{"Leader":true,"Reachability":"reachable","Addr":"10.0.0.2:2377"}}"#;

fn answer(request: &str, _body: &str, is_locking: bool, state: &str) -> Answer {
    let node = |name: &str, role: &str| NODE.replace("NAME", name).replace("ROLE", role);
    match request.split('?').next().unwrap_or_default() {
        "GET /swarm" => json(200, SWARM.replace("LOCKED", if is_locking { "true" } else { "false" })),
        "GET /info" => {
            let swarm =
                format!(r#"{{"NodeID":"boss-id","LocalNodeState":"{state}","ControlAvailable":true}}"#);
            json(200, format!(r#"{{"ID":"x","Swarm":{swarm}}}"#))
        }
        "GET /swarm/unlockkey" if is_locking => json(200, r#"{"UnlockKey":"SWMKEY-1-x"}"#),
        "GET /swarm/unlockkey" => json(200, r#"{"UnlockKey":""}"#),
        "POST /swarm/join" | "POST /swarm/update" | "POST /swarm/unlock" | "POST /swarm/leave" => {
            json(200, "")
        }
        "GET /nodes" => json(200, format!("[{},{}]", node("boss", "manager"), node("bee", "worker"))),
        "GET /nodes/boss" | "GET /nodes/boss-id" => json(200, node("boss", "manager")),
        "GET /nodes/bee" | "GET /nodes/bee-id" => json(200, node("bee", "worker")),
        "GET /tasks" => json(200, "[]"),
        "POST /nodes/boss-id/update" => json(500, r#"{"message":"this is the last manager"}"#),
        "POST /nodes/bee-id/update" | "DELETE /nodes/bee" => json(200, ""),
        _ => json(404, r#"{"message":"node nope not found"}"#),
    }
}

/// Requests, the parts of their queries and the keys of their bodies in order.
fn asked(daemon: &Daemon) -> Vec<String> {
    let sort = |request: String| {
        let (line, body) = request.split_once(" {").map_or((request.as_str(), ""), |parts| parts);
        let (path, query) = line.split_once('?').unwrap_or((line, ""));
        let mut parts: Vec<&str> = query.split('&').collect();
        parts.sort_unstable();
        let body: serde_json::Value = serde_json::from_str(&format!("{{{body}")).unwrap_or_default();
        format!("{path}?{} {body}", parts.join("&"))
    };
    daemon.requests().into_iter().filter(|request| !request.starts_with("GET")).map(sort).collect()
}

async fn compare(daemon: &Daemon, lines: &str) {
    let mut differences = String::new();
    for line in lines.lines().map(str::trim) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let host = daemon.host();
        let env = [("DOCKER_HOST", host.as_str()), ("HOME", "/nonexistent")];
        let Some(theirs) = docker(&words, &env).await else {
            eprintln!("skipped: no docker client 28.2 here");
            return;
        };
        let (theirs, they_asked) = (theirs.nameless(), asked(daemon));
        let (ours, we_asked) = (daemon.skep(&words).await.nameless(), asked(daemon));
        if (&ours, &we_asked) != (&theirs, &they_asked) {
            differences.push_str(&format!(
                "\n$ {line}\n--- skep {ours:?}\n{we_asked:?}\n--- docker {theirs:?}\n{they_asked:?}"
            ));
        }
    }
    assert_eq!(differences, "");
}

#[tokio::test]
async fn the_cluster_is_dockers() {
    let daemon = Daemon::start(|request, body| answer(request, body, false, "active"));
    // What is in it is for the daemon to judge.
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").expect("writes");
    let file = file.path().to_str().expect("a plain path");
    compare(
        &daemon,
        &"swarm update
        swarm update x
        swarm update --task-history-limit 3
        swarm update --dispatcher-heartbeat 10s --cert-expiry 100h --max-snapshots 3 --snapshot-interval 500
        swarm update --autolock
        swarm update --autolock=false
        swarm update --external-ca protocol=cfssl,url=https://ca.example
        swarm ca
        swarm ca -d
        swarm ca x
        swarm ca --ca-cert nowhere.pem
        swarm ca --ca-cert /
        swarm ca --ca-cert Cargo.toml --rotate
        swarm ca --ca-cert CERTIFICATE
        swarm ca --ca-key CERTIFICATE
        swarm ca --cert-expiry 5h
        swarm ca --external-ca protocol=cfssl,url=https://ca.example
        swarm ca --rotate
        swarm ca --rotate -q
        swarm ca --rotate -d
        swarm ca --rotate -d --cert-expiry 5h
        swarm ca --rotate --ca-cert CERTIFICATE
        swarm ca --rotate -d --ca-key CERTIFICATE
        swarm ca --rotate -d --ca-key CERTIFICATE --ca-cert CERTIFICATE
        swarm ca --rotate --external-ca protocol=cfssl,url=https://ca.example
        swarm ca --rotate -d --external-ca protocol=cfssl,url=https://ca.example --ca-cert CERTIFICATE
        swarm join 10.0.0.2:2377
        swarm join --token SWMTKN-1-w --availability Drain --advertise-addr eth0 --listen-addr 1.2.3.4 --data-path-addr eth1 10.0.0.2:2377
        swarm join --availability x 10.0.0.2:2377
        swarm join --listen-addr a:b:c 10.0.0.2:2377
        swarm join-token worker
        swarm join-token -q manager
        swarm join-token --rotate worker
        swarm unlock
        swarm unlock-key
        swarm unlock-key --rotate
        swarm leave -f
        node ls
        node ls -q
        node ls --format json
        node inspect boss
        node inspect --pretty boss
        node inspect self --format {{.Spec.Role}}
        node inspect nope
        node promote bee
        node promote boss bee
        node promote nope bee
        node demote bee
        node demote boss bee
        node rm bee nope
        node rm -f bee
        node ps bee
        node ps
        node update --availability drain --label-add a=b --label-rm disk --role manager bee
        node update --label-rm nope bee"
            .replace("CERTIFICATE", file),
    )
    .await;
}

#[tokio::test]
async fn a_locked_cluster_is_dockers() {
    let daemon = Daemon::start(|request, body| answer(request, body, true, "locked"));
    compare(
        &daemon,
        "swarm unlock
        swarm unlock-key
        swarm unlock-key -q
        swarm unlock-key --rotate
        swarm unlock-key --rotate -q
        swarm update --autolock",
    )
    .await;
}
