#![forbid(unsafe_code)]
//! Clusters, nodes, services and revisions for those who test, measure or simulate: whole, plain, and the same each time.
//!
//! A test says what matters to it and takes the rest from here: `Node { spec, ..ready_node(1) }`. So a new field of
//! the model is given its plain value in one place. Nothing here is part of what ships, and nothing decides anything:
//! worlds that act belong to whoever acts in them (`crates/core/tests/harness`, `crates/sim`).

use skep_model::cluster::{Authority, ClusterSpec, Hidden};
use skep_model::node::{NodeDescription, NodeSpec, NodeState, NodeStatus};
use skep_model::template::Platform;
use skep_model::{Cluster, Id, Meta, Node, NodeId, Revision, Service, ServiceId, ServiceSpec, Timestamp};

/// One CPU, in billionths.
pub const CPU: i64 = 1_000_000_000;
pub const GIB: i64 = 1 << 30;

/// Returns an authority without certificate, keys and tokens.
pub fn authority() -> Authority {
    let hidden = || Hidden(String::new());
    Authority {
        certificate_pem: String::new(),
        key_pem: hidden(),
        subject: Vec::new(),
        public_key: Vec::new(),
        worker_token: hidden(),
        manager_token: hidden(),
    }
}

/// Returns a cluster as one begins that is asked for nothing special.
pub fn cluster() -> Cluster {
    Cluster {
        id: Id::from_number(1),
        meta: Meta::default(),
        spec: ClusterSpec::default(),
        authority: authority(),
        address_pools: Vec::new(),
        subnet_size: 24,
        data_path_port: 4789,
    }
}

pub fn node_id(number: u128) -> NodeId {
    NodeId::from_number(number)
}

/// Returns the record of a node that nobody has heard of yet.
pub fn node(id: NodeId) -> Node {
    Node {
        id,
        meta: Meta::default(),
        spec: NodeSpec::default(),
        description: NodeDescription::default(),
        status: NodeStatus::default(),
        manager_addr: None,
    }
}

/// Returns the node of this number, which is there and takes tasks.
pub fn ready_node(number: u128) -> Node {
    Node {
        description: description(number),
        status: NodeStatus { state: NodeState::Ready, ..NodeStatus::default() },
        ..node(node_id(number))
    }
}

/// Returns what the node of this number says of itself: `n1` and so on, with 8 CPUs and 8 GiB.
pub fn description(number: u128) -> NodeDescription {
    NodeDescription {
        hostname: format!("n{number}"),
        platform: Platform { architecture: "x86_64".into(), os: "linux".into() },
        nano_cpus: 8 * CPU,
        memory_bytes: 8 * GIB,
        ..NodeDescription::default()
    }
}

/// Returns a service in its first revision.
pub fn service(id: ServiceId, spec: ServiceSpec) -> Service {
    let (meta, previous, job) = (Meta::default(), None, None);
    Service { id, meta, spec, revision: 1, revision_count: 1, previous, job }
}

/// Returns a revision of a service that has this specification.
pub fn revision(service_id: ServiceId, number: u64, spec: &ServiceSpec) -> Revision {
    Revision {
        service_id,
        number,
        template: spec.task.clone(),
        endpoint: spec.endpoint.clone(),
        hash: String::new(),
        created_at: Timestamp::default(),
        author: String::new(),
        reason: String::new(),
        stable_at: None,
        failed_at: None,
    }
}
