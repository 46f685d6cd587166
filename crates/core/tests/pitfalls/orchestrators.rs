//! As many tasks as asked for, where they belong.

use skep_model::task::SlotId;

use super::{Scene, Story};

fn live_slots(scene: Scene<'_>, name: &str) -> Vec<u64> {
    let mut slots: Vec<_> = scene.tasks(name).filter(|task| task.is_live()).map(|task| task.slot).collect();
    slots.sort();
    slots.into_iter().map(SlotId::number).collect()
}

#[test]
fn w33_equal_slots_are_given_up_from_the_highest_number() {
    let mut story = Story::begin(
        "> nodes 64,64
         > create web replicas=60 image=app:1
         > tick 1s",
    );
    story.go_on("> update web replicas=20\n> tick 5s");
    assert_eq!(live_slots(story.end(), "web"), (1..=20).collect::<Vec<_>>());
}

#[test]
fn w34_a_status_at_the_wrong_moment_does_not_save_a_surplus_task() {
    // Statuses arrive in every phase of the tasks' start.
    for pause in ["0s", "50ms", "100ms", "150ms", "200ms"] {
        let mut story = Story::begin("> nodes 8,8\n> create web replicas=8 image=app:1");
        story.go_on(&format!("> tick {pause}\n> update web replicas=2\n> tick 10s"));
        assert_eq!(story.end().standing("web"), 2, "{pause}");
        assert_eq!(story.end().tasks("web").count(), 2, "{pause}: scaled-down tasks are no history");
    }
}

#[test]
fn w37_a_leader_that_lost_its_office_restarts_nothing() {
    let mut story = Story::begin(
        "> image job:1 exits 1 1s
         > create web mode=job total=1 image=job:1 restart-delay=5s
         > tick 800ms",
    );
    story.go_on("> leader restart every 100ms\n> tick 3s");
    assert_eq!(story.made("web").len(), 1, "one successor, whoever leads");
}
