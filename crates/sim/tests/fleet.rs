//! A fleet of a hundred nodes: everything that is asked of it comes true, and nothing is decided twice.

use std::time::Duration;

use skep_sim::fleet::{Fleet, Size};

#[test]
fn a_hundred_nodes_deploy_roll_lose_some_and_get_them_back() {
    let size = Size { nodes: 100, tasks: 1_000 };
    let untimed = || Duration::ZERO;
    let mut fleet = Fleet::new(size, &untimed);

    fleet.register().unwrap();
    let deployed = fleet.deploy().unwrap().counts;
    assert_eq!((deployed.tasks_made, deployed.tasks_placed), (1_000, 1_000));
    assert_eq!(fleet.running_count(), 1_000);

    let rolled = fleet.roll().unwrap().counts;
    assert_eq!((rolled.tasks_made, rolled.tasks_placed), (1_000, 1_000), "each slot is moved once");
    assert_eq!(fleet.running_count(), 1_000);

    let held = fleet.held_by_nodes_to_lose();
    let lost = fleet.lose_nodes().unwrap().counts;
    assert_eq!(
        (lost.tasks_made, lost.tasks_placed),
        (held, held),
        "what was lost is replaced, and nothing else"
    );
    assert_eq!(fleet.running_count(), 1_000);

    let back = fleet.get_nodes_back().unwrap().counts;
    assert_eq!((back.tasks_made, back.tasks_placed), (0, 0), "nobody has to move for a node that returns");
    assert_eq!(fleet.running_count(), 1_000);
}
