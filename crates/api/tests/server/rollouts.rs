//! `/skep/v1/rollouts`: where services stand, their history, and what may be asked of a rollout.

use axum::http::{Method, StatusCode};
use expect_test::expect;
use skep_model::rollout::{Phase, Wait, WaitCode};
use skep_model::task::{LeaveCause, SlotId};
use skep_model::{Id, NodeId, Revision, ServiceId, ServiceSpec, Step, TaskId, Timestamp};

use super::fake::{Fake, completed};
use super::http::Api;

const SPEC: &str = r#"{"Name":"web","TaskTemplate":{"ContainerSpec":{"Image":"redis"}}}"#;

/// A service whose second revision is being rolled out and waits for a health check.
async fn api() -> Api {
    let api = Api::new(Fake::new());
    let id: ServiceId = api.create(SPEC).await.parse().expect("an id");
    let mut world = api.fake.world.lock().expect("nobody panics with it");
    let known = world.as_mut().expect("a cluster");
    let mut rollout = completed(id);
    (rollout.phase, rollout.completed_at, rollout.return_to) = (Phase::Running, None, Some(1));
    rollout.message = "update in progress".into();
    rollout.failed_count = 1;
    let wait = Wait {
        code: WaitCode::Health,
        since: Timestamp(0),
        until: Some(Timestamp(30_000_000_000)),
        slot: Some(SlotId::Number(1)),
        cause: None,
        text: "the health check of web.1 has not passed".into(),
    };
    let leaves = Wait {
        code: WaitCode::Drain,
        until: None,
        cause: Some(LeaveCause::Drain),
        text: "its node is drained: waits for its turn".into(),
        ..wait.clone()
    };
    known.waits.extend([(id, wait), (id, leaves)]);
    known.rollouts.insert(id, rollout);
    let revision = |number, stable_at| Revision {
        hash: format!("hash{number}"),
        author: "ci".into(),
        stable_at,
        ..skep_testing::revision(id, number, &ServiceSpec::default())
    };
    known.revisions.insert((id, 1), revision(1, Some(Timestamp(5))));
    known.revisions.insert((id, 2), revision(2, None));
    let replacement = TaskId::from_number(7);
    known.steps.push(Step::begun(id, SlotId::Number(1), replacement, Timestamp(0)));
    drop(world);
    api
}

#[tokio::test]
async fn a_rollout_says_where_it_stands_and_what_it_waits_for() {
    let api = api().await;
    let (status, text) = api.text(Method::GET, "/skep/v1/rollouts/web", "").await;
    assert_eq!(status, StatusCode::OK);
    expect![[r#"
        {"ServiceID":"000000000000000000000000c","ServiceName":"web","State":"updating","Revision":1,"ReturnTo":1,"StableAt":"1970-01-01T00:00:00.000000005Z","StartedAt":"2026-01-02T03:04:05.5Z","Message":"update in progress","Slots":{"Total":1,"Running":1,"Updated":1,"Failed":1},"Steps":[{"Slot":"1","TaskID":"0000000000000000000000007","TakenAt":"0001-01-01T00:00:00Z","Failed":false}],"Waits":[{"Code":"health","Since":"0001-01-01T00:00:00Z","Until":"1970-01-01T00:00:30Z","Slot":"1","Text":"the health check of web.1 has not passed"},{"Code":"drain","Since":"0001-01-01T00:00:00Z","Slot":"1","Cause":"node-drained","Text":"its node is drained: waits for its turn"}]}
    "#]].assert_eq(&text);
    let (_, all) = api.text(Method::GET, "/skep/v1/rollouts", "").await;
    assert_eq!(all, format!("[{}]\n", text.trim_end()));
}

#[tokio::test]
async fn the_history_names_what_is_stable_and_what_is_in_force() {
    let api = api().await;
    let (status, text) = api.text(Method::GET, "/skep/v1/rollouts/web/revisions", "").await;
    assert_eq!(status, StatusCode::OK);
    expect![[r#"
        [{"Number":1,"Hash":"hash1","Image":"","CreatedAt":"0001-01-01T00:00:00Z","Author":"ci","StableAt":"1970-01-01T00:00:00.000000005Z","IsCurrent":true},{"Number":2,"Hash":"hash2","Image":"","CreatedAt":"0001-01-01T00:00:00Z","Author":"ci","IsCurrent":false}]
    "#]].assert_eq(&text);
}

#[tokio::test]
async fn a_verb_is_carried_out_or_refused_by_name() {
    let api = api().await;
    let (status, text) = api.text(Method::POST, "/skep/v1/rollouts/web/pause", "").await;
    assert_eq!(status, StatusCode::OK, "{text}");
    assert!(text.contains(r#""State":"paused""#), "{text}");
    for (target, status, words) in [
        ("/skep/v1/rollouts/web/stop", StatusCode::BAD_REQUEST, "pause, resume, abort or undo"),
        ("/skep/v1/rollouts/web/undo?to=x", StatusCode::BAD_REQUEST, "not the number of a revision"),
        ("/skep/v1/rollouts/nope/pause", StatusCode::NOT_FOUND, "service nope not found"),
        ("/skep/v1/rollouts/web/undo?to=1", StatusCode::BAD_REQUEST, "no rollout in progress"),
    ] {
        let (is, text) = api.text(Method::POST, target, "").await;
        assert_eq!(is, status, "{target}: {text}");
        assert!(text.contains(words), "{target}: {text}");
    }
}

#[tokio::test]
async fn a_dry_run_of_rebalancing_names_tasks_and_nodes() {
    let api = api().await;
    let id = {
        let mut world = api.fake.world.lock().expect("nobody panics with it");
        world.as_mut().expect("a cluster").suppose_a_move(NodeId::from_number(2))
    };
    let (status, text) = api.text(Method::GET, "/skep/v1/rebalance", "").await;
    assert_eq!(status, StatusCode::OK);
    let shown: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(shown[0]["TaskID"], id.to_string());
    assert_eq!((&shown[0]["ServiceName"], &shown[0]["Slot"]), (&"web".into(), &"1".into()));
    // One that is gone is named by its id.
    assert_eq!(shown[0]["To"], NodeId::from_number(2).to_string());
}
