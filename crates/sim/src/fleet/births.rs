//! What a fleet begins with: its cluster, its nodes, and the services that it is asked for.

use std::sync::Arc;

use skep_core::{Change, ChangeSet};
use skep_model::cluster::ClusterSpec;
use skep_model::node::NodeDescription;
use skep_model::request::Request;
use skep_model::service::{Mode, UpdateConfig};
use skep_model::template::Reservations;
use skep_model::{Cluster, ServiceSpec, TaskSpec};
use skep_testing::{node, node_id};

/// Tasks of one service. Smaller fleets have smaller services.
const REPLICAS_MAX: u64 = 10_000;
/// Services of a fleet, at least.
const SERVICES_MIN: u64 = 10;
/// Share of a service's slots that are in change at a time.
const PARALLELISM_SHARE: u64 = 50;

/// Returns the first entry of the log: a cluster of so many nodes that nobody has heard of yet.
pub fn cluster(nodes: u64) -> ChangeSet {
    let cluster = Cluster {
        // No history: what ended is forgotten.
        spec: ClusterSpec { task_history_limit: 1, ..ClusterSpec::default() },
        ..skep_testing::cluster()
    };
    let nodes = (1..=nodes).map(|number| Change::PutNode(Arc::new(node(node_id(number.into())))));
    std::iter::once(Change::PutCluster(Arc::new(cluster))).chain(nodes).collect()
}

pub fn description(number: u64) -> NodeDescription {
    NodeDescription {
        hostname: format!("n{number}"),
        nano_cpus: 64_000_000_000,
        memory_bytes: 256 << 30,
        ..NodeDescription::default()
    }
}

/// Returns the services that come to so many tasks.
pub fn services(tasks: u64) -> impl Iterator<Item = ServiceSpec> {
    let replicas = (tasks / SERVICES_MIN).clamp(1, REPLICAS_MAX);
    let service = move |number| {
        let mut task = TaskSpec::default();
        task.container.image = "app:1".into();
        task.resources.reservations =
            Some(Reservations { nano_cpus: 100_000_000, memory_bytes: 128 << 20, ..Reservations::default() });
        ServiceSpec {
            name: format!("s{number}"),
            // Swarm's pacing: the phase is about work, not about waiting.
            labels: [("skep.profile".to_owned(), "swarm".to_owned())].into(),
            task: Arc::new(task),
            mode: Mode::Replicated { replicas },
            update: Some(UpdateConfig {
                parallelism: (replicas / PARALLELISM_SHARE).max(1),
                ..UpdateConfig::default()
            }),
            ..ServiceSpec::default()
        }
    };
    (1..=tasks / replicas).map(service)
}

pub fn creation(spec: ServiceSpec) -> Request {
    Request::CreateService { spec: Box::new(spec), author: String::new() }
}
