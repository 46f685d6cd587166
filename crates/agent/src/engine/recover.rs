//! After a start of the daemon: which containers still are, and what is left of those that are not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use skep_core::worker::Found;
use skep_model::{TaskId, Timestamp};
use skep_runtime::Adopted;

use super::life::Life;
use super::{Engine, EngineError, Known, chain};
use crate::record::ContainerRecord;

impl Engine {
    /// Adopts the containers that have a record; clears away everything else.
    pub(super) async fn recover(&self) -> Result<(), EngineError> {
        let records = self.records.containers()?;
        let mut by_container: BTreeMap<String, ContainerRecord> =
            records.into_iter().map(|record| (record.container_id.clone(), record)).collect();
        for adopted in self.runtime.adopt().await? {
            match by_container.remove(&adopted.id) {
                Some(record) => self.adopt(record, adopted),
                None => discard(adopted).await,
            }
        }
        // A record without a container is from a preparation that the end of the daemon cut off.
        for record in by_container.into_values() {
            self.hold_volumes(&record);
            self.release_volumes(&record.container_id).await?;
            self.records.delete_container(record.task_id).await?;
            super::remove_dir(&self.task_dir(record.task_id))?;
        }
        self.sweep_files()?;
        self.reopen_ports().await;
        self.detach_strangers().await
    }

    fn hold_volumes(&self, record: &ContainerRecord) {
        for mount in record.mounts.iter().filter(|mount| !mount.volume.is_empty()) {
            self.volumes.hold(&mount.volume, &record.container_id);
        }
    }

    fn adopt(&self, record: ContainerRecord, adopted: Adopted) {
        self.hold_volumes(&record);
        let life = Life::of(&adopted.state, record.address);
        if let Some(address) = life.address {
            let mut pool = self.pool();
            if let Err(error) = pool.reserve(address) {
                tracing::warn!(task.id = %record.task_id, %error, "an adopted container keeps its address");
            }
            pool.resume_after(address);
        }
        let life = Arc::new(Mutex::new(life));
        let known = Known { handle: adopted.handle, record: Arc::new(record), life };
        self.set_known(known.record.task_id, Some(known));
    }

    /// Removes the files of tasks that have no container.
    fn sweep_files(&self) -> Result<(), EngineError> {
        let dir = self.config.data_root.join("tasks");
        let kept: BTreeSet<String> =
            self.known().values().map(|known| known.record.container_id.clone()).collect();
        let read = |source| EngineError::Directory { path: dir.clone(), source };
        for entry in std::fs::read_dir(&dir).map_err(read)? {
            let entry = entry.map_err(read)?;
            if !kept.contains(entry.file_name().to_string_lossy().as_ref()) {
                super::remove_dir(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes namespaces that belong to no living container.
    async fn detach_strangers(&self) -> Result<(), EngineError> {
        for found in self.network.attachments().await? {
            let id = found.id.parse::<TaskId>();
            let is_held = |id: TaskId| self.find(id).is_ok_and(|known| known.life().address.is_some());
            if !id.is_ok_and(is_held) {
                self.network.detach(&found.id).await?;
            }
        }
        Ok(())
    }

    /// Returns what the worker must know of the containers that outlived the agent.
    pub fn found(&self) -> Vec<(TaskId, Found)> {
        let found = |known: &Known| {
            let record = &known.record;
            let container_id = record.container_id.clone();
            let image_health = record.image_health.clone();
            (record.task_id, Found { container_id, image_health, state: known.life().state(&record.ports) })
        };
        self.known().values().map(found).collect()
    }
}

/// Removes a container that nobody remembers: its removal was cut off by the end of the daemon.
async fn discard(adopted: Adopted) {
    if let Err(error) = adopted.handle.delete().await {
        tracing::warn!(container.id = %adopted.id, error = %chain(&error), "cannot remove a leftover container");
    }
}

pub(crate) fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
