//! Where tasks go, and what those say that go nowhere.

use super::Story;

#[test]
fn w43_nothing_goes_to_a_node_that_closed_in_the_same_breath() {
    let mut story = Story::begin("> nodes 8,8\n> create web replicas=1 image=app:1\n> tick 1s");
    story.go_on("> node drain n1\n> update web replicas=8\n> tick 5s");
    let drained = skep_model::Id::from_number(1);
    let made = story.made("web");
    let end = story.end();
    assert!(
        made.iter().all(|task| end.store().task(task.id).is_none_or(|task| task.node_id != Some(drained)))
    );
    assert_eq!(end.running("web"), 8);
}

#[test]
fn w44_a_task_that_is_no_longer_wanted_is_not_placed() {
    let mut story = Story::begin(
        "> nodes 1
         > create web replicas=3 image=app:1 cpus=1
         > tick 1s",
    );
    assert_eq!(story.end().complaints("web").len(), 2);
    story.go_on("> update web replicas=1\n> node join n2\n> tick 5s");
    assert_eq!(story.end().tasks("web").count(), 1);
    story.always("nothing is on the new node", |scene| {
        scene.store().tasks_on(skep_model::Id::from_number(2)).next().is_none()
    });
}
