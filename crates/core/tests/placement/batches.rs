//! Nodes are chosen for many tasks before any of them is written: what one choice means to the next has to hold all
//! the same.

use crate::support::{CPU, GIB, World, label, node, order, reserve};
use skep_model::service::UpdateOrder;
use skep_model::task::{Desired, SlotId};

/// More than are chosen for at a time.
const MANY: usize = 200;

fn nodes(count: u128) -> impl Iterator<Item = skep_model::Node> {
    (1..=count).map(|number| node(number, |_| {}))
}

#[test]
fn many_tasks_stand_level() {
    let mut world = World::new(nodes(7));
    let service = world.service("web", |_, _| {});
    world.scale(service, MANY);
    let counts = world.counts(service);
    assert_eq!(counts.iter().sum::<usize>(), MANY);
    assert!(counts.iter().all(|count| (28..=29).contains(count)), "{counts:?}");
}

#[test]
fn many_tasks_fill_what_there_is_and_the_rest_waits() {
    let mut world = World::new(nodes(10));
    let service = world.service("web", |_, task| reserve(task, CPU, 0));
    let tasks = world.scale(service, MANY);
    assert_eq!(world.counts(service), [8; 10]);
    let reason = "no suitable node (insufficient resources on 10 nodes, 10 lack cpus: need 1)";
    assert_eq!(world.place(tasks[MANY - 1]), Err(reason.to_owned()));
    assert_eq!(world.again(), []);
}

#[test]
fn a_limit_of_replicas_holds_from_one_choice_to_the_next() {
    let mut world = World::new(nodes(70));
    let limited = world.service("limited", |_, task| task.placement.max_replicas = 2);
    world.scale(limited, MANY);
    assert_eq!(world.counts(limited), [2; 70]);
    let label = ("skep.anti-affinity".to_owned(), "service:lone".to_owned());
    let lone = world.service("lone", |spec, _| spec.labels = [label].into());
    world.scale(lone, MANY);
    assert_eq!(world.counts(lone), [1; 70]);
}

#[test]
fn tasks_are_found_in_slots_with_others_between_them() {
    let mut world = World::new([]);
    let service = world.service("web", |_, _| {});
    // Slots that wait lie apart by none, by a few, and by more than is walked along.
    let slots: Vec<_> =
        (1..=40).chain((41..=100).step_by(3)).chain((101..=2_000).step_by(90)).map(SlotId::Number).collect();
    let waiting = world.make(service, &slots, Desired::Running);
    let between: Vec<_> = (1..=2_000).map(SlotId::Number).filter(|slot| !slots.contains(slot)).collect();
    let placed = world.make(service, &between, Desired::Running);
    world.write(|draft| {
        for id in placed {
            draft.change_task(id, |task| task.node_id = Some(crate::support::node_id(99)));
        }
    });
    world.write(|draft| nodes(3).for_each(|node| draft.put_node(node)));
    assert!(waiting.iter().all(|id| world.place(*id).is_ok()));
    let counts = world.counts(service);
    assert_eq!(counts.iter().sum::<usize>(), slots.len());
}

#[test]
fn one_of_two_that_wait_in_a_slot_follows_the_other_to_its_node() {
    let mut world = World::new([]);
    let service = world.service("web", |spec, task| {
        order(spec, UpdateOrder::StopFirst);
        // A node has room for one at a time.
        reserve(task, 8 * CPU, 0);
    });
    let slots: Vec<_> = (1..=4).map(SlotId::Number).collect();
    let serving = world.make(service, &slots, Desired::Running);
    let next = world.make(service, &slots, Desired::Ready);
    world.write(|draft| nodes(4).for_each(|node| draft.put_node(node)));
    for (serving, next) in serving.into_iter().zip(next) {
        let place = world.place(serving);
        assert!(place.is_ok(), "{place:?}");
        assert_eq!(world.place(next), place);
    }
}

#[test]
fn a_branch_keeps_count_of_what_follows_others_to_its_full_nodes() {
    let zone = |number, zone: &'static str, gib: i64| {
        node(number, move |n| {
            label(n, "zone", zone);
            n.description.memory_bytes = gib * GIB;
        })
    };
    // Nothing new has a place anywhere, so that every choice is the node of a predecessor.
    let mut world = World::new([zone(1, "a", 3), zone(2, "a", 2), zone(3, "b", 0)]);
    let web = world.service("web", |_, task| {
        reserve(task, 0, GIB);
        task.placement.preferences = vec!["node.labels.zone".into()];
    });
    let before = world.scale(web, 5);
    let slots: Vec<_> = (1..=5).map(SlotId::Number).collect();
    let after = world.make(web, &slots, Desired::Ready);
    for (old, new) in before.iter().zip(&after) {
        assert_eq!(world.place(*old), world.place(*new));
    }
    assert_eq!(world.counts(web), [6, 4, 0]);
    assert_eq!(world.again(), []);
}
