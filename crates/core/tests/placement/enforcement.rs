//! What a node gives up that is not what it was.

use std::sync::Arc;

use crate::support::{CPU, GIB, World, constrain, label, node, node_id, reserve};
use skep_core::orchestrate::enforce;
use skep_model::node::Availability;
use skep_model::task::{Desired, SlotId, TaskState};
use skep_model::{Node, Service, TaskId};

/// Writes the node and returns the tasks that it gives up, in their order.
fn evicted_by(world: &mut World, node: Node) -> Vec<TaskId> {
    let id = node.id;
    world.write(|draft| {
        draft.put_node(node);
        enforce::plan(draft, id);
    });
    world.write(|draft| enforce::plan(draft, id));
    world.store.tasks_on(id).filter(|task| task.leaves.is_some()).map(|task| task.id).collect()
}

#[test]
fn w38_a_node_that_shrank_gives_up_what_costs_least_and_no_more() {
    let mut world = World::new([node(1, |_| {})]);
    let web = world.service("web", |_, task| reserve(task, 0, 2 * GIB));
    let tasks = world.scale(web, 4);
    let sizeless = world.service("sizeless", |_, _| {});
    world.scale(sizeless, 1);
    for id in [tasks[0], tasks[1], tasks[3]] {
        world.observe(id, TaskState::Running);
    }
    // The third does not run yet, then the newest goes.
    assert_eq!(evicted_by(&mut world, node(1, |n| n.description.memory_bytes = 6 * GIB)), [tasks[2]]);
    let evicted = evicted_by(&mut world, node(1, |n| n.description.memory_bytes = 5 * GIB));
    assert_eq!(evicted, [tasks[2], tasks[3]]);
    let err = &world.store.task(tasks[3]).expect("the task").status.err;
    assert_eq!(err, "assigned node no longer meets constraints: too little memory");
}

#[test]
fn a_node_that_lost_a_label_gives_up_what_was_there_for_it() {
    let mut world = World::new([node(1, |n| label(n, "zone", "a"))]);
    let web = world.service("web", |_, task| {
        constrain(task, "node.labels.zone==a");
        reserve(task, CPU, 0);
    });
    let other = world.service("other", |_, _| {});
    let tasks = world.scale(web, 1);
    world.scale(other, 1);
    assert_eq!(evicted_by(&mut world, node(1, |n| label(n, "zone", "b"))), tasks);
    let err = &world.store.task(tasks[0]).expect("the task").status.err;
    assert_eq!(err, "assigned node no longer meets constraints: node.labels.zone==a");
}

#[test]
fn a_paused_node_and_what_a_rollout_moves_are_left_alone() {
    let mut world = World::new([node(1, |n| label(n, "zone", "a"))]);
    let web = world.service("web", |_, task| constrain(task, "node.labels.zone==a"));
    world.scale(web, 1);
    let paused = node(1, |n| n.spec.availability = Availability::Pause);
    assert_eq!(evicted_by(&mut world, paused), []);
    // The service does not ask for it any more.
    world.change_service(web, |spec| {
        Arc::make_mut(&mut spec.task).placement.constraints.clear();
    });
    assert_eq!(evicted_by(&mut world, node(1, |_| {})), []);
    assert_eq!(world.store.tasks_on(node_id(1)).count(), 1);
}

#[test]
fn what_follows_a_task_that_has_to_leave_does_not_take_its_room() {
    let mut world = World::new([node(1, |_| {})]);
    let web = world.service("web", |_, task| reserve(task, 0, 2 * GIB));
    let tasks = world.scale(web, 2);
    tasks.iter().for_each(|id| world.observe(*id, TaskState::Running));
    let shrunk = || node(1, |n| n.description.memory_bytes = 3 * GIB);
    assert_eq!(evicted_by(&mut world, shrunk()), [tasks[1]]);
    let successor = world.make(web, &[SlotId::Number(2)], Desired::Ready)[0];
    let reason = world.place(successor).expect_err("no room");
    assert!(reason.contains("1 lacks memory"), "{reason}");
    // What stays may be replaced where it is.
    let successor_of_other = world.make(web, &[SlotId::Number(1)], Desired::Ready)[0];
    assert_eq!(world.place(successor_of_other), Ok(1));
    assert_eq!(evicted_by(&mut world, shrunk()), [tasks[1]]);
    // There is room once the node has as much as before.
    world.put_node(node(1, |_| {}));
    assert_eq!(world.place(successor), Ok(1));
    assert_eq!(evicted_by(&mut world, node(1, |_| {})), []);
}

#[test]
fn what_asks_for_less_may_follow_a_task_that_has_to_leave() {
    let mut world = World::new([node(1, |_| {})]);
    let web = world.service("web", |_, task| reserve(task, 0, 2 * GIB));
    let tasks = world.scale(web, 2);
    assert_eq!(evicted_by(&mut world, node(1, |n| n.description.memory_bytes = 3 * GIB)), [tasks[1]]);
    let mut service = Service::clone(world.store.service(web).expect("the service"));
    reserve(Arc::make_mut(&mut service.spec.task), 0, GIB);
    service.revision = 2;
    world.write(|draft| {
        draft.put_revision(skep_testing::revision(web, 2, &service.spec));
        draft.put_service(service);
    });
    let successor = world.make(web, &[SlotId::Number(2)], Desired::Ready)[0];
    assert_eq!(world.place(successor), Ok(1));
}
