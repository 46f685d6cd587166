//! Containers, images and volumes over HTTP: what is asked of the node, and how its answers are shown.

use axum::body::Body;
use axum::http::{Method, Request};
use base64::Engine as _;
use serde_json::{Value, json};

use super::fake::Fake;
use super::fake_node::{ENDED, RUNS};
use super::http::{Api, message};

async fn value(api: &Api, target: &str) -> Value {
    serde_json::from_str(&api.get(target).await).expect("JSON")
}

fn asked(api: &Api) -> Vec<String> {
    std::mem::take(&mut api.fake.node.lock().expect("nobody panics with it").asked)
}

/// Sends a request and returns the status and the whole answer.
async fn ask(api: &Api, method: Method, target: &str) -> (u16, String) {
    let (status, text) = api.text(method, target, "").await;
    (status.as_u16(), text)
}

#[tokio::test]
async fn a_container_is_listed_with_health_ports_and_filters() {
    let api = Api::new(Fake::new());
    let running = value(&api, "/containers/json?size=1").await;
    assert_eq!(running.as_array().expect("a list").len(), 1);
    let row = &running[0];
    assert_eq!(row["Names"], json!(["/web.2.y"]));
    assert_eq!(row["Command"], "sh -c 'sleep 9'");
    assert!(row["Status"].as_str().expect("a status").ends_with(" (healthy)"), "{row}");
    assert_eq!(
        row["Ports"],
        json!([{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}])
    );
    assert_eq!((&row["SizeRw"], &row["SizeRootFs"]), (&json!(10), &json!(30)));
    let count = async |filters: &str| {
        let rows = value(&api, &format!("/containers/json?all=1&filters={filters}")).await;
        rows.as_array().expect("a list").len()
    };
    for (filters, expected) in [
        ("%7B%22status%22%3A%5B%22exited%22%5D%7D", 1),
        ("%7B%22health%22%3A%5B%22healthy%22%5D%7D", 1),
        ("%7B%22is-task%22%3A%5B%22true%22%5D%7D", 1),
        ("%7B%22exited%22%3A%5B%22137%22%5D%7D", 1),
        ("%7B%22publish%22%3A%5B%228080%22%5D%7D", 1),
        ("%7B%22expose%22%3A%5B%2280%2Ftcp%22%5D%7D", 1),
        ("%7B%22ancestor%22%3A%5B%22redis%22%5D%7D", 2),
        ("%7B%22name%22%3A%5B%22%5Eweb.1%22%5D%7D", 1),
    ] {
        assert_eq!(count(filters).await, expected, "{filters}");
    }
}

#[tokio::test]
async fn a_container_is_found_by_name_and_by_the_beginning_of_its_id() {
    let api = Api::new(Fake::new());
    for reference in [RUNS, "web.2.y", "%2Fweb.2.y", "ddd"] {
        let found = value(&api, &format!("/containers/{reference}/json")).await;
        assert_eq!(found["Id"], RUNS, "{reference}");
        assert_eq!(found["State"]["Pid"], 42);
        assert!(found["HostConfig"]["PidsLimit"].is_null() && found["Config"]["Volumes"].is_null());
    }
}

#[tokio::test]
async fn refusals_about_a_node_have_dockers_words() {
    let api = Api::new(Fake::new());
    let cases: &[(Method, &str, u16, &str)] = &[
        (Method::GET, "/containers/nobody/json", 404, "No such container: nobody"),
        (Method::GET, "/containers/json?filters=%7B%22x%22%3A%5B%5D%7D", 400, "invalid filter 'x'"),
        (
            Method::GET,
            "/containers/json?filters=%7B%22status%22%3A%5B%22asleep%22%5D%7D",
            400,
            "invalid filter 'status=asleep'",
        ),
        (Method::GET, "/containers/web.2.y/logs", 400, "Bad parameters: you must choose at least one stream"),
        (Method::GET, "/containers/web.2.y/logs?stdout=1&tail=-1", 400, "negative tail values not supported"),
        (
            Method::GET,
            "/containers/web.2.y/stats?stream=1&one-shot=1",
            400,
            "invalid request: cannot have stream=true and one-shot=true",
        ),
        (Method::POST, "/containers/web.2.y/wait?condition=x", 400, "invalid condition: \"x\""),
        (Method::POST, "/containers/web.2.y/kill?signal=NONSENSE", 400, "Invalid signal: NONSENSE"),
        (
            Method::DELETE,
            "/containers/web.2.y",
            409,
            "cannot remove container \"web.2.y\": container is running: stop the container before removing or \
             force remove",
        ),
        (
            Method::POST,
            "/containers/create",
            501,
            "skep runs containers through services only; use \"docker service create\" (or \"skep service create\")",
        ),
        (
            Method::POST,
            "/containers/web.2.y/restart",
            501,
            "skep: the containers of tasks are not restarted but replaced; use \"docker service update --force\"",
        ),
        (Method::GET, "/images/nobody:1/json", 404, "No such image: nobody:1"),
        (
            Method::POST,
            "/images/create?fromImage=Redis&tag=7",
            400,
            "invalid reference format: repository name must be lowercase",
        ),
        (
            Method::POST,
            "/images/create?fromImage=absent&tag=7",
            404,
            "manifest for absent:7 not found: manifest unknown: manifest unknown",
        ),
        (
            Method::POST,
            "/images/redis/push",
            501,
            "skep: pushing images is not supported by this daemon; push from where the image was built",
        ),
        (Method::GET, "/volumes/nobody", 404, "get nobody: no such volume"),
        (Method::DELETE, "/volumes/nobody", 404, "get nobody: no such volume"),
        (Method::GET, "/system/df?type=x", 400, "unknown object type: x"),
        (Method::GET, "/exec/nobody/json", 404, "No such exec instance: nobody"),
    ];
    for (method, target, status, sentence) in cases {
        let (found, text) = ask(&api, method.clone(), target).await;
        assert_eq!((found, message(&text).as_str()), (*status, *sentence), "{method} {target}");
    }
    let id = format!("cannot kill container: web.1.x: container {ENDED} is not running");
    let (status, text) = ask(&api, Method::POST, "/containers/web.1.x/kill").await;
    assert_eq!((status, message(&text)), (409, id));
}

#[tokio::test]
async fn ending_a_container_by_hand_reaches_the_node() {
    let api = Api::new(Fake::new());
    assert_eq!(ask(&api, Method::POST, "/containers/web.2.y/stop?t=3&signal=INT").await.0, 204);
    assert_eq!(ask(&api, Method::POST, "/containers/web.1.x/stop").await.0, 304);
    assert_eq!(ask(&api, Method::POST, "/containers/web.2.y/start").await.0, 304);
    assert_eq!(ask(&api, Method::POST, "/containers/web.2.y/kill?signal=SIGUSR1").await.0, 204);
    assert_eq!(ask(&api, Method::DELETE, "/containers/web.2.y?force=1").await.0, 204);
    assert_eq!(asked(&api), ["stop Some(2) Some(3s)", "stop None None", "kill 10", "remove d"]);
    let (status, text) = ask(&api, Method::POST, "/containers/web.1.x/wait").await;
    assert_eq!((status, text.as_str()), (200, "{\"StatusCode\":137}\n"));
    // What was done by hand is told to those who ask for the past.
    let past = api.get("/events?since=1&until=99999999999&filters=%7B%22event%22%3A%5B%22kill%22%5D%7D");
    let past = tokio::time::timeout(std::time::Duration::from_millis(300), past).await;
    assert!(past.is_err(), "a span that ends in the future goes on");
}

#[tokio::test]
async fn files_go_in_and_out() {
    let api = Api::new(Fake::new());
    let request = Request::builder().method(Method::HEAD).uri("/containers/web.2.y/archive?path=/etc/passwd");
    let answer = api.send(request.body(Body::empty()).expect("a request")).await;
    assert_eq!(answer.status(), 200);
    let stat = answer.headers()["x-docker-container-path-stat"].as_bytes();
    let stat = base64::engine::general_purpose::STANDARD.decode(stat).expect("base64");
    let stat: Value = serde_json::from_slice(&stat).expect("JSON");
    assert_eq!(
        stat,
        json!({"name": "passwd", "size": 5, "mode": 420, "mtime": "2026-01-02T03:04:05.5Z", "linkTarget": ""})
    );
    let request = Request::builder()
        .method(Method::PUT)
        .uri("/containers/web.2.y/archive?path=/tmp&noOverwriteDirNonDir=true")
        .header("content-type", "application/x-tar");
    let answer = api.send(request.body(Body::from("archive")).expect("a request")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(asked(&api), ["put /tmp 7 true"]);
}

#[tokio::test]
async fn measurements_come_with_the_one_before() {
    let api = Api::new(Fake::new());
    let once = value(&api, "/containers/web.2.y/stats?stream=0&one-shot=1").await;
    assert_eq!((&once["name"], &once["pids_stats"]["current"]), (&json!("/web.2.y"), &json!(2)));
    assert_eq!(once["preread"], "0001-01-01T00:00:00Z");
    let twice = value(&api, "/containers/web.2.y/stats?stream=0").await;
    assert_eq!(twice["preread"], "2026-01-02T03:04:05.5Z");
    let ended = value(&api, "/containers/web.1.x/stats?stream=0").await;
    assert_eq!((&ended["pids_stats"], &ended["read"]), (&json!({}), &json!("0001-01-01T00:00:00Z")));
    let top = value(&api, "/containers/web.2.y/top").await;
    assert_eq!(top, json!({"Titles": ["-ef"], "Processes": [["1"]]}));
    assert_eq!(api.get("/containers/web.2.y/changes").await, "null\n");
}

#[tokio::test]
async fn a_log_is_framed_and_a_silent_one_answers_at_once() {
    let api = Api::new(Fake::new());
    let log = api.get("/containers/web.2.y/logs?stdout=1&timestamps=1&details=1").await;
    assert_eq!(&log[8..], "2026-01-02T03:04:05.500000000Z  said\n");
}

#[tokio::test]
async fn a_pull_is_told_line_by_line() {
    let api = Api::new(Fake::new());
    let (status, told) = ask(&api, Method::POST, "/images/create?fromImage=redis&tag=7").await;
    assert_eq!(status, 200);
    let digest = super::fake::DIGEST;
    assert_eq!(
        told,
        format!(
            "{{\"status\":\"Pulling from redis\",\"id\":\"7\"}}\r\n\
             {{\"status\":\"Pulling fs layer\",\"progressDetail\":{{}},\"id\":\"0123456789ab\"}}\r\n\
             {{\"status\":\"Pull complete\",\"progressDetail\":{{}},\"id\":\"0123456789ab\"}}\r\n\
             {{\"status\":\"Digest: {digest}\"}}\r\n\
             {{\"status\":\"Status: Downloaded newer image for redis:7\"}}\r\n"
        )
    );
    let (status, told) = ask(&api, Method::POST, "/images/create?fromImage=broken&tag=7").await;
    assert_eq!(status, 200);
    let last = told.lines().last().expect("a line");
    assert_eq!(last, r#"{"errorDetail":{"message":"the line went dead"},"error":"the line went dead"}"#);
}

#[tokio::test]
async fn images_are_shown_tagged_saved_and_removed() {
    let api = Api::new(Fake::new());
    let old = value(&api, "/v1.41/images/json").await;
    assert_eq!((&old[0]["VirtualSize"], &old[0]["Labels"]), (&json!(1000), &Value::Null));
    let new = value(&api, "/v1.44/images/json").await;
    assert!(new[0].get("VirtualSize").is_none());
    assert_eq!(ask(&api, Method::POST, "/images/redis:7/tag?repo=host:5000/mine&tag=2").await.0, 201);
    assert_eq!(asked(&api), ["tag redis:7 host:5000/mine:2"]);
    let (status, text) = ask(&api, Method::DELETE, "/images/redis:7?force=1").await;
    let removed: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((status, &removed[0]["Untagged"]), (200, &json!("redis:7")));
    assert_eq!(ask(&api, Method::DELETE, "/images/redis:7").await.0, 409);
    assert_eq!(api.get("/images/get?names=a&names=b").await, "a,b");
    assert_eq!(api.get("/images/redis:7/get").await, "redis:7");
    let (_, loaded) = api.text(Method::POST, "/images/load", "x").await;
    assert_eq!(loaded, "{\"stream\":\"Loaded image: redis:1\\n\"}\r\n");
}

#[tokio::test]
async fn volumes_live_and_die() {
    let api = Api::new(Fake::new());
    let body = r#"{"Name":"kept","Labels":{"a":"b"},"DriverOpts":null}"#;
    let (status, made) = api.text(Method::POST, "/volumes/create", body).await;
    assert_eq!(
        (status.as_u16(), made.as_str()),
        (
            201,
            "{\"CreatedAt\":\"2026-01-02T03:04:05.5Z\",\"Driver\":\"local\",\"Labels\":{\"a\":\"b\"},\"Mountpoint\":\
             \"/v/kept\",\"Name\":\"kept\",\"Options\":null,\"Scope\":\"local\"}\n"
        )
    );
    assert_eq!(value(&api, "/volumes").await["Volumes"][0]["Name"], "kept");
    let pruned = |version: &str| format!("{version}/volumes/prune");
    let (_, new) = ask(&api, Method::POST, &pruned("/v1.44")).await;
    assert_eq!(new, "{\"VolumesDeleted\":null,\"SpaceReclaimed\":7}\n");
    let (_, old) = ask(&api, Method::POST, &pruned("/v1.41")).await;
    assert_eq!(old, "{\"VolumesDeleted\":[\"kept\"],\"SpaceReclaimed\":7}\n");
    let usage = value(&api, "/system/df?type=volume").await;
    assert_eq!(usage["Volumes"][0]["UsageData"], json!({"RefCount": 0, "Size": 7}));
    assert!(usage["Images"].is_null());
    assert_eq!(ask(&api, Method::DELETE, "/volumes/kept").await.0, 204);
    assert_eq!(ask(&api, Method::DELETE, "/volumes/kept?force=1").await.0, 204);
}

#[tokio::test]
async fn a_login_is_judged_by_the_registry() {
    let api = Api::new(Fake::new());
    let body = |password: &str| {
        format!(r#"{{"username":"bee","password":"{password}","serveraddress":"host:5000"}}"#)
    };
    let (status, text) = api.text(Method::POST, "/auth", &body("right")).await;
    assert_eq!(
        (status.as_u16(), text.as_str()),
        (200, "{\"Status\":\"Login Succeeded\",\"IdentityToken\":\"\"}\n")
    );
    let (status, text) = api.text(Method::POST, "/auth", &body("wrong")).await;
    assert_eq!(
        (status.as_u16(), message(&text)),
        (401, "unauthorized: incorrect username or password".into())
    );
}
