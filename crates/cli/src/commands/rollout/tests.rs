use expect_test::expect;
use jiff::Timestamp;
use skep_api::wire::{Rollout, Slots, Time};

use super::wait::{End, end};
use crate::testing::{Answer, Daemon, json};

const ROLLOUT: &str = r#"{"ServiceID":"s1","ServiceName":"web","State":"updating","Revision":3,"ReturnTo":2,
    "StartedAt":"2026-01-02T03:02:05Z","Message":"update in progress","Slots":{"Total":5,"Running":5,"Updated":2,"Failed":0},
    "Steps":[{"Slot":"3","TaskID":"t3","TakenAt":"2026-01-02T03:03:00Z","Failed":false}],
    "Waits":[{"Code":"health","Since":"2026-01-02T03:03:53Z","Until":"2026-01-02T03:04:23Z","Slot":"3",
    "Text":"the health check of web.3 has not passed"}]}"#;

fn paused() -> String {
    ROLLOUT.replace("updating", "paused").replace("\"health\"", "\"human\"")
}

fn leaving() -> String {
    let waits =
        ROLLOUT.replace("updating", "none").replace("\"health\"", r#""drain","Cause":"node-drained""#);
    waits.replace("the health check of web.3 has not passed", "its node is drained: waits for its turn")
}

fn answer(request: &str, _: &str) -> Answer {
    match request {
        "GET /skep/v1/rollouts/web" => json(200, ROLLOUT),
        "GET /skep/v1/rollouts/held" | "POST /skep/v1/rollouts/web/pause" => json(200, paused()),
        "GET /skep/v1/rollouts/s1" | "GET /skep/v1/rollouts/baking" => {
            json(200, ROLLOUT.replace("updating", "completed").replace("\"health\"", "\"bake\""))
        }
        "GET /skep/v1/rollouts/leaving" => json(200, leaving()),
        "POST /skep/v1/rollouts/web/undo?to=2" => json(200, ROLLOUT.replace("updating", "rollback_started")),
        "GET /skep/v1/rollouts/web/revisions" => json(
            200,
            r#"[{"Number":1,"Hash":"41ab00","Image":"redis:5","CreatedAt":"2026-01-01T03:00:05Z",
                "FailedAt":"2026-01-01T03:02:05Z","IsCurrent":false},
                {"Number":2,"Hash":"9f2c01","Image":"redis:6","CreatedAt":"2026-01-01T03:04:05Z",
                "StableAt":"2026-01-01T03:14:05Z","IsCurrent":false},
                {"Number":3,"Hash":"77aa00","Image":"redis:7","CreatedAt":"2026-01-02T03:02:05Z","Author":"ci",
                "Reason":"REL-812","IsCurrent":true}]"#,
        ),
        _ => json(404, r#"{"message":"service nope not found"}"#),
    }
}

#[tokio::test]
async fn status_and_why_say_where_it_stands() {
    let daemon = Daemon::start(answer);
    expect![[r#"
        web: updating, revision 3 (from 2), 2 of 5 slots up to date, 5 running
          message: update in progress
          started: 2 minutes ago
          slot 3: in change (task t3)
          waits: HEALTH slot 3: the health check of web.3 has not passed (for 12 seconds, 18 seconds left)
    "#]]
    .assert_eq(&daemon.skep(&["rollout", "status", "web"]).await.out);
    expect![[r#"
        HEALTH slot 3: the health check of web.3 has not passed (for 12 seconds, 18 seconds left)
          stop it: skep rollout pause web; go back: skep rollout abort web
    "#]]
    .assert_eq(&daemon.skep(&["rollout", "why", "web"]).await.out);
    expect![[r#"
        HUMAN slot 3: the health check of web.3 has not passed (for 12 seconds, 18 seconds left)
          go on: skep rollout resume web; go back: skep rollout abort web
    "#]]
    .assert_eq(&daemon.skep(&["rollout", "why", "held"]).await.out);
    let leaving = daemon.skep(&["rollout", "why", "leaving"]).await.out;
    assert!(leaving.contains("skep node update --availability active NODE"), "{leaving}");
    assert!(!leaving.contains("abort"), "there is no update to abort: {leaving}");
    let json = daemon.skep(&["rollout", "why", "--json", "web"]).await.out;
    assert!(json.starts_with(r#"[{"Code":"health","Since":"#), "{json}");
    let nope = daemon.skep(&["rollout", "status", "nope"]).await;
    assert_eq!(nope.code, 1);
    assert!(nope.err.contains("service nope not found"), "{}", nope.err);
}

#[tokio::test]
async fn history_shows_the_newest_first() {
    let daemon = Daemon::start(answer);
    expect![[r#"
        REVISION   HASH      IMAGE     CREATED         STABLE         AUTHOR    REASON
        3 *        77aa00    redis:7   2 minutes ago   no             ci        REL-812
        2          9f2c01    redis:6   24 hours ago    24 hours ago             
        1          41ab00    redis:5   24 hours ago    no (failed)              
    "#]]
    .assert_eq(&daemon.skep(&["rollout", "history", "web"]).await.out);
}

#[tokio::test]
async fn verbs_are_sent_and_the_answer_shown() {
    let daemon = Daemon::start(answer);
    let paused = daemon.skep(&["rollout", "pause", "web"]).await;
    assert_eq!(paused.code, 0, "{}", paused.err);
    assert!(paused.out.starts_with("web: paused"), "{}", paused.out);
    let undone = daemon.skep(&["rollout", "undo", "--to", "2", "web"]).await;
    assert!(undone.out.starts_with("web: rollback_started"), "{}", undone.out);
    for word in ["abc", "0", "-1"] {
        let refused = daemon.skep(&["rollout", "undo", &format!("--to={word}"), "web"]).await;
        assert_eq!(refused.code, 125);
        let text =
            format!("invalid argument \"{word}\" for \"--to\" flag: expected the number of a revision");
        assert!(refused.err.contains(&text), "{}", refused.err);
    }
}

#[tokio::test]
async fn wait_tells_by_its_exit_code() {
    let daemon = Daemon::start(answer);
    assert_eq!(daemon.skep(&["rollout", "wait", "--quiet", "held"]).await.code, 3);
    assert_eq!(daemon.skep(&["rollout", "wait", "--timeout", "0", "web"]).await.code, 5);
    let bad = daemon.skep(&["rollout", "wait", "--timeout", "soon", "web"]).await;
    assert_eq!(bad.code, 125, "{}", bad.err);
}

#[tokio::test]
async fn wait_says_what_it_waits_for_where_no_rollout_is_under_way() {
    let daemon = Daemon::start(answer);
    let waited = daemon.skep(&["rollout", "wait", "--timeout", "0", "baking"]).await;
    assert_eq!(waited.code, 5);
    assert_eq!(
        waited.err,
        "web: no rollout is under way; waits until revision 3 is stable, which is in 18 seconds (03:04:23 UTC); \
         gives up after 0\n"
    );
    let updating = daemon.skep(&["rollout", "wait", "--timeout", "0", "web"]).await;
    assert_eq!(updating.err, "");
    let quiet = daemon.skep(&["rollout", "wait", "--quiet", "--timeout", "0", "baking"]).await;
    assert_eq!((quiet.out.as_str(), quiet.err.as_str()), ("", ""));
}

#[test]
fn each_end_has_its_code() {
    let at = |state: &str, revision, updated| Rollout {
        state: state.to_owned(),
        revision,
        slots: Slots { total: 3, running: 3, updated, failed: 0 },
        stable_at: Some(Time(Timestamp::UNIX_EPOCH)),
        ..Rollout::default()
    };
    let first = at("updating", 2, 0);
    for (now, expected) in [
        (at("updating", 2, 1), None),
        (at("completed", 2, 3), Some(End::Stable)),
        (Rollout { stable_at: None, ..at("completed", 2, 3) }, None),
        (Rollout { stable_at: None, job: true, ..at("none", 2, 3) }, Some(End::Stable)),
        (at("none", 2, 3), Some(End::Stable)),
        (at("none", 2, 1), None),
        (at("rollback_started", 1, 1), None),
        (at("rollback_completed", 1, 3), Some(End::RolledBack)),
        (at("paused", 2, 1), Some(End::Held)),
        (at("updating", 3, 1), Some(End::Superseded)),
    ] {
        assert_eq!(end(&first, &now), expected, "{} at {}", now.state, now.revision);
    }
}

#[test]
fn s06_a_rollback_is_told_by_the_exit_code_to_those_who_did_not_ask_for_it() {
    let at = |state: &str, given_up| Rollout {
        state: state.to_owned(),
        revision: 1,
        given_up,
        stable_at: Some(Time(Timestamp::UNIX_EPOCH)),
        ..Rollout::default()
    };
    let (started, completed) = ("rollback_started", "rollback_completed");
    assert_eq!(end(&at(started, None), &at(completed, None)), Some(End::Stable));
    assert_eq!(end(&at(started, Some(2)), &at(completed, Some(2))), Some(End::RolledBack));
    assert_eq!(end(&at(completed, Some(2)), &at(completed, Some(2))), Some(End::RolledBack));
}
