//! The cluster at its birth, as `swarm init` and `join` would have written it.

use skep_core::{Change, ChangeSet};
use skep_model::cluster::{Authority, ClusterSpec, Hidden};
use skep_model::{Cluster, Meta};

use super::{World, machines};
use crate::Broken;

impl World<'_> {
    /// Writes the cluster and its nodes.
    pub(super) fn be_born(&mut self) -> Result<(), Broken> {
        let dice = &mut self.fault_dice;
        let hidden = || Hidden(String::new());
        let cluster = Cluster {
            id: dice.id(),
            meta: Meta::default(),
            spec: ClusterSpec { task_history_limit: dice.pick(&[0, 1, 2, 5]), ..ClusterSpec::default() },
            authority: Authority {
                certificate_pem: String::new(),
                key_pem: hidden(),
                subject: Vec::new(),
                public_key: Vec::new(),
                worker_token: hidden(),
                manager_token: hidden(),
            },
            address_pools: Vec::new(),
            subnet_size: 24,
            data_path_port: 4789,
        };
        let nodes = self.machines.keys().map(|id| Change::PutNode(machines::record(*id).into()));
        let changes: ChangeSet = std::iter::once(Change::PutCluster(cluster.into())).chain(nodes).collect();
        self.write(changes)
    }
}
