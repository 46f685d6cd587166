//! The cluster: its birth and its settings.

use std::time::Duration;

use skep_model::cluster::ClusterSpec;
use skep_model::node::NodeStatus;
use skep_model::request::{NewCluster, Refusal, RefusalClass, Reply, Rotation};
use skep_model::{Cluster, Labels, Meta, Node};

use super::{check_labels, check_version};
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
    match rotate.authority {
        Some(authority) => cluster.authority = authority,
        // Whoever drew looked at this version of the cluster, or was refused above.
        None if spec.force_rotate != cluster.spec.force_rotate => {
            return Err(Refusal::new(RefusalClass::Unknown, "no new root came with the wish to rotate it"));
        }
        None => {}
    }
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
    check_labels(&spec.labels)?;
    spec.validate(before.map_or(&Labels::new(), |before| &before.labels))?;
    if spec.node_cert_expiry < CERT_EXPIRY_MIN {
        let text = "minimum certificate expiry time is: 1h0m0s";
        return Err(Refusal::new(RefusalClass::InvalidArgument, text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use skep_model::cluster::{Authority, Hidden};
    use skep_model::node::{NodeDescription, NodeSpec};
    use skep_model::{ClusterId, Id, NodeId, Timestamp};

    use super::*;
    use crate::Store;

    #[test]
    fn labels_leave_room_for_others() {
        let labelled = |length: usize| ClusterSpec {
            labels: [("skep.x".repeat(length), String::new())].into(),
            ..ClusterSpec::default()
        };
        let text = |length| check_spec(&labelled(length), None).expect_err("no policy").to_string();
        assert!(text(1).contains("is no policy"), "{}", text(1));
        assert!(text(1 << 20).ends_with("bytes; Skep allows 65536"), "{:.200}", text(1 << 20));
    }

    /// An authority that differs from those of other names in all it has.
    fn authority(name: &str) -> Authority {
        let hidden = |what: &str| Hidden(format!("{what} of {name}"));
        Authority {
            certificate_pem: format!("root of {name}"),
            key_pem: hidden("key"),
            subject: name.as_bytes().to_vec(),
            public_key: name.as_bytes().to_vec(),
            worker_token: hidden("worker"),
            manager_token: hidden("manager"),
        }
    }

    fn write(
        store: &mut Store,
        request: impl FnOnce(&mut Draft) -> Result<Reply, Refusal>,
    ) -> Result<(), Refusal> {
        let mut draft = Draft::new(store, Timestamp(1));
        request(&mut draft)?;
        let changes = draft.finish();
        store.apply(store.index() + 1, &changes);
        Ok(())
    }

    fn cluster_of(name: &str) -> Store {
        let mut store = Store::default();
        let new = NewCluster {
            id: ClusterId::from_number(1),
            spec: ClusterSpec::default(),
            authority: authority(name),
            address_pools: Vec::new(),
            subnet_size: 24,
            data_path_port: 4789,
            node_id: NodeId::from_number(1),
            node: NodeSpec::default(),
            description: NodeDescription::default(),
            node_addr: String::new(),
            manager_addr: String::new(),
        };
        write(&mut store, |draft| init(draft, new)).expect("a cluster");
        store
    }

    #[test]
    fn a_root_is_rotated_in_one_write_with_its_tokens() {
        let mut store = cluster_of("old");
        let version = store.cluster().expect("a cluster").meta.version;
        let wish = || ClusterSpec { force_rotate: 1, ..ClusterSpec::default() };
        let nothing = Rotation::default();
        let refused = write(&mut store, |draft| update(draft, version, wish(), nothing)).unwrap_err();
        assert_eq!(refused.message, "no new root came with the wish to rotate it");
        let new = || Rotation { authority: Some(authority("new")), ..Rotation::default() };
        let refused = write(&mut store, |draft| update(draft, version + 1, wish(), new())).unwrap_err();
        assert_eq!(refused.message, "update out of sequence");
        assert_eq!(
            store.cluster().expect("a cluster").authority,
            authority("old"),
            "a refusal writes nothing"
        );

        write(&mut store, |draft| update(draft, version, wish(), new())).expect("it is written");
        let cluster = store.cluster().expect("a cluster").clone();
        assert_eq!((&cluster.authority, cluster.spec.force_rotate), (&authority("new"), 1));
        // The same number again is no other wish.
        let version = cluster.meta.version;
        let another = Hidden("another".to_owned());
        let token = Rotation { worker_token: Some(another.clone()), ..Rotation::default() };
        write(&mut store, |draft| update(draft, version, wish(), token)).expect("it is written");
        let expected = Authority { worker_token: another, ..authority("new") };
        assert_eq!(store.cluster().expect("a cluster").authority, expected);
    }

    #[test]
    fn labels_that_an_earlier_version_took_are_in_nobodys_way() {
        let labels = |pairs: &[(&str, &str)]| ClusterSpec {
            labels: pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            ..ClusterSpec::default()
        };
        let old = labels(&[("skep.strategi", "binpack")]);
        assert!(check_spec(&old, None).is_err());
        let other = ClusterSpec { task_history_limit: 9, ..old.clone() };
        assert!(check_spec(&other, Some(&old)).is_ok());
        let relabelled =
            labels(&[("skep.strategi", "binpack"), ("owner", "me"), ("skep.strategy", "spread")]);
        assert!(check_spec(&relabelled, Some(&old)).is_ok());
        assert!(check_spec(&labels(&[("skep.strategi", "spread")]), Some(&old)).is_err());
    }
}
