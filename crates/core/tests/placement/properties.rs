//! What a scheduler knows that follows, and how level a tree is.

use crate::support::{GIB, World, constrain, label, node, open_port, reserve};
use proptest::prelude::*;
use skep_model::node::{Availability, NodeState};
use skep_model::service::UpdateOrder;
use skep_model::task::{Desired, TaskState};

/// What happens to a cluster.
#[derive(Clone, Debug)]
enum Deed {
    Scale { service: usize, count: usize },
    End { task: prop::sample::Index },
    Doom { task: prop::sample::Index },
    Node { number: u128, zone: u8, memory: i64, availability: u8 },
    Successor { task: prop::sample::Index },
    Order { service: usize, stop_first: bool },
}

fn any_deed() -> impl Strategy<Value = Deed> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        3 => (0..5usize, 1..5usize).prop_map(|(service, count)| Deed::Scale { service, count }),
        3 => index().prop_map(|task| Deed::End { task }),
        1 => index().prop_map(|task| Deed::Doom { task }),
        2 => (1..6u128, 0..3u8, 1..6i64, 0..4u8).prop_map(|(number, zone, memory, availability)| {
            Deed::Node { number, zone, memory, availability }
        }),
        2 => index().prop_map(|task| Deed::Successor { task }),
        1 => (0..5usize, any::<bool>()).prop_map(|(service, stop_first)| Deed::Order { service, stop_first }),
    ]
}

/// Five services that ask for different things, and five nodes.
fn crowded() -> (World, Vec<skep_model::ServiceId>) {
    let mut world = World::new((1..6).map(|number| node(number, |n| n.description.memory_bytes = 3 * GIB)));
    let services = vec![
        world.service("memory", |_, task| reserve(task, 0, GIB)),
        world.service("port", |_, task| open_port(task, 80)),
        world.service("zone", |_, task| {
            constrain(task, "node.labels.zone != b");
            task.placement.max_replicas = 2;
            reserve(task, 0, 2 * GIB);
        }),
        world.service("spread", |_, task| {
            task.placement.preferences = vec!["node.labels.zone".into()];
            open_port(task, 81);
        }),
        world.service("shy", |spec, _| {
            spec.labels.insert("skep.anti-affinity".into(), "service:port".into());
            spec.labels.insert("skep.affinity".into(), "service:memory".into());
        }),
    ];
    (world, services)
}

fn act(world: &mut World, services: &[skep_model::ServiceId], deed: &Deed) {
    let tasks: Vec<_> = world.store.tasks().filter(|task| !task.is_over()).cloned().collect();
    let pick =
        |index: &prop::sample::Index| (!tasks.is_empty()).then(|| tasks[index.index(tasks.len())].clone());
    match deed {
        Deed::Scale { service, count } => drop(world.scale(services[*service], *count)),
        Deed::End { task } => {
            if let Some(task) = pick(task).filter(|task| task.node_id.is_some()) {
                world.observe(task.id, TaskState::Failed);
            }
        }
        Deed::Doom { task } => {
            if let Some(task) = pick(task) {
                world.write(|draft| draft.change_task(task.id, |task| task.desired = Desired::Shutdown));
            }
        }
        Deed::Node { number, zone, memory, availability } => {
            let zone = ["a", "b", "c"][usize::from(*zone)];
            world.put_node(node(*number, |n| {
                label(n, "zone", zone);
                n.description.memory_bytes = memory * GIB;
                match availability {
                    0 => n.spec.availability = Availability::Pause,
                    1 => n.status.state = NodeState::Down,
                    _ => {}
                }
            }));
        }
        Deed::Successor { task } => {
            if let Some(task) = pick(task).filter(|task| task.node_id.is_some() && task.is_live()) {
                world.make(task.service_id, &[task.slot], Desired::Ready);
            }
        }
        Deed::Order { service, stop_first } => {
            let order = if *stop_first { UpdateOrder::StopFirst } else { UpdateOrder::StartFirst };
            world.change_service(services[*service], |spec| crate::support::order(spec, order));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    /// What is followed write by write is what counting anew would find: nothing waits that could be placed,
    /// and what waits says what a new leader would say.
    #[test]
    fn a_scheduler_that_follows_knows_what_a_new_one_would(deeds in prop::collection::vec(any_deed(), 1..30)) {
        let (mut world, services) = crowded();
        for deed in &deeds {
            act(&mut world, &services, deed);
            prop_assert_eq!(world.again(), vec![], "after {:?}", deed);
        }
    }

    /// However the tasks came, the branches of a tree differ by no more than one where all of them have room.
    #[test]
    fn branches_are_level(counts in prop::collection::vec(1..20usize, 1..6), zones in 1..5u128, nodes in 1..30u128) {
        let mut world = World::new((1..=nodes).map(|number| {
            node(number, |n| label(n, "zone", &(number % zones).to_string()))
        }));
        let web = world.service("web", |_, task| task.placement.preferences = vec!["node.labels.zone".into()]);
        for count in counts {
            world.scale(web, count);
            let per_node = world.counts(web);
            let mut branches = std::collections::BTreeMap::<u128, Vec<usize>>::new();
            for (number, count) in (1..).zip(per_node) {
                branches.entry(number % zones).or_default().push(count);
            }
            let sums: Vec<usize> = branches.values().map(|nodes| nodes.iter().sum()).collect();
            let level = |counts: &[usize]| counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1;
            prop_assert!(level(&sums), "branches {:?}", sums);
            prop_assert!(branches.values().all(|nodes| level(nodes)), "nodes {:?}", branches);
        }
    }
}
