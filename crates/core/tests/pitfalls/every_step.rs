//! The leader is lost at every single step of a rollout, with its proposal or without: the rollout ends as if
//! nothing had been, and on its way nothing happens that must not.

use super::{Scene, Story};

/// More proposals than any of these rollouts needs.
const PROPOSALS_MAX: usize = 200;

/// Plays a rollout once for each proposal at which its leader can be lost, and twice: the proposal is in the
/// log or not. `check` judges the whole of it.
fn lose_leader_at_every_step(beginning: &str, rollout: &str, time: &str, check: impl Fn(&Story)) {
    let undisturbed = {
        let mut story = Story::begin(beginning);
        story.go_on(&format!("{rollout}\n> tick {time}"));
        check(&story);
        outcome(story.end())
    };
    let mut steps = 0;
    for after in 0..PROPOSALS_MAX {
        for fate in ["committed", "dropped"] {
            let mut story = Story::begin(beginning);
            story.go_on(&format!("{rollout}\n> leader lose {fate} {after}\n> tick {time}"));
            if story.spared_its_leader() {
                assert!(steps >= 20, "only {steps} steps: the script shows little");
                return;
            }
            steps += 1;
            check(&story);
            assert_eq!(outcome(story.end()), undisturbed, "lost at proposal {after}, {fate}");
        }
    }
    panic!("a rollout with more than {PROPOSALS_MAX} proposals");
}

/// Returns what a user sees in the end.
fn outcome(scene: Scene<'_>) -> (String, Vec<String>, usize) {
    let images = scene.images("web").into_iter().map(str::to_owned).collect();
    (scene.rollout("web").to_owned(), images, scene.standing("web"))
}

fn out_of_service(scene: Scene<'_>, replicas: usize) -> usize {
    replicas - scene.running("web").min(replicas)
}

#[test]
fn two_at_a_time_stop_first() {
    lose_leader_at_every_step(
        "> nodes 8,8\n> create web replicas=5 image=app:1 parallelism=2 monitor=1s profile=swarm\n> tick 1s",
        "> update web image=app:2",
        "2m",
        |story| {
            assert_eq!(story.end().images("web"), ["app:2"; 5]);
            story.always("two at a time", |scene| out_of_service(scene, 5) <= 2);
            story.always("one process for each slot", |scene| {
                scene.processes("web").values().all(|count| *count == 1)
            });
        },
    );
}

#[test]
fn one_at_a_time_start_first() {
    lose_leader_at_every_step(
        "> nodes 8,8\n> create web replicas=4 image=app:1 order=start-first monitor=1s profile=swarm\n> tick 1s",
        "> update web image=app:2",
        "2m",
        |story| {
            story.always("none out of service", |scene| out_of_service(scene, 4) == 0);
            story.always("one more than replicas", |scene| scene.standing("web") <= 5);
        },
    );
}

#[test]
fn failures_that_are_tolerated_and_then_are_too_many() {
    lose_leader_at_every_step(
        "> image app:bad exits 1 500ms
         > create web replicas=5 image=app:1 ratio=0.3 delay=1s monitor=5s restart-delay=1h profile=swarm
         > tick 1s",
        "> update web image=app:bad",
        "1m",
        |story| {
            assert_eq!(story.end().rollout("web"), "paused");
            assert_eq!(story.slots_given("web", "app:bad"), [1, 2], "the second is one too many");
        },
    );
}

#[test]
fn a_rollback_by_itself() {
    lose_leader_at_every_step(
        "> image app:bad exits 1 2s
         > create web replicas=4 image=app:1 parallelism=2 action=rollback delay=3s monitor=5s rollback-monitor=1s restart-delay=1s profile=swarm
         > tick 1s",
        "> update web image=app:bad",
        "2m",
        |story| {
            assert_eq!(story.end().rollout("web"), "rollback_completed");
            assert_eq!(story.end().images("web"), ["app:1"; 4]);
            assert_eq!(story.slots_given("web", "app:bad"), [1, 2]);
        },
    );
}
