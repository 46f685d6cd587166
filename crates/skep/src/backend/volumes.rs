//! Volumes of this node.

use std::collections::BTreeMap;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use skep_agent::chain;
use skep_agent::volume::{self, Volume, VolumeError};
use skep_api::server::backend::Volumes;
use skep_api::server::facts::{Fault, FaultClass, NewVolume, PruneFilter, Pruned, VolumeFacts};

use super::{Daemon, files};

impl Volumes for Daemon {
    fn volumes(&self) -> BoxFuture<'_, Result<Vec<VolumeFacts>, Fault>> {
        let listed = self.engine.volumes().list().map_err(fault);
        let listed = listed.map(|volumes| volumes.into_iter().map(facts).collect());
        std::future::ready(listed).boxed()
    }

    fn volume<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<VolumeFacts, Fault>> {
        std::future::ready(self.engine.volumes().find(name).map(facts).map_err(fault)).boxed()
    }

    fn create_volume(&self, new: NewVolume) -> BoxFuture<'_, Result<VolumeFacts, Fault>> {
        let NewVolume { name, driver, options, labels } = new;
        let new = volume::NewVolume { name, driver, options, labels };
        async move { self.engine.volumes().create(new).await.map(facts).map_err(fault) }.boxed()
    }

    fn remove_volume<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Fault>> {
        async move { self.engine.volumes().remove(name).await.map_err(fault) }.boxed()
    }

    fn prune_volumes(&self, filter: PruneFilter) -> BoxFuture<'_, Result<Pruned<String>, Fault>> {
        async move {
            let takes = |volume: &Volume| filter.takes(&volume.labels, volume.created_at);
            let pruned = self.engine.volumes().prune(filter.all, takes).await;
            let (removed, reclaimed) = pruned.map_err(fault)?;
            Ok(Pruned { removed, reclaimed })
        }
        .boxed()
    }

    fn volume_sizes(&self) -> BoxFuture<'_, Result<BTreeMap<String, i64>, Fault>> {
        async {
            let sizes = self.engine.volumes().sizes().await.map_err(fault)?;
            Ok(sizes.into_iter().map(|(name, size)| (name, files::bytes(size))).collect())
        }
        .boxed()
    }
}

fn facts(volume: Volume) -> VolumeFacts {
    let Volume { name, options, labels, created_at, mountpoint, used_by } = volume;
    let mountpoint = mountpoint.display().to_string();
    VolumeFacts { driver: volume::DRIVER.to_owned(), name, options, labels, mountpoint, created_at, used_by }
}

fn fault(error: VolumeError) -> Fault {
    let class = match &error {
        VolumeError::NotFound { .. } => FaultClass::NotFound,
        VolumeError::InUse { .. } => FaultClass::Conflict,
        VolumeError::ShortName { .. }
        | VolumeError::Name { .. }
        | VolumeError::Option { .. }
        | VolumeError::MissingOption { .. }
        | VolumeError::Quota { .. } => FaultClass::Invalid,
        // Compat: a driver that is not there is an object that is not there.
        VolumeError::Driver { .. } => FaultClass::NotFound,
        VolumeError::Damaged { .. }
        | VolumeError::Storage { .. }
        | VolumeError::Mount { .. }
        | VolumeError::Address { .. }
        | VolumeError::Fill { .. } => FaultClass::Failed,
    };
    Fault::new(class, chain(&error))
}
