use crate::testing::{Answer, Daemon, json};

const SWARM: &str = r#"{"ID":"c1","Version":{"Index":7},"Spec":{"Name":"default","Labels":{"skep.profile":"strict","team":"a"}}}"#;

fn answer(request: &str, _: &str) -> Answer {
    match request.split_once('?').map_or(request, |(line, _)| line) {
        "GET /swarm" => json(200, SWARM),
        "POST /swarm/update" => json(200, ""),
        "GET /skep/v1/rebalance" => {
            json(200, r#"[{"ServiceName":"web","Slot":"4","TaskID":"3l647","From":"one","To":"two"}]"#)
        }
        _ => json(404, r#"{"message":"page not found"}"#),
    }
}

#[tokio::test]
async fn policies_are_labels_of_the_swarm() {
    let daemon = Daemon::start(answer);
    let shown = daemon.skep(&["cluster", "show"]).await;
    assert_eq!((shown.code, shown.out.as_str()), (0, "profile=strict\n"), "{}", shown.err);
    daemon.requests();
    let set = daemon.skep(&["cluster", "set", "strategy=binpack"]).await;
    assert_eq!(set.code, 0, "{}", set.err);
    let sent = daemon.requests().pop().expect("an update");
    assert!(sent.contains(r#""skep.strategy":"binpack""#) && sent.contains(r#""team":"a""#), "{sent}");
    assert_eq!(daemon.skep(&["cluster", "set", "skep.rebalance=on"]).await.code, 0);
    assert!(daemon.requests().pop().expect("an update").contains(r#""skep.rebalance":"on""#));
    assert_eq!(daemon.skep(&["cluster", "unset", "profile"]).await.code, 0);
    assert!(!daemon.requests().pop().expect("an update").contains("skep.profile"));
}

#[tokio::test]
async fn what_is_not_a_policy_is_named() {
    let daemon = Daemon::start(answer);
    for (words, text) in [
        (&["cluster", "set", "profile"][..], "invalid policy 'profile': expected KEY=VALUE"),
        (&["cluster", "unset", "strategy"], "policy strategy is not set"),
    ] {
        let ran = daemon.skep(words).await;
        assert_eq!(ran.code, 1);
        assert!(ran.err.contains(text), "{}", ran.err);
    }
}

#[tokio::test]
async fn a_dry_run_tells_what_would_move() {
    let daemon = Daemon::start(answer);
    let told = daemon.skep(&["cluster", "rebalance", "--dry-run"]).await;
    assert_eq!(
        told.out, "TASK      SERVICE   SLOT      FROM      TO\n3l647     web       4         one       two\n",
        "{}",
        told.err
    );
    let refused = daemon.skep(&["cluster", "rebalance"]).await;
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("skep cluster set rebalance=on"), "{}", refused.err);
}
