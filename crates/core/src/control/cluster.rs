//! The cluster: its birth and its settings.

use std::time::Duration;

use skep_model::cluster::ClusterSpec;
use skep_model::node::NodeStatus;
use skep_model::request::{NewCluster, Refusal, RefusalClass, Reply, Rotation};
use skep_model::{Cluster, Meta, Node};

use super::check_version;
use crate::store::Draft;

/// Shortest life of a node certificate, as in Swarm.
const CERT_EXPIRY_MIN: Duration = Duration::from_secs(3600);

pub fn init(draft: &mut Draft, new: NewCluster) -> Result<Reply, Refusal> {
    if draft.cluster().is_some() {
        return Err(Refusal::new(
            RefusalClass::Unavailable,
            "This node is already part of a swarm. Use \"docker swarm leave\" to leave this swarm and join \
             another one.",
        ));
    }
    check_spec(&new.spec, None)?;
    let meta = Meta::new(draft.now());
    draft.put_cluster(Cluster {
        id: new.id,
        meta,
        spec: new.spec,
        authority: new.authority,
        address_pools: new.address_pools,
        subnet_size: new.subnet_size,
        data_path_port: new.data_path_port,
    });
    draft.put_node(Node {
        id: new.node_id,
        meta,
        spec: new.node,
        description: new.description,
        status: NodeStatus { since: draft.now(), addr: new.node_addr, ..NodeStatus::default() },
        manager_addr: Some(new.manager_addr),
    });
    Ok(Reply::Done)
}

pub fn update(
    draft: &mut Draft,
    version: u64,
    spec: ClusterSpec,
    rotate: Rotation,
) -> Result<Reply, Refusal> {
    let stored = draft.cluster().expect("the caller checked that there is a cluster");
    check_version(draft, &stored.meta, version)?;
    check_spec(&spec, Some(&stored.spec))?;
    let mut cluster = Cluster::clone(stored);
    cluster.spec = spec;
    if let Some(token) = rotate.worker_token {
        cluster.authority.worker_token = token;
    }
    if let Some(token) = rotate.manager_token {
        cluster.authority.manager_token = token;
    }
    draft.put_cluster(cluster);
    Ok(Reply::Done)
}

fn check_spec(spec: &ClusterSpec, before: Option<&ClusterSpec>) -> Result<(), Refusal> {
    // What an earlier version took is in nobody's way until somebody writes the labels.
    if before.is_none_or(|before| before.labels != spec.labels) {
        spec.validate()?;
    }
    if spec.node_cert_expiry < CERT_EXPIRY_MIN {
        let text = "minimum certificate expiry time is: 1h0m0s";
        return Err(Refusal::new(RefusalClass::InvalidArgument, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_an_earlier_version_took_are_judged_when_labels_are_written() {
        let labels = |pairs: &[(&str, &str)]| ClusterSpec {
            labels: pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..ClusterSpec::default()
        };
        let old = labels(&[("skep.strategi", "binpack")]);
        assert!(check_spec(&old, None).is_err());
        let other = ClusterSpec { task_history_limit: 9, ..old.clone() };
        assert!(check_spec(&other, Some(&old)).is_ok());
        let relabelled = labels(&[("skep.strategi", "binpack"), ("owner", "me")]);
        assert!(check_spec(&relabelled, Some(&old)).is_err());
    }
}
