//! Answers that go on: logs and events.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use futures_util::StreamExt as _;
use skep_api::server::facts::{Fault, FaultClass};
use skep_model::{Id as _, TaskId};

use super::fake::{Fake, line};
use super::http::Api;

const BODY: &str = r#"{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"redis"}},"Mode":{"Replicated":{"Replicas":2}}}"#;

/// A stream that answers within the time that a client would wait.
struct Follow {
    frames: axum::body::BodyDataStream,
    kind: String,
}

impl Follow {
    async fn open(api: &Api, target: &str) -> Self {
        let request = Request::get(target).body(Body::empty()).expect("a request");
        let response =
            tokio::time::timeout(Duration::from_secs(5), api.send(request)).await.expect("headers at once");
        assert_eq!(response.status(), 200, "{target}");
        let kind = response.headers()[header::CONTENT_TYPE].to_str().expect("text").to_owned();
        Follow { frames: response.into_body().into_data_stream(), kind }
    }

    async fn next(&mut self) -> Option<Vec<u8>> {
        let next = tokio::time::timeout(Duration::from_secs(5), self.frames.next()).await.expect("in time");
        next.map(|frame| frame.expect("a frame").to_vec())
    }

    /// Reads so many bytes, in however many pieces they come.
    async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            bytes.extend(self.next().await.expect("more bytes"));
        }
        bytes
    }

    async fn text(&mut self) -> String {
        let frame = self.next().await.expect("a frame");
        String::from_utf8(frame[8..].to_vec()).expect("text")
    }
}

#[tokio::test]
async fn the_log_of_a_service_joins_its_tasks_and_those_to_come() {
    let api = Api::new(Fake::new());
    let id = api.create(BODY).await.parse().expect("an id");
    let tasks = api.fake.world.lock().expect("nobody panics with it").as_ref().expect("a cluster").task_ids();
    api.fake.logs.lock().expect("nobody panics with it").insert(tasks[0], vec![line("one"), line("two")]);
    let mut log = Follow::open(&api, "/services/web/logs?stdout=1&follow=1&tail=1").await;
    assert_eq!(log.kind, "application/vnd.docker.multiplexed-stream");
    assert_eq!(log.next().await.expect("a frame"), b"\x01\0\0\0\0\0\0\x04two\n");

    api.fake
        .logs
        .lock()
        .expect("nobody panics with it")
        .insert(TaskId::from_number(999), vec![line("three"), line("four")]);
    api.fake.change(|world| world.add_task(id, 999));
    let both = b"\x01\0\0\0\0\0\0\x06three\n\x01\0\0\0\0\0\0\x05four\n";
    assert_eq!(log.bytes(both.len()).await, both);
}

#[tokio::test]
async fn a_log_that_is_not_followed_ends_and_tells_where_each_line_is_from() {
    let api = Api::new(Fake::new());
    api.create(BODY).await;
    let tasks = api.fake.world.lock().expect("nobody panics with it").as_ref().expect("a cluster").task_ids();
    api.fake.logs.lock().expect("nobody panics with it").insert(tasks[1], vec![line("hello")]);
    let target = format!("/v1.41/tasks/{}/logs?stdout=true&stderr=1&details=1&timestamps=1", tasks[1]);
    let mut log = Follow::open(&api, &target).await;
    assert_eq!(log.kind, "application/vnd.docker.raw-stream");
    let expected = format!(
        "2026-01-02T03:04:05.500000000Z com.docker.swarm.node.id=0000000000000000000000007,\
         com.docker.swarm.service.id=000000000000000000000000c,com.docker.swarm.task.id={} hello\n",
        tasks[1]
    );
    assert_eq!(log.text().await, expected);
    assert_eq!(log.next().await, None);
}

#[tokio::test]
async fn a_log_that_fails_says_so_within() {
    let api = Api::new(Fake::new());
    api.create(BODY).await;
    let tasks = api.fake.world.lock().expect("nobody panics with it").as_ref().expect("a cluster").task_ids();
    let fault = Err(Fault::new(FaultClass::Failed, "the disk is gone"));
    api.fake.logs.lock().expect("nobody panics with it").insert(tasks[0], vec![fault]);
    let mut log = Follow::open(&api, "/services/web/logs?stdout=1&follow=1").await;
    let frame = log.next().await.expect("a frame");
    assert_eq!(frame[0], 3);
    assert_eq!(&frame[8..], b"Error grabbing logs: the disk is gone\n");
    assert_eq!(log.next().await, None);
}

#[tokio::test]
async fn events_are_told_as_they_happen_and_kept_for_those_who_ask() {
    let api = Api::new(Fake::new());
    let mut events = Follow::open(&api, "/events?filters=%7B%22type%22%3A%5B%22service%22%5D%7D").await;
    assert_eq!(events.kind, "application/json");
    let id = api.create(BODY).await;
    let create = String::from_utf8(events.next().await.expect("an event")).expect("text");
    assert_eq!(
        create,
        format!(
            "{{\"Type\":\"service\",\"Action\":\"create\",\"Actor\":{{\"ID\":\"{id}\",\"Attributes\":\
             {{\"name\":\"web\"}}}},\"scope\":\"swarm\",\"time\":1767323045,\"timeNano\":1767323045500000000}}\n"
        )
    );
    let body = BODY.replace("redis", "redis:8").replace("\"Replicas\":2", "\"Replicas\":3");
    api.text(axum::http::Method::POST, &format!("/services/{id}/update?version=12"), &body).await;
    let update = String::from_utf8(events.next().await.expect("an event")).expect("text");
    assert!(
        update.contains(
            r#"{"image.new":"redis:8","image.old":"redis","name":"web","replicas.new":"3","replicas.old":"2"}"#
        ),
        "{update}"
    );
    // The past, up to a moment that has passed: replayed, then ended.
    let mut past = Follow::open(&api, "/events?since=1767323000&until=1767323100").await;
    assert_eq!(past.next().await.map(|event| String::from_utf8(event).expect("text")), Some(create));
    assert!(past.next().await.is_some());
    assert_eq!(past.next().await, None);
}
