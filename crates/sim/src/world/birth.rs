//! The cluster at its birth, as `swarm init` and `join` would have written it.

use skep_core::{Change, ChangeSet};
use skep_model::Cluster;
use skep_model::cluster::ClusterSpec;

use super::World;
use crate::Broken;

impl World<'_> {
    /// Writes the cluster and its nodes.
    pub(super) fn be_born(&mut self) -> Result<(), Broken> {
        let dice = &mut self.fault_dice;
        let cluster = Cluster {
            id: dice.id(),
            spec: ClusterSpec { task_history_limit: dice.pick(&[0, 1, 2, 5]), ..ClusterSpec::default() },
            ..skep_testing::cluster()
        };
        let nodes = self.machines.keys().map(|id| Change::PutNode(skep_testing::node(*id).into()));
        let changes: ChangeSet = std::iter::once(Change::PutCluster(cluster.into())).chain(nodes).collect();
        self.write(changes)
    }
}
