//! However much there is to do at once, no single proposal outgrows the log: the leader goes on with the
//! rest after each commit, and in the end everything is done.

use skep_core::message::NodeMessage;
use skep_core::{Event, Leader, Output, RequestId, Store};
use skep_model::cluster::ClusterSpec;
use skep_model::node::{Availability, NodeDescription, NodeSpec, Role};
use skep_model::request::{NewCluster, Request};
use skep_model::service::Mode;
use skep_model::{ClusterId, Id, Node, NodeId, ServiceSpec, TaskSpec, Timestamp};
use std::sync::Arc;

/// What the log takes in one entry, in bytes.
const ENTRY_BYTES_MAX: usize = 8 << 20;

struct Cluster {
    store: Store,
    leader: Leader,
    requests: u64,
}

impl Cluster {
    fn new() -> Cluster {
        let store = Store::default();
        let leader = Leader::new(7, &store, now());
        let mut cluster = Cluster { store, leader, requests: 0 };
        cluster.ask(Request::InitCluster(Box::new(NewCluster {
            id: ClusterId::from_number(1),
            spec: ClusterSpec::default(),
            authority: skep_testing::authority(),
            address_pools: Vec::new(),
            subnet_size: 24,
            data_path_port: 4789,
            node_id: node_id(),
            node: NodeSpec { role: Role::Manager, ..NodeSpec::default() },
            description: NodeDescription::default(),
            node_addr: "10.0.0.1".into(),
            manager_addr: "10.0.0.1:2377".into(),
        })));
        let description = Box::<NodeDescription>::default();
        let register = NodeMessage::Register { attempt: 1, description, addr: "10.0.0.1".into() };
        cluster.step(Event::Heard(node_id(), register));
        cluster
    }

    fn ask(&mut self, request: Request) {
        self.requests += 1;
        self.step(Event::Requested(RequestId(self.requests), request));
    }

    /// Commits whatever is proposed until nothing is. Returns the number of proposals.
    fn step(&mut self, event: Event) -> usize {
        let mut output = self.leader.step(&self.store, now(), event);
        for proposals in 0..10_000 {
            let Output { propose: Some(changes), .. } = output else { return proposals };
            let bytes = rmp_serde::to_vec_named(&changes).expect("changes serialise").len();
            assert!(bytes < ENTRY_BYTES_MAX, "a proposal of {bytes} bytes");
            self.store.apply(self.store.index() + 1, &changes);
            output = self.leader.step(&self.store, now(), Event::Committed);
        }
        panic!("the leader never comes to rest");
    }
}

fn now() -> Timestamp {
    Timestamp(1_000_000_000)
}

fn node_id() -> NodeId {
    NodeId::from_number(1)
}

fn service(name: &str, replicas: u64, env_bytes: usize) -> Request {
    let mut task = TaskSpec::default();
    task.container.image = "redis:7".into();
    task.container.env = vec![format!("A={}", "x".repeat(env_bytes))];
    let spec = ServiceSpec {
        name: name.into(),
        mode: Mode::Replicated { replicas },
        task: Arc::new(task),
        ..ServiceSpec::default()
    };
    Request::CreateService { spec: Box::new(spec), author: String::new() }
}

#[test]
fn ten_thousand_replicas_at_once_and_then_a_drain() {
    let mut cluster = Cluster::new();
    cluster.ask(service("web", 10_000, 10));
    assert_eq!(cluster.store.tasks_on(node_id()).count(), 10_000);
    let node = Node::clone(cluster.store.node(node_id()).expect("the node"));
    let spec = NodeSpec { availability: Availability::Drain, ..node.spec };
    cluster.ask(Request::UpdateNode { id: node_id(), version: node.meta.version, spec });
    assert!(cluster.store.tasks_on(node_id()).all(|task| !task.is_live()), "every task gives way");
}

#[test]
fn large_specifications_are_spread_over_proposals_or_refused() {
    let mut cluster = Cluster::new();
    cluster.ask(service("big", 40, 400_000));
    assert_eq!(cluster.store.tasks_on(node_id()).count(), 40);
    cluster.ask(service("huge", 1, 600_000));
    assert!(cluster.store.service_named("huge").is_none());
}
