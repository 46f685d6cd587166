//! Storage in memory, for the simulator and for tests of a member without a disk.
//!
//! A clone is the same storage, as a disk is the same disk to whoever opens it next: drop a member,
//! open another one on a clone, and it finds exactly what had been written.

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use raft::eraftpb::Entry;

use super::{Batch, Bootstrap, Loaded, Record, SnapshotMeta, Storage, StoreError, entries_within};
use crate::MemberId;

/// Stable storage that lasts as long as the process.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Mutex<Contents>>);

#[derive(Debug)]
struct Contents {
    loaded: Loaded,
    snapshots: Vec<(u64, Bytes)>,
    writes: u64,
}

impl Memory {
    /// Returns the storage of a fresh member.
    #[must_use]
    pub fn new(member_id: MemberId, bootstrap: Bootstrap) -> Self {
        let (hard_state, base) = bootstrap.initial(member_id);
        let loaded = Loaded { hard_state, base, entries: Vec::new() };
        Self(Arc::new(Mutex::new(Contents { loaded, snapshots: Vec::new(), writes: 0 })))
    }

    /// Returns how many transactions were written: on a disk, how many times it was synced.
    #[must_use]
    pub fn write_count(&self) -> u64 {
        self.contents().writes
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().expect("no code panics while it holds the contents")
    }
}

impl Storage for Memory {
    fn load(&self) -> Result<Loaded, StoreError> {
        Ok(self.contents().loaded.clone())
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), StoreError> {
        let mut contents = self.contents();
        contents.writes += 1;
        if let Some(hard_state) = batch.hard_state {
            contents.loaded.hard_state = hard_state.clone();
        }
        if batch.reset {
            contents.loaded.entries.clear();
        }
        if let Some(base) = batch.base {
            contents.loaded.base = base.clone();
            contents.loaded.entries.retain(|entry| entry.index > base.truncated.index);
            contents.snapshots.retain(|(index, _)| *index >= base.snapshot.position.index);
        }
        if let Some(first) = batch.entries.first() {
            contents.loaded.entries.retain(|entry| entry.index < first.index);
            contents.loaded.entries.extend_from_slice(batch.entries);
        }
        Ok(())
    }

    fn entries(&self, low: u64, high: u64, bytes_max: u64) -> Result<Vec<Entry>, StoreError> {
        let contents = self.contents();
        let held = &contents.loaded.entries;
        let missing = StoreError::Missing { record: Record::Entry(low) };
        let Some(start) = held.iter().position(|entry| entry.index == low) else { return Err(missing) };
        let wanted: Vec<_> = held[start..].iter().take_while(|entry| entry.index < high).cloned().collect();
        let fitting = entries_within(&wanted, bytes_max);
        Ok(wanted.into_iter().take(fitting).collect())
    }

    fn save_snapshot(&mut self, meta: &SnapshotMeta, data: &[u8]) -> Result<(), StoreError> {
        let index = meta.position.index;
        let mut contents = self.contents();
        contents.snapshots.retain(|(held, _)| *held != index);
        contents.snapshots.push((index, Bytes::copy_from_slice(data)));
        Ok(())
    }

    fn read_snapshot(&self, meta: &SnapshotMeta) -> Result<Bytes, StoreError> {
        let index = meta.position.index;
        let contents = self.contents();
        let found = contents.snapshots.iter().find(|(held, _)| *held == index);
        found.map(|(_, data)| data.clone()).ok_or(StoreError::Missing { record: Record::Snapshot(index) })
    }
}
