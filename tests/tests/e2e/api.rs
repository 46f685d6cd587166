//! The shape of answers that every client relies on, over plain HTTP.

use serde_json::json;
use skep_tests::{Cluster, Http};

#[test]
fn versions_are_negotiated() {
    let cluster = Cluster::start().unwrap();
    let mut http = Http::unix(cluster.daemon.socket()).unwrap();
    let ping = http.send("HEAD", "/_ping", &[], &[]).unwrap();
    assert_eq!((ping.status, ping.header("swarm")), (200, Some("active/manager")));
    assert!(ping.header("api-version").is_some());
    assert_eq!(http.send("GET", "/v1.24/version", &[], &[]).unwrap().status, 200);
    let newer = http.send("GET", "/v1.99/info", &[], &[]).unwrap();
    assert_eq!(newer.status, 400);
    assert!(newer.text().contains("client version 1.99 is too new"), "{}", newer.text());
}

#[test]
fn an_error_always_has_a_message() {
    let mut cluster = Cluster::start().unwrap();
    let requests = [
        ("GET", "/services/nobody", 404),
        ("GET", "/tasks/nobody", 404),
        ("GET", "/nodes/nobody", 404),
        ("GET", "/no/such/page", 404),
        ("POST", "/services/create", 400),
        ("GET", "/tasks?filters=nonsense", 400),
    ];
    for (method, path, status) in requests {
        let answer = cluster.engine.send(method, path, None).unwrap();
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        let message = answer.json().unwrap()["message"].as_str().unwrap_or_default().to_owned();
        assert!(!message.is_empty(), "{method} {path}: {}", answer.text());
    }
}

#[test]
fn a_name_is_taken_once_and_a_stale_version_is_refused() {
    let mut cluster = Cluster::start().unwrap();
    let spec = json!({
        "Name": "web", "Mode": {"Replicated": {"Replicas": 0}},
        "TaskTemplate": {"ContainerSpec": {"Image": "127.0.0.1:5000/busybox:1"}},
    });
    cluster.engine.create_service(&spec).unwrap();
    let again = cluster.engine.send("POST", "/services/create", Some(&spec)).unwrap();
    assert_eq!(again.status, 409, "{}", again.text());
    let stale = cluster.engine.send("POST", "/services/web/update?version=1", Some(&spec)).unwrap();
    assert_eq!(stale.status, 500);
    assert!(stale.text().contains("update out of sequence"), "{}", stale.text());
}

#[test]
fn what_comes_later_is_refused_by_name() {
    let cluster = Cluster::start().unwrap();
    let image = cluster.busybox("1").unwrap();
    let (code, said) = cluster.docker.refused(&["service", "create", "-d", "--secret", "s", &image]).unwrap();
    assert_eq!(code, 1);
    assert!(said.to_lowercase().contains("secret"), "{said}");
}
