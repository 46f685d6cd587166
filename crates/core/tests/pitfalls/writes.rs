//! What a write to a service means, above all while a rollout is on its way or paused.

use super::Story;

/// An update to an image that fails is paused in its first slot.
fn paused() -> Story {
    let story = Story::begin(
        "> image app:bad exits 1 500ms
         > create web replicas=3 image=app:1 delay=10s monitor=5s restart-delay=1s
         > tick 1s
         > update web image=app:bad
         > tick 8s",
    );
    assert_eq!(story.end().rollout("web"), "paused");
    story
}

#[test]
fn s05_a_paused_service_has_as_many_tasks_as_replicas() {
    let mut story = paused();
    story.go_on("> exit web.2 1\n> tick 30m\n> exit web.3 1\n> tick 1h");
    story.always("one task for each slot", |scene| scene.live("web") == 3);
    story.go_on("> update web replicas=1\n> tick 30h");
    assert_eq!(story.end().rollout("web"), "paused");
    assert_eq!(story.end().standing("web"), 1);
}

#[test]
fn s08_neither_a_scale_nor_a_label_resumes_a_paused_rollout() {
    let mut story = paused();
    story.go_on("> update web replicas=5\n> update web label=note\n> tick 1h");
    assert_eq!(story.end().rollout("web"), "paused");
    assert_eq!(story.slots_given("web", "app:bad"), [1], "the slot that has it, and no other");
}

#[test]
fn s09_what_dies_while_a_rollout_is_paused_comes_back_as_it_was() {
    let mut story = paused();
    story.go_on(
        "> exit web.2 1
         > exit web.3 1
         > update web replicas=5
         > tick 10s",
    );
    let mut images = story.end().images("web");
    images.retain(|image| *image != "app:bad");
    assert_eq!(images, ["app:1"; 4], "the old slots and the new ones");
    assert_eq!(story.slots_given("web", "app:bad"), [1]);
}

#[test]
fn s09_what_is_drained_in_mid_update_keeps_its_revision() {
    let mut story = Story::begin(
        "> nodes 8,8
         > create web replicas=4 image=app:1 delay=1h profile=swarm
         > tick 1s
         > update web image=app:2
         > tick 10s",
    );
    assert_eq!(story.end().images("web"), ["app:1", "app:1", "app:1", "app:2"]);
    story.go_on("> node drain n1\n> tick 1m");
    assert_eq!(story.end().images("web"), ["app:1", "app:1", "app:1", "app:2"]);
    assert_eq!(story.end().tasks("web").filter(|task| task.is_live()).count(), 4);
}

#[test]
fn w06_a_write_that_changes_nothing_keeps_status_and_way_back() {
    let mut story = Story::begin(
        "> create web replicas=2 image=app:1 monitor=1s
         > tick 1s
         > update web image=app:2
         > tick 20s",
    );
    assert_eq!(story.end().rollout("web"), "completed");
    story.go_on("> update web\n> tick 10s");
    assert_eq!(story.end().rollout("web"), "completed");
    assert_eq!(story.made("web").len(), 0, "nothing restarts");
    story.go_on("> rollback web\n> tick 20s");
    assert_eq!(story.end().images("web"), ["app:1", "app:1"]);
}

#[test]
fn s17_a_label_does_not_strand_a_task_that_waits() {
    let mut story = Story::begin(
        "> nodes 2
         > create other replicas=1 image=app:1 cpus=1
         > tick 1s
         > create web replicas=2 image=app:1 cpus=1
         > tick 1s",
    );
    assert_eq!(story.end().running("web"), 1);
    story.go_on("> update web label=note\n> tick 1s\n> rm other\n> tick 5s");
    assert_eq!(story.end().running("web"), 2);
}

#[test]
fn w15_a_change_of_placement_and_of_ports_replaces_tasks() {
    let mut story = Story::begin(
        "> create web replicas=1 image=app:1 host-port=8080 monitor=1s
         > tick 1s",
    );
    story.go_on("> update web constraint=node.hostname==n1 host-port=8081\n> tick 20s");
    let ports = |task: &std::sync::Arc<skep_model::Task>| task.spec.host_ports[0].published;
    let live = story.end().tasks("web").filter(|task| task.is_live()).map(ports).collect::<Vec<_>>();
    assert_eq!(live, [8081]);
    story.go_on("> update web constraint=node.hostname!=n2\n> tick 20s");
    assert_eq!(story.made("web").len(), 0, "a placement that the task meets replaces nothing");
}

#[test]
fn w05_a_first_deployment_is_no_update() {
    // Conforms: all replicas start at once, and no rollout judges them.
    let story = Story::begin(
        "> image app:bad exits 1 1s
         > create web replicas=5 image=app:bad action=rollback monitor=5s
         > tick 5s",
    );
    assert_eq!(story.slots_given("web", "app:bad"), [1, 2, 3, 4, 5]);
    assert_eq!(story.end().rollout("web"), "");
}
