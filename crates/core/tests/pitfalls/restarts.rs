//! What follows the end of a task.

use super::{Scene, Story};

#[test]
fn w10_slots_of_jobs_are_numbered_from_one() {
    let story = Story::begin(
        "> image job:1 exits 0 1s
         > create web mode=job total=3 concurrent=3 image=job:1
         > tick 5s",
    );
    assert_eq!(story.slots_given("web", "job:1"), [1, 2, 3]);
}

#[test]
fn w13_a_new_leader_keeps_the_order_of_a_slot_that_changes_hands() {
    let mut story = Story::begin(
        "> image app:1 stubborn
         > create web replicas=2 image=app:1 grace=20s monitor=1s profile=swarm
         > tick 1s",
    );
    story.go_on(
        "> update web image=app:2
         > tick 2s
         > leader restart
         > tick 5s
         > leader restart every 3s
         > tick 2m",
    );
    assert_eq!(story.end().images("web"), ["app:2", "app:2"]);
    story.always("one process for each slot", |scene| {
        scene.processes("web").values().all(|count| *count == 1)
    });
}

#[test]
fn w14_the_history_of_jobs_is_bounded() {
    let mut story = Story::begin(
        "> nodes 8 history=2
         > image job:1 exits 0 100ms
         > image job:2 exits 1 100ms
         > create web mode=job total=2 concurrent=2 image=job:1
         > tick 1s
         > create bad mode=job total=1 image=job:2 restart-delay=1s
         > tick 20m",
    );
    for _ in 0..5 {
        story.go_on("> update web force\n> tick 5s");
    }
    let at_most = |scene: Scene<'_>, name: &str, count: usize| scene.tasks(name).count() <= count;
    assert!(at_most(story.end(), "web", 4), "two slots");
    assert!(at_most(story.end(), "bad", 3), "one slot, and what runs in it");
}
