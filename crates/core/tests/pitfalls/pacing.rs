//! How a rollout takes its slots up, counts what fails, and ends.

use std::time::Duration;

use super::{Scene, Story};
use crate::harness::STEP;

fn all_run(scene: Scene<'_>, count: usize, image: &str) -> bool {
    scene.images("web") == vec![image; count]
}

#[test]
fn s02_the_image_is_pulled_before_the_old_task_stops() {
    let mut story = Story::begin(
        "> image redis:7 slow 30s
         > create web replicas=1 image=redis:6 monitor=1s
         > tick 1s",
    );
    story.go_on("> update web image=redis:7\n> tick 40s");
    assert!(all_run(story.end(), 1, "redis:7"));
    let outage = story.time_in_which(|scene| scene.running("web") == 0);
    assert!(outage <= 2 * STEP, "one stop and one start take {outage:?}");
}

#[test]
fn w19_an_image_that_cannot_be_placed_or_pulled_costs_no_replica() {
    for change in ["image=redis:typo", "image=redis:7 constraint=node.hostname==nowhere"] {
        let mut story = Story::begin(
            "> image redis:typo missing
             > create web replicas=3 image=redis:6 restart-delay=1s
             > tick 1s",
        );
        story.go_on(&format!("> update web {change}\n> tick 10m"));
        story.always("all three run", |scene| all_run(scene, 3, "redis:6"));
    }
}

#[test]
fn s10_failures_counted_by_one_leader_count_under_the_next() {
    // Two of five are tolerated, the third is too many; leaders come and go meanwhile.
    let mut story = Story::begin(
        "> nodes 8,8
         > image app:bad exits 1 500ms
         > create web replicas=5 image=app:1 ratio=0.5 delay=2s monitor=5s restart-delay=1h profile=swarm
         > tick 1s",
    );
    story.go_on("> leader restart every 300ms\n> update web image=app:bad\n> tick 1m");
    assert_eq!(story.end().rollout("web"), "paused");
    assert_eq!(story.slots_given("web", "app:bad"), [1, 2, 3]);
}

#[test]
fn w26_the_monitor_period_of_one_leader_goes_on_under_the_next() {
    let mut story = Story::begin(
        "> create web replicas=2 image=app:1 monitor=10s profile=swarm
         > tick 1s
         > update web image=app:2
         > tick 2s",
    );
    story.go_on("> leader restart\n> tick 7s\n> leader restart\n> tick 3s");
    assert_eq!(story.end().rollout("web"), "completed", "not later than without those leaders");
}

#[test]
fn s11_a_failure_counts_although_the_delay_is_longer_than_the_monitor_period() {
    let mut story = Story::begin(
        "> image app:bad exits 1 3s
         > create web replicas=3 image=app:1 delay=20s monitor=5s profile=swarm
         > tick 1s",
    );
    story.go_on("> update web image=app:bad\n> tick 2m");
    assert_eq!(story.end().rollout("web"), "paused");
    assert_eq!(story.slots_given("web", "app:bad"), [1]);
}

#[test]
fn w22_a_failure_counts_by_when_it_happened() {
    // It fails while the rollout does nothing but wait for a delay that is longer than the monitor period.
    let mut story = Story::begin(
        "> image app:bad exits 1 1s
         > create web replicas=2 image=app:1 delay=1m monitor=2s action=rollback profile=swarm
         > tick 1s",
    );
    story.go_on("> update web image=app:bad\n> tick 10s");
    assert_eq!(story.end().rollout("web"), "rollback_completed");
    assert!(all_run(story.end(), 2, "app:1"));
}

#[test]
fn w22_a_failure_that_is_told_late_counts_by_when_it_happened() {
    // Told ten seconds late, while the rollout does nothing but wait. The monitor period is between the two.
    for (ran_for, expected) in [("1s", "paused"), ("6s", "completed")] {
        let mut story = Story::begin(&format!(
            "> image app:bad exits 1 {ran_for}
             > create web replicas=2 image=app:1 parallelism=0 delay=1m monitor=3s restart=none profile=swarm
             > tick 1s"
        ));
        story.go_on("> update web image=app:bad\n> tick 500ms\n> node late n1 10s\n> tick 9s");
        assert_eq!(story.end().running("web"), 2, "the failures were not told yet");
        story.go_on("> tick 2m");
        assert_eq!(story.end().rollout("web"), expected, "it ran for {ran_for}");
    }
}

#[test]
fn s12_progress_does_not_move_the_version_that_clients_quote() {
    let mut story = Story::begin(
        "> create web replicas=4 image=app:1 delay=1s monitor=1s
         > tick 1s
         > update web image=app:2",
    );
    let version = story.end().service("web").meta.version;
    story.go_on("> tick 3s");
    assert_eq!(story.end().rollout("web"), "updating");
    story.always("the version stays", |scene| scene.service("web").meta.version == version);
    story.go_on(&format!("> update web label=note version={version}\n> tick 1m"));
    assert!(all_run(story.end(), 4, "app:2"));
}

#[test]
fn w20_a_slot_takes_as_long_as_its_processes_do() {
    let mut story = Story::begin(
        "> create web replicas=5 image=app:1 monitor=1s profile=swarm
         > tick 1s",
    );
    // Prepare, stop, start: three things for each slot, one after the other.
    story.go_on("> update web image=app:2\n> tick 1500ms");
    assert!(all_run(story.end(), 5, "app:2"));
}

#[test]
fn w23_what_stops_by_order_is_no_failure() {
    let mut story = Story::begin(
        "> nodes 8,8
         > create web replicas=4 image=app:1 delay=2s monitor=10s profile=swarm
         > tick 1s
         > update web image=app:2
         > tick 5s",
    );
    story.go_on("> node drain n1\n> update web replicas=3\n> tick 1m");
    assert_eq!(story.end().rollout("web"), "completed");
    assert!(all_run(story.end(), 3, "app:2"));
}

#[test]
fn w24_slots_that_serve_nobody_come_first_and_then_their_order() {
    let mut story = Story::begin(
        "> create web replicas=5 image=app:1 restart-delay=1h monitor=1s profile=swarm
         > tick 1s
         > exit web.4 1
         > tick 1s",
    );
    story.go_on("> update web image=app:2\n> tick 1m");
    assert_eq!(story.slots_given("web", "app:2"), [4, 1, 2, 3, 5]);
}

#[test]
fn w25_a_failing_task_that_was_to_start_first_never_serves_beside_the_old_one() {
    for behaviour in ["missing", "unstartable", "exits 1 2s"] {
        let mut story = Story::begin(&format!(
            "> image app:bad {behaviour}
             > create web replicas=3 image=app:1 order=start-first action=continue monitor=1s restart-delay=5s
             > tick 1s"
        ));
        story.go_on("> update web image=app:bad\n> tick 10m");
        assert_eq!(story.end().rollout("web"), "completed");
        story.go_on("> tick 10m");
        story.always("one process for each slot", |scene| {
            scene.processes("web").values().all(|count| *count <= 1 + usize::from(behaviour != "exits 1 2s"))
                && scene.running("web") <= 3
        });
    }
}

#[test]
fn w29_tasks_that_are_still_stopping_hold_their_lane() {
    let mut story = Story::begin(
        "> image app:1 stubborn
         > create web replicas=4 image=app:1 grace=10s order=start-first parallelism=1 monitor=1s profile=swarm
         > tick 1s",
    );
    story.go_on("> update web image=app:2\n> tick 2m");
    assert!(all_run(story.end(), 4, "app:2"));
    story.always("at most one more than replicas", |scene| scene.standing("web") <= 5);
}

#[test]
fn w30_a_task_waits_for_all_that_are_stopping_in_its_slot() {
    // The second is still waiting for its health when the third comes; both take their time to stop.
    let mut story = Story::begin(
        "> image app:1 stubborn
         > image app:2 stubborn
         > create web replicas=1 image=app:1 grace=5s order=start-first monitor=1s
         > tick 1s
         > update web image=app:2 health=20s grace=9s
         > tick 3s",
    );
    assert_eq!(story.end().processes("web").values().max(), Some(&2), "the two of start-first order");
    story.go_on("> update web image=app:3 order=stop-first\n> tick 1m");
    assert!(all_run(story.end(), 1, "app:3"));
    let alone = |scene: Scene<'_>| {
        let third = |task: &&std::sync::Arc<skep_model::Task>| {
            task.spec.container.image == "app:3" && task.is_started() && !task.is_over()
        };
        !scene.tasks("web").any(|task| third(&task))
            || scene.processes("web").values().all(|count| *count == 1)
    };
    story.always("the third starts when both are over", alone);
}

#[test]
fn w31_no_slot_is_skipped() {
    let mut story = Story::begin(
        "> nodes 8,8
         > create web replicas=6 image=app:1 parallelism=2 monitor=1s profile=swarm
         > tick 1s",
    );
    story.go_on("> leader restart every 130ms\n> update web image=app:2\n> tick 1m");
    let completed = |scene: Scene<'_>| scene.rollout("web") == "completed";
    assert!(completed(story.end()));
    story.always("completed means all", |scene| !completed(scene) || all_run(scene, 6, "app:2"));
}

#[test]
fn w32_writing_progress_starts_nothing_anew() {
    let mut story = Story::begin(
        "> create web replicas=6 image=app:1 parallelism=3 monitor=1s
         > tick 1s",
    );
    story.go_on("> update web image=app:2\n> tick 1m");
    assert_eq!(story.made("web").len(), 6, "one task for each slot");
    let states = ["", "updating", "completed"];
    let mut reached = 0;
    story.always("the state goes on and never back", |scene| states.contains(&scene.rollout("web")));
    for state in states {
        reached += usize::from(story.time_in_which(|scene| scene.rollout("web") == state) > Duration::ZERO);
    }
    assert!(reached >= 2, "it was seen on its way");
}
