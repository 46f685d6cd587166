//! What may be out of service at a time, whoever takes it out.

use super::{Scene, Story};

fn all_run(scene: Scene<'_>, count: usize) -> bool {
    scene.running("web") >= count
}

#[test]
fn s01_a_task_that_never_starts_ends_its_update() {
    let mut story = Story::begin("> create web replicas=3 image=redis:6\n> tick 1s");
    story.go_on("> update web image=redis:7 constraint=node.hostname==nowhere\n> tick 290s");
    assert_eq!(story.end().rollout("web"), "updating");
    story.go_on("> tick 30s");
    assert_eq!(story.end().rollout("web"), "paused");
    story.always("the old tasks run", |scene| all_run(scene, 3));
}

#[test]
fn w18_a_rollout_that_gets_nowhere_is_ended_by_its_own_deadline() {
    let mut story = Story::begin(
        "> create web replicas=3 image=redis:6 skep.rollout.start-deadline=off skep.rollout.progress-deadline=1m
         > tick 1s",
    );
    story.go_on("> update web image=redis:7 constraint=node.hostname==nowhere\n> tick 90s");
    assert_eq!(story.end().rollout("web"), "paused");
    story.always("the old tasks run", |scene| all_run(scene, 3));
}

#[test]
fn w21_nothing_follows_the_first_batch_before_it_lived_through_the_monitor_period() {
    let mut story = Story::begin(
        "> image app:bad exits 1 4s
         > create web replicas=10 image=app:1 restart-delay=1h
         > tick 1s",
    );
    story.go_on("> update web image=app:bad monitor=5s\n> tick 1m");
    assert_eq!(story.end().rollout("web"), "paused");
    assert_eq!(story.slots_given("web", "app:bad"), [1], "the others never saw it");
}

#[test]
fn s15_a_drain_keeps_order_parallelism_and_budget() {
    // Stop-first, one at a time; start-first, none is missing at any time.
    for (order, least) in [("stop-first", 3), ("start-first", 4)] {
        let mut story = Story::begin(&format!(
            "> nodes 8,8
             > create web replicas=4 image=app:1 order={order}
             > tick 1s"
        ));
        story.go_on("> node drain n1\n> tick 30s");
        story.always("enough run", |scene| all_run(scene, least));
        let on_n1 = story.end().tasks("web").filter(|task| task.is_live() && task.node_id == Some(node(1)));
        assert_eq!(on_n1.count(), 0, "{order}");
        assert!(story.made("web").len() == 2, "each was moved once");
    }
}

#[test]
fn s15_a_drain_waits_where_nothing_else_has_room_and_force_does_not() {
    let mut story = Story::begin(
        "> nodes 2,1
         > create web replicas=3 image=app:1 cpus=1
         > tick 1s",
    );
    story.go_on("> node drain n1\n> tick 1m");
    story.always("all serve", |scene| all_run(scene, 3));
    story.go_on("> node drain n1 force\n> tick 1m");
    assert_eq!(story.end().running("web"), 1);
}

#[test]
fn s15_what_crashed_spends_the_budget_of_a_drain_and_of_an_update() {
    let mut story = Story::begin(
        "> nodes 8,8
         > create web replicas=4 image=app:1 restart-delay=20s
         > tick 1s",
    );
    // Two lives on the node that stays, so its restart takes nothing from the one drained.
    story.go_on("> exit web.2 1\n> tick 1s\n> node drain n1\n> tick 15s");
    story.always("no more is missing", |scene| all_run(scene, 3));
    assert!(story.time_in_which(|scene| scene.running("web") == 3) > std::time::Duration::from_secs(14));
    story.go_on("> tick 30s");
    assert!(all_run(story.end(), 4));
}

#[test]
fn w38_what_a_node_cannot_keep_leaves_within_the_budget() {
    let mut story = Story::begin(
        "> nodes 8,8
         > node label n1 zone=a
         > create web replicas=4 image=app:1 constraint=node.labels.zone==a
         > tick 1s
         > node label n2 zone=a",
    );
    story.go_on("> node label n1 zone=b\n> tick 30s");
    story.always("one at a time", |scene| all_run(scene, 3));
    let on_n2 = story.end().tasks("web").filter(|task| task.is_live() && task.node_id == Some(node(2)));
    assert_eq!(on_n2.count(), 4);
}

fn node(number: u128) -> skep_model::NodeId {
    skep_model::Id::from_number(number)
}

#[test]
fn w39_tasks_are_levelled_out_when_a_node_joins_if_that_is_asked_for() {
    let on_n2 = |scene: Scene<'_>| {
        scene.tasks("web").filter(|task| task.is_live() && task.node_id == Some(node(2))).count()
    };
    let mut story = Story::begin(
        "> nodes 8
         > create web replicas=6 image=app:1
         > tick 1m",
    );
    story.go_on("> node join n2\n> tick 10m");
    assert_eq!(on_n2(story.end()), 0, "nobody asked");
    story.go_on("> cluster skep.rebalance=on\n> tick 10m");
    story.always("one at a time", |scene| all_run(scene, 5));
    assert_eq!((on_n2(story.end()), story.made("web").len()), (3, 3));
}

#[test]
fn s09_what_is_drained_while_a_rollout_is_paused_moves_as_it_was() {
    let mut story = Story::begin(
        "> nodes 8,8
         > image app:bad missing
         > create web replicas=4 image=app:1 restart-delay=1h
         > tick 1s
         > update web image=app:bad
         > tick 10s",
    );
    assert_eq!(story.end().rollout("web"), "paused");
    story.go_on("> node drain n1\n> tick 1m");
    story.always("enough run", |scene| all_run(scene, 3));
    assert_eq!(story.end().images("web"), ["app:1"; 4]);
    let on_n1 = story.end().tasks("web").filter(|task| task.is_live() && task.node_id == Some(node(1)));
    assert_eq!(on_n1.filter(|task| task.spec.container.image == "app:1").count(), 0);
}
