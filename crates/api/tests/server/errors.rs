//! Refusals: the status, the sentence, the exact header.

use axum::body::Body;
use axum::http::{Method, Request, header};

use super::fake::{Fake, node_id};
use super::http::{Api, message};

const BODY: &str = r#"{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"redis"}}}"#;

#[tokio::test]
async fn every_refusal_has_docker_s_status_and_sentence() {
    let api = Api::new(Fake::new());
    let id = api.create(BODY).await;
    let node = node_id().to_string();
    let update = format!("/services/{id}/update");
    let networked =
        r#"{"Name":"g","TaskTemplate":{"ContainerSpec":{"Image":"i"},"Networks":[{"Target":"n"}]}}"#;
    let invalid = r#"{"Name":"a.b","TaskTemplate":{"ContainerSpec":{"Image":"i"}}}"#;
    let manager = format!(
        "rpc error: code = FailedPrecondition desc = node {node} is a cluster manager and is a member of the raft \
         cluster. It must be demoted to worker before removal"
    );
    let cases: &[(&str, &str, &str, u16, &str)] = &[
        ("GET", "/nothing", "", 404, "page not found"),
        ("PUT", "/services/create", "", 404, "page not found"),
        ("GET", "/v1.50/", "", 404, "page not found"),
        (
            "GET",
            "/v1.99/info",
            "",
            400,
            "client version 1.99 is too new. Maximum supported API version is 1.50",
        ),
        (
            "GET",
            "/v1.12/info",
            "",
            400,
            "client version 1.12 is too old. Minimum supported API version is 1.24, please upgrade your client to \
             a newer version",
        ),
        ("GET", "/services/nope", "", 404, "service nope not found"),
        ("DELETE", "/services/nope", "", 404, "service nope not found"),
        ("GET", "/services/%ff", "", 400, "Invalid URL: Invalid UTF-8 in `id`"),
        ("GET", "/tasks/nope", "", 404, "task nope not found"),
        ("GET", "/tasks/9", "", 404, "task 9 not found"),
        ("GET", "/nodes/nope", "", 404, "node nope not found"),
        ("GET", "/secrets/nope", "", 404, "secret nope not found"),
        ("GET", "/networks/front?scope=swarm", "", 404, "network front not found"),
        ("GET", "/services?filters=x", "", 400, "invalid filter"),
        ("GET", "/services?filters=%7B%22foo%22%3A%5B%5D%7D", "", 400, "invalid filter 'foo'"),
        ("GET", "/tasks?filters=%7B%22service%22%3A%5B%22x%22%5D%7D", "", 404, "service x not found"),
        (
            "GET",
            "/tasks?filters=%7B%22desired-state%22%3A%5B%22x%22%5D%7D",
            "",
            500,
            "Invalid desired-state filter: 'x'",
        ),
        ("GET", "/nodes?filters=%7B%22role%22%3A%5B%22x%22%5D%7D", "", 500, "Invalid role filter: 'x'"),
        (
            "POST",
            "/services/create",
            BODY,
            409,
            "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service web already \
             exists",
        ),
        (
            "POST",
            "/services/create",
            networked,
            501,
            "rpc error: code = Unimplemented desc = skep: --network is not supported yet",
        ),
        (
            "POST",
            "/services/create",
            invalid,
            400,
            "rpc error: code = InvalidArgument desc = name must be valid as a DNS name component",
        ),
        (
            "POST",
            "/services/create",
            "{",
            400,
            "invalid JSON: EOF while parsing an object at line 1 column 1",
        ),
        ("POST", "/services/create", "{}x", 400, "unexpected content after JSON"),
        ("POST", "/services/create", "", 400, "invalid JSON: got EOF while reading request body"),
        (
            "POST",
            &update,
            BODY,
            400,
            "invalid service version '': strconv.ParseUint: parsing \"\": invalid syntax",
        ),
        (
            "POST",
            &format!("{update}?version=1"),
            BODY,
            500,
            "rpc error: code = Unknown desc = update out of sequence",
        ),
        ("POST", &format!("{update}?version=12&rollback=x"), BODY, 500, "unrecognized rollback option x"),
        (
            "POST",
            &format!("{update}?version=12&rollback=previous"),
            BODY,
            400,
            &format!(
                "rpc error: code = FailedPrecondition desc = service {id} does not have a previous spec"
            ),
        ),
        (
            "POST",
            &format!("{update}?version=12&registryAuthFrom=x"),
            BODY,
            500,
            "unsupported registryAuthFrom value",
        ),
        ("GET", "/services/web/logs", "", 500, "Bad parameters: you must choose at least one stream"),
        ("GET", "/services/web/logs?stdout=1&tail=-1", "", 500, "negative tail values not supported"),
        (
            "GET",
            "/services/web/logs?stdout=1&tail=x",
            "",
            500,
            "tail value must be a positive integer or \"all\"",
        ),
        ("GET", "/distribution/missing:1/json", "", 404, "manifest unknown: manifest unknown"),
        ("GET", "/distribution/Bad%20Name/json", "", 400, "invalid reference format"),
        ("POST", "/nodes/bee/update?version=1", r#"{"Role":"boss"}"#, 400, "invalid Role: \"boss\""),
        ("DELETE", "/nodes/bee", "", 400, &manager),
        ("POST", "/swarm/init", "{}", 400, "invalid ListenAddr \"\": invalid empty address"),
        (
            "POST",
            "/swarm/init",
            r#"{"ListenAddr":"0.0.0.0:2377","AutoLockManagers":true}"#,
            501,
            "rpc error: code = Unimplemented desc = skep: --autolock is not supported yet",
        ),
        (
            "POST",
            "/swarm/init",
            r#"{"ListenAddr":"0.0.0.0:2377","DefaultAddrPool":["x"]}"#,
            400,
            "invalid base pool \"x\": not an IPv4 network in CIDR form",
        ),
        ("POST", "/swarm/unlock", "{}", 409, "swarm is not locked"),
        ("GET", "/events?since=20&until=10", "", 400, "`since` time (20) cannot be after `until` time (10)"),
        (
            "POST",
            "/containers/create",
            "{}",
            501,
            "skep runs containers through services only; use \"docker service create\" (or \"skep service create\")",
        ),
        (
            "POST",
            "/v1.50/build",
            "",
            501,
            "building images is not supported by this daemon; build elsewhere and push to a registry",
        ),
        ("POST", "/secrets/create", "{}", 501, "skep: secrets are not supported yet"),
    ];
    for (method, target, body, status, sentence) in cases {
        let method: Method = method.parse().expect("a method");
        let (found, text) = api.text(method.clone(), target, body).await;
        assert_eq!(
            (found.as_u16(), message(&text).as_str()),
            (*status, *sentence),
            "{method} {target} {body}"
        );
    }
}

#[tokio::test]
async fn outside_a_cluster_every_question_about_it_says_so() {
    let api = Api::new(Fake::inactive());
    let sentence = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect \
                    this node to swarm and try again.";
    for target in ["/swarm", "/services", "/nodes/x", "/tasks", "/secrets", "/configs", "/swarm/unlockkey"] {
        let (status, text) = api.text(Method::GET, target, "").await;
        assert_eq!((status.as_u16(), message(&text).as_str()), (503, sentence), "{target}");
    }
    let (status, text) = api.text(Method::POST, "/services/create", BODY).await;
    assert_eq!((status.as_u16(), message(&text).as_str()), (503, sentence));
    let (status, text) = api.text(Method::POST, "/swarm/leave", "").await;
    assert_eq!((status.as_u16(), message(&text).as_str()), (503, "This node is not part of a swarm"));
}

#[tokio::test]
async fn the_common_headers_are_on_every_answer() {
    let api = Api::new(Fake::new());
    for (method, target) in
        [("GET", "/_ping"), ("GET", "/x"), ("GET", "/v9.9/x"), ("OPTIONS", "/x"), ("HEAD", "/_ping")]
    {
        let request = Request::builder().method(method).uri(target).body(Body::empty()).expect("a request");
        let response = api.send(request).await;
        let headers = response.headers();
        let of = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!(of("api-version"), "1.50", "{method} {target}");
        assert_eq!(of("ostype"), "linux");
        assert_eq!(of("docker-experimental"), "false");
        assert_eq!(of("server"), "Docker/28.2.2 (linux)");
        if response.status().is_client_error() {
            assert_eq!(of("content-type"), "application/json");
        }
        if target == "/_ping" {
            assert_eq!(of("swarm"), "active/manager");
            assert_eq!(of("cache-control"), "no-cache, no-store, must-revalidate");
        }
    }
}

#[tokio::test]
async fn bodies_are_typed_and_bounded() {
    let api = Api::new(Fake::new());
    let post = async |kind: &str, body: Vec<u8>| {
        let request = Request::post("/services/create").header(header::CONTENT_TYPE, kind);
        let response = api.send(request.body(Body::from(body)).expect("a request")).await;
        response.status().as_u16()
    };
    assert_eq!(post("text/plain", BODY.into()).await, 400);
    assert_eq!(post(";", BODY.into()).await, 400);
    assert_eq!(post("application/json; charset=utf-8", BODY.into()).await, 201);
    assert_eq!(post("application/json", vec![b' '; 17 * 1024 * 1024]).await, 413);
    let untyped =
        Request::post("/services/create").body(Body::from(BODY.replace("web", "db"))).expect("a request");
    assert_eq!(api.send(untyped).await.status(), 201);
}
