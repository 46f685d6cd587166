//! Swarm's filters and ranking, what a task says that waits, and what wakes it.

use std::sync::Arc;

use crate::support::{CPU, GIB, World, constrain, label, mount_by, node, node_id, open_port, order, reserve};
use skep_model::node::{Availability, NodeState, Plugin};
use skep_model::service::{Mode, UpdateOrder};
use skep_model::task::{Desired, NodeFailure, SlotId, TaskState};
use skep_model::template::{Platform, Reservations};
use skep_model::{ServiceSpec, Task, TaskSpec, limits};

/// Places one task with this template on these nodes. Returns the number of its node, or why it waits.
fn place_one(nodes: Vec<skep_model::Node>, change: impl FnOnce(&mut TaskSpec)) -> Result<u128, String> {
    let mut world = World::new(nodes);
    let service = world.service("web", |_, task| change(task));
    let tasks = world.scale(service, 1);
    world.place(tasks[0])
}

#[test]
fn each_filter_says_what_is_missing_in_swarms_words_first() {
    let two = || vec![node(1, |n| label(n, "zone", "a")), node(2, |n| label(n, "zone", "c"))];
    let plugged = |name: &str| {
        vec![node(1, |n| {
            n.description.plugins = vec![Plugin { kind: "Volume".into(), name: name.to_owned() }];
        })]
    };
    type Case = (Vec<skep_model::Node>, fn(&mut TaskSpec), Result<u128, &'static str>);
    let cases: Vec<Case> = vec![
        (vec![], |_| {}, Err("no suitable node")),
        (
            vec![
                node(1, |n| n.status.state = NodeState::Down),
                node(2, |n| n.spec.availability = Availability::Drain),
            ],
            |_| {},
            Err("no suitable node (2 nodes not available for new tasks, 1 down, 1 drained)"),
        ),
        (
            two(),
            |t| reserve(t, 0, 9 * GIB),
            Err("no suitable node (insufficient resources on 2 nodes, 2 lack memory: need 9 GiB)"),
        ),
        (
            vec![node(1, |_| {})],
            |t| reserve(t, 17 * CPU / 2, 0),
            Err("no suitable node (insufficient resources on 1 node, 1 lacks cpus: need 8.5)"),
        ),
        (
            vec![node(1, |n| n.description.generic = [("gpu".to_owned(), 1)].into())],
            |t| {
                let generic = [("gpu".to_owned(), 2)].into();
                t.resources.reservations = Some(Reservations { generic, ..Reservations::default() });
            },
            Err("no suitable node (insufficient resources on 1 node, 1 lacks gpu: need 2)"),
        ),
        (
            two(),
            |t| constrain(t, "node.labels.zone==b"),
            Err(
                "no suitable node (scheduling constraints not satisfied on 2 nodes, 2 fail node.labels.zone==b)",
            ),
        ),
        (two(), |t| constrain(t, "node.labels.zone==c"), Ok(2)),
        (
            two(),
            |t| t.placement.platforms = vec![Platform { os: "linux".into(), architecture: "arm64".into() }],
            Err("no suitable node (unsupported platform on 2 nodes, need linux/arm64)"),
        ),
        (
            two(),
            |t| t.placement.platforms = vec![Platform { os: "linux".into(), architecture: "amd64".into() }],
            Ok(1),
        ),
        (
            plugged("nfs"),
            |t| mount_by(t, "ceph"),
            Err("no suitable node (missing plugin on 1 node, 1 lacks volume driver ceph)"),
        ),
        (plugged("ceph:latest"), |t| mount_by(t, "ceph"), Ok(1)),
        // A node that tells nothing of its plugins is not asked for them.
        (two(), |t| mount_by(t, "ceph"), Ok(1)),
    ];
    for (nodes, change, expected) in cases {
        assert_eq!(place_one(nodes, change), expected.map_err(str::to_owned));
    }
}

#[test]
fn several_reasons_are_ordered_by_how_many_nodes_they_concern() {
    let nodes = (1..=5).map(|number| {
        node(number, |n| match number {
            1..=3 => n.description.memory_bytes = GIB,
            _ => label(n, "zone", "a"),
        })
    });
    let waits = place_one(nodes.collect(), |task| {
        reserve(task, 0, 2 * GIB);
        constrain(task, "node.labels.zone==b");
    });
    assert_eq!(
        waits.unwrap_err(),
        "no suitable node (insufficient resources on 3 nodes, 3 lack memory: need 2 GiB; \
         scheduling constraints not satisfied on 2 nodes, 2 fail node.labels.zone==b)"
    );
}

#[test]
fn a_task_goes_where_the_fewest_of_its_service_are_then_the_fewest_of_all() {
    let mut world = World::new((1..=3).map(|number| node(number, |_| {})));
    let other = world.service("other", |_, task| constrain(task, "node.hostname==n1"));
    world.scale(other, 2);
    let web = world.service("web", |_, _| {});
    world.scale(web, 2);
    assert_eq!(world.counts(web), [0, 1, 1]);
    world.scale(web, 5);
    assert_eq!(world.counts(web), [2, 3, 2]);
}

#[test]
fn a_limit_per_node_counts_replicas() {
    let mut world = World::new((1..=2).map(|number| node(number, |_| {})));
    let web = world.service("web", |_, task| task.placement.max_replicas = 2);
    let tasks = world.scale(web, 5);
    assert_eq!(world.counts(web), [2, 2]);
    assert_eq!(
        world.place(tasks[4]),
        Err("no suitable node (max replicas per node limit exceed, 2 nodes with 2)".to_owned())
    );
    // One that ends makes room.
    world.observe(tasks[0], TaskState::Failed);
    assert!(world.place(tasks[4]).is_ok());
}

#[test]
fn a_host_port_is_one_tasks_and_free_again_when_that_is_over() {
    let mut world = World::new([node(1, |_| {})]);
    let web = world.service("web", |_, task| open_port(task, 8080));
    let tasks = world.scale(web, 2);
    assert_eq!(world.place(tasks[0]), Ok(1));
    let waits = "no suitable node (host-mode port already in use on 1 node, 1 has 8080/tcp)";
    assert_eq!(world.place(tasks[1]), Err(waits.to_owned()));
    world.write(|draft| draft.change_task(tasks[0], |task| task.desired = Desired::Shutdown));
    assert_eq!(world.place(tasks[1]), Err(waits.to_owned()), "it is not over yet");
    world.observe(tasks[0], TaskState::Shutdown);
    assert_eq!(world.place(tasks[1]), Ok(1));
}

#[test]
fn what_stands_by_takes_its_predecessors_room_and_port() {
    for (order, expected) in [(UpdateOrder::StopFirst, true), (UpdateOrder::StartFirst, false)] {
        let mut world = World::new([node(1, |_| {})]);
        let web = world.service("web", |spec, task| {
            crate::support::order(spec, order);
            reserve(task, 5 * CPU, 0);
            open_port(task, 8080);
        });
        world.scale(web, 1);
        let next = world.make(web, &[SlotId::Number(1)], Desired::Ready);
        assert_eq!(world.place(next[0]).is_ok(), expected, "{order:?}");
        let other = world.make(web, &[SlotId::Number(2)], Desired::Ready);
        assert!(world.place(other[0]).is_err(), "the place of another slot is not free");
    }
}

#[test]
fn another_order_of_the_service_lets_a_task_stand_by() {
    let mut world = World::new([node(1, |_| {})]);
    let web = world.service("web", |spec, task| {
        order(spec, UpdateOrder::StartFirst);
        reserve(task, 5 * CPU, 0);
    });
    world.scale(web, 1);
    let next = world.make(web, &[SlotId::Number(1)], Desired::Ready);
    assert!(world.place(next[0]).is_err());
    world.change_service(web, |spec| order(spec, UpdateOrder::StopFirst));
    assert_eq!(world.place(next[0]), Ok(1));
}

#[test]
fn another_order_of_the_cluster_and_back_lets_a_task_stand_by_again() {
    let mut world = World::new([node(1, |_| {})]);
    let cluster_order = |world: &mut World, order: &str| {
        let mut cluster = skep_model::Cluster::clone(world.store.cluster().expect("a cluster"));
        cluster.spec.labels.insert("skep.rollout.order".into(), order.into());
        world.write(|draft| draft.put_cluster(cluster));
    };
    cluster_order(&mut world, "stop-first");
    let web = world.service("web", |_, task| reserve(task, 3 * CPU, 0));
    world.scale(web, 1);
    cluster_order(&mut world, "start-first");
    let next = world.make(web, &[SlotId::Number(1)], Desired::Ready);
    assert_eq!(world.place(next[0]), Ok(1));
    let other = world.service("other", |_, task| reserve(task, 3 * CPU, 0));
    let tasks = world.scale(other, 1);
    assert!(world.place(tasks[0]).is_err(), "both tasks of the slot use what they reserve");
    cluster_order(&mut world, "stop-first");
    assert_eq!(world.place(tasks[0]), Ok(1), "one of them waits for the other to be over");
    cluster_order(&mut world, "start-first");
    let small = world.service("small", |_, task| reserve(task, CPU, 0));
    let tasks = world.scale(small, 1);
    assert!(world.place(tasks[0]).is_err(), "all three use what they reserve");
}

#[test]
fn tasks_spread_over_the_tree_and_what_is_full_leaves_its_share() {
    let zone = |number: u128| if number <= 4 { "a" } else { "b" };
    let mut world = World::new((1..=6).map(|number| {
        node(number, |n| {
            label(n, "zone", zone(number));
            label(n, "rack", if number % 2 == 0 { "even" } else { "odd" });
        })
    }));
    let prefer = |task: &mut TaskSpec| {
        task.placement.preferences = vec!["node.labels.zone".into(), "node.labels.rack".into()];
    };
    let web = world.service("web", |_, task| prefer(task));
    world.scale(web, 8);
    // Four in each zone, two in each rack of it.
    assert_eq!(world.counts(web), [1, 1, 1, 1, 2, 2]);
    let full = world.service("full", |_, task| {
        prefer(task);
        task.placement.max_replicas = 1;
    });
    world.scale(full, 6);
    assert_eq!(world.counts(full), [1; 6]);
}

#[test]
fn a_branch_counts_what_it_has_on_nodes_that_take_no_more() {
    let mut world = World::new(
        (1..=4).map(|number| node(number, |n| label(n, "zone", if number <= 2 { "a" } else { "b" }))),
    );
    let web = world.service("web", |_, task| task.placement.preferences = vec!["node.labels.zone".into()]);
    world.scale(web, 4);
    world.put_node(node(1, |n| {
        label(n, "zone", "a");
        n.spec.availability = Availability::Pause;
    }));
    world.scale(web, 2);
    assert_eq!(world.counts(web), [1, 2, 2, 1]);
}

#[test]
fn a_node_where_a_revision_fails_again_and_again_comes_last() {
    let mut world = World::new((1..=2).map(|number| node(number, |_| {})));
    let web = world.service("web", |_, _| {});
    let first = world.scale(web, 1);
    let failure = NodeFailure { node_id: node_id(2), at: world.now };
    let fail = |count: usize| move |task: &mut Task| task.node_failures = vec![failure; count];
    world.write(|draft| draft.change_task(first[0], fail(limits::NODE_FAILURES_MAX - 1)));
    let second = world.scale(web, 1);
    assert_eq!(world.place(second[0]), Ok(2), "a few failures are no reason yet");
    world.write(|draft| draft.change_task(first[0], fail(limits::NODE_FAILURES_MAX)));
    world.scale(web, 3);
    assert_eq!(world.counts(web), [4, 1]);
    // It is never excluded.
    world.put_node(node(1, |n| n.spec.availability = Availability::Pause));
    world.scale(web, 1);
    assert_eq!(world.counts(web), [4, 2]);
    // What is long ago is forgotten.
    world.put_node(node(1, |_| {}));
    world.now = world.now + limits::NODE_FAILURES_WITHIN;
    world.scale(web, 1);
    assert_eq!(world.counts(web), [4, 3]);
}

#[test]
fn w42_packing_fills_a_node_before_the_next_and_spreads_what_has_no_size() {
    let mut world = World::new((1..=3).map(|number| node(number, |_| {})));
    let mut cluster = skep_model::Cluster::clone(world.store.cluster().expect("a cluster"));
    cluster.spec.labels.insert("skep.strategy".into(), "binpack".into());
    world.write(|draft| draft.put_cluster(cluster));
    let big = world.service("big", |_, task| reserve(task, 3 * CPU, GIB));
    world.scale(big, 3);
    assert_eq!(world.counts(big), [2, 1, 0]);
    let small = world.service("small", |_, task| reserve(task, CPU, 0));
    world.scale(small, 4);
    assert_eq!(world.counts(small), [2, 2, 0], "the fullest that will do, first");
    let sizeless = world.service("sizeless", |_, _| {});
    world.scale(sizeless, 3);
    assert_eq!(world.counts(sizeless), [1, 1, 1]);
}

#[test]
fn services_keep_together_and_apart() {
    let mut world = World::new((1..=3).map(|number| node(number, |_| {})));
    let label = |spec: &mut ServiceSpec, key: &str, value: &str| {
        spec.labels.insert(format!("skep.{key}"), value.to_owned());
    };
    let web = world.service("web", |spec, _| label(spec, "affinity", "service:DB"));
    let tasks = world.scale(web, 2);
    assert_eq!(
        world.place(tasks[0]),
        Err("no suitable node (service affinity not satisfied on 3 nodes, 3 run no db)".to_owned())
    );
    let db = world.service("db", |_, task| constrain(task, "node.hostname==n2"));
    world.scale(db, 1);
    assert_eq!(world.counts(web), [0, 2, 0], "they were woken by the task that came");
    let shy = world.service("shy", |spec, _| label(spec, "anti-affinity", "service:db,service:shy"));
    let tasks = world.scale(shy, 3);
    assert_eq!(world.counts(shy), [1, 0, 1], "one to a node, and none beside db");
    assert_eq!(
        world.place(tasks[2]),
        Err("no suitable node (service anti-affinity not satisfied on 3 nodes, 1 runs db, 2 run shy)"
            .to_owned())
    );
    // Distance is mutual.
    world.change_service(db, |spec| Arc::make_mut(&mut spec.task).placement.constraints.clear());
    let db2 = world.service("db2", |spec, _| label(spec, "anti-affinity", "service:web"));
    world.scale(db2, 1);
    let more = world.scale(web, 1);
    assert_eq!(world.place(more[0]), Ok(2));
    world.change_service(shy, |spec| spec.labels.clear());
    assert_eq!(world.counts(shy).iter().sum::<usize>(), 3, "the label is gone, and the third has a place");
}

#[test]
fn a_task_of_a_node_waits_for_its_node_alone() {
    let mut world =
        World::new((1..=2).map(|number| node(number, |n| n.description.memory_bytes = number as i64 * GIB)));
    let all = world.service("all", |spec, task| {
        spec.mode = Mode::Global;
        reserve(task, 0, 2 * GIB);
    });
    let tasks = world.scale(all, 2);
    assert_eq!(world.place(tasks[1]), Ok(2));
    assert_eq!(
        world.place(tasks[0]),
        Err("insufficient resources on 1 node, 1 lacks memory: need 2 GiB".to_owned())
    );
    world.put_node(node(1, |_| {}));
    assert_eq!(world.place(tasks[0]), Ok(1));
}

#[test]
fn what_is_to_stop_is_not_placed() {
    let mut world = World::new([node(1, |n| n.spec.availability = Availability::Pause)]);
    let web = world.service("web", |_, _| {});
    let tasks = world.scale(web, 2);
    world.write(|draft| draft.change_task(tasks[0], |task| task.desired = Desired::Remove));
    world.put_node(node(1, |_| {}));
    assert!(world.place(tasks[0]).is_err());
    assert_eq!(world.place(tasks[1]), Ok(1));
}

#[test]
fn a_hundred_thousand_hopeless_tasks_cost_nothing_while_they_wait() {
    let mut world = World::new((1..=3).map(|number| node(number, |n| n.description.memory_bytes = GIB)));
    for number in 0..10 {
        let far = world.service(&format!("far{number}"), |_, task| {
            reserve(task, 0, 2 * GIB);
            constrain(task, "node.labels.zone==b");
        });
        world.scale(far, 10_000);
    }
    let web = world.service("web", |_, task| reserve(task, 0, GIB / 2));
    let tasks = world.scale(web, 2);
    let effort = world.effort();
    let mut written = 0;
    for _ in 0..100 {
        let next = world.scale(web, 1);
        written += world.write(|draft| draft.change_task(next[0], |task| task.desired = Desired::Remove));
        written += world.write(|draft| draft.delete_task(next[0]));
    }
    assert!(tasks.iter().all(|id| world.place(*id).is_ok()));
    assert_eq!(written, 200, "the tasks that wait are not written to");
    // Trying each of them again would be thirty million looks; their ten groups are looked at when nodes change.
    let effort = world.effort() - effort;
    assert!(effort < 20_000, "{effort} tries and looks");
    // One node that could take them takes what it can, and the rest goes on waiting.
    world.put_node(node(3, |n| label(n, "zone", "b")));
    let placed = world.store.tasks_on(node_id(3)).filter(|task| task.service.name.starts_with("far")).count();
    assert_eq!(placed, 4);
}
