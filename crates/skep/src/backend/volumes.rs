//! Volumes of this node.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use skep_api::server::backend::Volumes;
use skep_api::server::facts::{Fault, NewVolume, PruneFilter, Pruned, VolumeFacts};

use super::{Daemon, later};

impl Volumes for Daemon {
    fn volumes(&self) -> BoxFuture<'_, Result<Vec<VolumeFacts>, Fault>> {
        std::future::ready(Ok(Vec::new())).boxed()
    }
    fn volume<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<VolumeFacts, Fault>> {
        std::future::ready(Err(later("working with volumes"))).boxed()
    }
    fn create_volume(&self, _: NewVolume) -> BoxFuture<'_, Result<VolumeFacts, Fault>> {
        std::future::ready(Err(later("working with volumes"))).boxed()
    }
    fn remove_volume<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        std::future::ready(Err(later("working with volumes"))).boxed()
    }
    fn prune_volumes(&self, _: PruneFilter) -> BoxFuture<'_, Result<Pruned<String>, Fault>> {
        std::future::ready(Err(later("working with volumes"))).boxed()
    }
    fn volume_sizes(&self) -> BoxFuture<'_, Result<BTreeMap<String, i64>, Fault>> {
        std::future::ready(Ok(BTreeMap::new())).boxed()
    }
}
