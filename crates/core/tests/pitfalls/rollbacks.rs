//! Where a rollback goes, how fast, and when it ends.

use super::Story;

/// Three replicas of a good image, and an update to one that fails a while after it started.
fn failing(flags: &str) -> Story {
    Story::begin(&format!(
        "> image app:bad exits 1 3s
         > create web replicas=3 image=app:1 monitor=5s restart-delay=1s {flags}
         > tick 1s"
    ))
}

#[test]
fn s07_neither_a_label_nor_a_scale_takes_the_way_back_away() {
    let mut story = failing("action=rollback");
    story.go_on(
        "> update web image=app:bad
         > tick 1s
         > update web label=note
         > update web replicas=4
         > tick 2m",
    );
    assert_eq!(story.end().rollout("web"), "rollback_completed");
    assert_eq!(story.end().images("web"), ["app:1"; 4]);
}

#[test]
fn w27_a_rollback_goes_past_what_was_never_proven() {
    let mut story = failing("action=rollback");
    story.go_on(
        "> update web image=app:bad
         > tick 1s
         > update web image=app:bad force
         > tick 2m",
    );
    assert_eq!(story.end().images("web"), ["app:1"; 3], "not to the bad one that was there for a moment");
}

#[test]
fn s18_a_rollback_that_is_to_roll_back_is_refused() {
    let said = Story::begin("").refused("> create web image=app:1 rollback-action=rollback");
    assert!(said.contains("rollback-failureaction cannot be rollback"), "{said}");
}

#[test]
fn w17_a_failing_rollback_pauses_and_stays_paused() {
    let mut story = Story::begin(
        "> create web replicas=2 image=app:1 action=rollback monitor=2s rollback-monitor=2s restart-delay=1h profile=swarm
         > tick 1s",
    );
    story.go_on(
        "> image app:1 missing
         > image app:2 exits 1 500ms
         > update web image=app:2
         > tick 1h",
    );
    assert_eq!(story.end().rollout("web"), "rollback_paused");
    assert!(story.end().message("web").starts_with("rollback paused due to failure"));
    story.always("nobody claims success", |scene| {
        !["completed", "rollback_completed"].contains(&scene.rollout("web"))
    });
}

#[test]
fn w28_a_rollback_keeps_the_pace_that_was_set_last() {
    let mut story = failing("action=rollback ratio=0.5 profile=swarm rollback-delay=1h");
    story.go_on("> update web image=app:bad parallelism=0 rollback-delay=0s rollback-monitor=1s\n> tick 1m");
    assert_eq!(story.end().rollout("web"), "rollback_completed", "in a minute, not in hours");
}

#[test]
fn w16_a_job_that_is_rolled_back_runs_again_and_is_done() {
    let mut story = Story::begin(
        "> image job:1 exits 0 1s
         > image job:2 exits 0 1s
         > create web mode=job total=2 concurrent=2 image=job:1
         > tick 10s
         > update web image=job:2
         > tick 10s",
    );
    story.go_on("> rollback web\n> tick 10s");
    assert_eq!(story.end().rollout("web"), "", "no rollout moves a job, and none is left behind");
    assert_eq!(story.slots_given("web", "job:1"), [1, 2]);
    assert_eq!(story.end().live("web"), 0);
}
