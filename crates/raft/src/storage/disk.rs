//! Storage on disk: one `redb` file for the log, one sealed file per snapshot.
//!
//! A batch is one redb transaction of immediate durability, which costs one sync. redb's own checksums
//! make a torn transaction vanish whole; the seal on every record proves that the rest is what this
//! member wrote. The header is the only record in clear: it names the format, the key and the member.

use std::fs::OpenOptions;
use std::ops::RangeInclusive;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use raft::eraftpb::{Entry, HardState};
use redb::backends::FileBackend;
use redb::{
    Builder, Database, DatabaseError, Durability, ReadTransaction, ReadableDatabase, ReadableTable,
    TableDefinition, WriteTransaction,
};

use super::snapshot_file::{SnapshotDir, create_dir, sync_dir};
use super::{
    Base, Batch, Bootstrap, Loaded, OpenError, Record, SnapshotMeta, Storage, StoreError, entry_bytes,
};
use crate::MemberId;
use crate::limits::STORE_CACHE_BYTES;
use crate::record;
use crate::seal::{FORMAT_VERSION, Kind, SealKey, Sealer};

const FILE: &str = "log.redb";
const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
const HEADER: &str = "header";
const HARD_STATE: &str = "hard state";
const BASE: &str = "base";

/// Stable storage in a directory. redb's lock on its file keeps a second opener out.
pub struct Disk {
    database: Database,
    sealer: Sealer,
    snapshots: SnapshotDir,
}

impl Disk {
    /// Opens the storage in `dir`, or makes it as that of a fresh member. Blocks on the disk.
    ///
    /// # Errors
    /// When the directory is in use, damaged, or written by another release, member or key.
    pub fn open(
        dir: &Path,
        member_id: MemberId,
        key: &SealKey,
        bootstrap: Bootstrap,
    ) -> Result<Self, OpenError> {
        let directory_error = |source| OpenError::Directory { dir: dir.to_owned(), source };
        // An empty file is what a crash of the disk leaves of a lost log, and no log either.
        let is_missing = std::fs::metadata(dir.join(FILE)).map_or(true, |found| found.len() == 0);
        if bootstrap == Bootstrap::Refuse && is_missing {
            return Err(OpenError::Missing { dir: dir.to_owned() });
        }
        create_dir(dir).map_err(directory_error)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join(FILE))
            .map_err(directory_error)?;
        // Without the check redb trusts its file and may panic on one that was altered.
        let database = FileBackend::new(file)
            .and_then(|backend| {
                Builder::new()
                    .set_cache_size(STORE_CACHE_BYTES)
                    .set_check_integrity_on_open(true)
                    .create_with_backend(backend)
            })
            .map_err(|error| database_error(dir, error))?;
        let sealer = Sealer::new(key);
        let snapshots = SnapshotDir::new(dir.to_owned(), sealer.clone());
        let disk = Self { database, sealer, snapshots };
        let store_error = |source| OpenError::from_store(dir, source);
        match disk.read_header().map_err(store_error)? {
            Some(header) => header.check(dir, member_id, &disk.sealer)?,
            None if bootstrap == Bootstrap::Refuse => return Err(OpenError::Missing { dir: dir.to_owned() }),
            None => {
                disk.initialise(member_id, bootstrap).map_err(store_error)?;
                sync_dir(dir).map_err(directory_error)?;
            }
        }
        Ok(disk)
    }

    /// Returns the snapshots, to be written from another thread.
    pub(crate) fn snapshots(&self) -> SnapshotDir {
        self.snapshots.clone()
    }

    fn initialise(&self, member_id: MemberId, bootstrap: Bootstrap) -> Result<(), StoreError> {
        let (hard_state, base) = bootstrap.initial(member_id);
        let header = Header { version: FORMAT_VERSION, key_id: self.sealer.key_id(), member_id };
        let tx = self.begin_write()?;
        tx.open_table(ENTRIES).map_err(StoreError::write)?;
        let mut meta = tx.open_table(META).map_err(StoreError::write)?;
        meta.insert(HEADER, header.encode().as_slice()).map_err(StoreError::write)?;
        drop(meta);
        self.put_hard_state(&tx, &hard_state)?;
        self.put_base(&tx, &base)?;
        tx.commit().map_err(StoreError::write)
    }

    fn begin_write(&self) -> Result<WriteTransaction, StoreError> {
        let mut tx = self.database.begin_write().map_err(StoreError::write)?;
        tx.set_durability(Durability::Immediate).map_err(StoreError::write)?;
        Ok(tx)
    }

    fn put_hard_state(&self, tx: &WriteTransaction, hard_state: &HardState) -> Result<(), StoreError> {
        let plain = record::encode_hard_state(hard_state);
        self.put_meta(tx, HARD_STATE, (Record::HardState, Kind::HardState), &plain)
    }

    fn put_base(&self, tx: &WriteTransaction, base: &Base) -> Result<(), StoreError> {
        self.put_meta(tx, BASE, (Record::Base, Kind::Base), &record::encode_base(base))
    }

    fn put_meta(
        &self,
        tx: &WriteTransaction,
        key: &str,
        (record, kind): (Record, Kind),
        plain: &[u8],
    ) -> Result<(), StoreError> {
        let sealed =
            self.sealer.seal(kind, 0, plain).map_err(|source| StoreError::Seal { record, source })?;
        let mut meta = tx.open_table(META).map_err(StoreError::write)?;
        meta.insert(key, sealed.as_slice()).map_err(StoreError::write)?;
        Ok(())
    }

    fn put_entries(&self, tx: &WriteTransaction, entries: &[Entry]) -> Result<(), StoreError> {
        let mut table = tx.open_table(ENTRIES).map_err(StoreError::write)?;
        for entry in entries {
            let record = Record::Entry(entry.index);
            let sealed = self
                .sealer
                .seal(Kind::Entry, entry.index, &record::encode_entry(entry))
                .map_err(|source| StoreError::Seal { record, source })?;
            table.insert(entry.index, sealed.as_slice()).map_err(StoreError::write)?;
        }
        Ok(())
    }

    fn read_header(&self) -> Result<Option<Header>, StoreError> {
        let tx = begin_read(&self.database, Record::Header)?;
        match get_meta(&tx, HEADER, Record::Header)? {
            None => Ok(None),
            Some(bytes) => {
                let malformed = StoreError::Malformed { record: Record::Header };
                Header::decode(&bytes).map(Some).ok_or(malformed)
            }
        }
    }

    fn open_meta(&self, tx: &ReadTransaction, key: &str, record: Record) -> Result<Vec<u8>, StoreError> {
        let kind = if record == Record::Base { Kind::Base } else { Kind::HardState };
        let sealed = get_meta(tx, key, record)?.ok_or(StoreError::Missing { record })?;
        self.sealer.open(kind, 0, sealed).map_err(|source| StoreError::Unseal { record, source })
    }

    /// Reads entries of `range` that exist, without a gap, up to `bytes_max` but at least one.
    fn read_entries(
        &self,
        tx: &ReadTransaction,
        range: RangeInclusive<u64>,
        bytes_max: u64,
    ) -> Result<Vec<Entry>, StoreError> {
        let first = Record::Entry(*range.start());
        let table = tx.open_table(ENTRIES).map_err(|error| StoreError::read(first, error))?;
        let rows = table.range(range.clone()).map_err(|error| StoreError::read(first, error))?;
        let (mut entries, mut total) = (Vec::new(), 0u64);
        for (expected, row) in range.zip(rows) {
            let record = Record::Entry(expected);
            let (index, sealed) = row.map_err(|error| StoreError::read(record, error))?;
            if index.value() != expected {
                return Err(StoreError::Missing { record });
            }
            let entry = self.open_entry(expected, sealed.value())?;
            total = total.saturating_add(entry_bytes(&entry) as u64);
            if total > bytes_max && !entries.is_empty() {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    fn open_entry(&self, index: u64, sealed: &[u8]) -> Result<Entry, StoreError> {
        let record = Record::Entry(index);
        let plain = self
            .sealer
            .open(Kind::Entry, index, sealed.to_vec())
            .map_err(|source| StoreError::Unseal { record, source })?;
        record::decode_entry(index, plain).map_err(|_| StoreError::Malformed { record })
    }
}

impl Storage for Disk {
    fn load(&self) -> Result<Loaded, StoreError> {
        let tx = begin_read(&self.database, Record::Base)?;
        let base = record::decode_base(&self.open_meta(&tx, BASE, Record::Base)?)
            .map_err(|_| StoreError::Malformed { record: Record::Base })?;
        let hard_state = record::decode_hard_state(&self.open_meta(&tx, HARD_STATE, Record::HardState)?)
            .map_err(|_| StoreError::Malformed { record: Record::HardState })?;
        let entries = self.read_entries(&tx, base.truncated.index + 1..=u64::MAX, u64::MAX)?;
        let current = base.snapshot.position.index;
        self.snapshots.remove(|index| index != Some(current))?;
        Ok(Loaded { hard_state, base, entries })
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), StoreError> {
        let tx = self.begin_write()?;
        if batch.reset {
            remove_entries(&tx, 0..=u64::MAX)?;
        }
        if let Some(base) = batch.base {
            remove_entries(&tx, 0..=base.truncated.index)?;
            self.put_base(&tx, base)?;
        }
        if let Some(first) = batch.entries.first() {
            remove_entries(&tx, first.index..=u64::MAX)?;
            self.put_entries(&tx, batch.entries)?;
        }
        if let Some(hard_state) = batch.hard_state {
            self.put_hard_state(&tx, hard_state)?;
        }
        tx.commit().map_err(StoreError::write)?;
        if let Some(base) = batch.base {
            self.remove_older_snapshots(base.snapshot.position.index);
        }
        Ok(())
    }

    fn entries(&self, low: u64, high: u64, bytes_max: u64) -> Result<Vec<Entry>, StoreError> {
        let record = Record::Entry(low);
        let tx = begin_read(&self.database, record)?;
        let entries = self.read_entries(&tx, low..=high.saturating_sub(1), bytes_max)?;
        if entries.is_empty() { Err(StoreError::Missing { record }) } else { Ok(entries) }
    }

    fn save_snapshot(&mut self, meta: &SnapshotMeta, data: &[u8]) -> Result<(), StoreError> {
        self.snapshots.write(meta, data)
    }

    fn read_snapshot(&self, meta: &SnapshotMeta) -> Result<Bytes, StoreError> {
        self.snapshots.read(meta)
    }
}

impl Disk {
    /// A file that stays costs space until the next start removes it, which is no reason to stop.
    fn remove_older_snapshots(&self, current: u64) {
        if let Err(error) = self.snapshots.remove(|index| index.is_some_and(|index| index < current)) {
            tracing::warn!(error = &error as &dyn std::error::Error, "old snapshot not removed");
        }
    }
}

/// The record in clear that says how to read the others.
struct Header {
    version: u8,
    key_id: [u8; 4],
    member_id: MemberId,
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![self.version];
        bytes.extend_from_slice(&self.key_id);
        bytes.extend_from_slice(&self.member_id.to_le_bytes());
        bytes
    }

    /// Reads as much as the version allows: only its place is the same in every version.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&version, rest) = bytes.split_first()?;
        if version != FORMAT_VERSION {
            return Some(Self { version, key_id: [0; 4], member_id: 0 });
        }
        let (key_id, rest) = rest.split_first_chunk()?;
        let member_id = MemberId::from_le_bytes(rest.try_into().ok()?);
        Some(Self { version, key_id: *key_id, member_id })
    }

    fn check(&self, dir: &Path, configured: MemberId, sealer: &Sealer) -> Result<(), OpenError> {
        let dir = PathBuf::from(dir);
        if self.version != FORMAT_VERSION {
            return Err(OpenError::Version { dir, found: self.version, supported: FORMAT_VERSION });
        }
        if self.key_id != sealer.key_id() {
            return Err(OpenError::Sealed { dir });
        }
        if self.member_id != configured {
            return Err(OpenError::OtherMember { dir, found: self.member_id, configured });
        }
        Ok(())
    }
}

fn database_error(dir: &Path, error: DatabaseError) -> OpenError {
    let dir = dir.to_owned();
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => OpenError::Locked { dir },
        DatabaseError::Storage(error @ redb::StorageError::Corrupted(_)) => {
            OpenError::Damaged { dir, source: StoreError::read(Record::Header, error) }
        }
        error => OpenError::Database { dir, source: Box::new(error.into()) },
    }
}

fn begin_read(database: &Database, record: Record) -> Result<ReadTransaction, StoreError> {
    database.begin_read().map_err(|error| StoreError::read(record, error))
}

/// Reads a record of the meta table; a store that was just made has neither.
fn get_meta(tx: &ReadTransaction, key: &str, record: Record) -> Result<Option<Vec<u8>>, StoreError> {
    let table = match tx.open_table(META) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(StoreError::read(record, error)),
    };
    let value = table.get(key).map_err(|error| StoreError::read(record, error))?;
    Ok(value.map(|value| value.value().to_vec()))
}

fn remove_entries(tx: &WriteTransaction, range: RangeInclusive<u64>) -> Result<(), StoreError> {
    let mut table = tx.open_table(ENTRIES).map_err(StoreError::write)?;
    let newest = table.last().map_err(StoreError::write)?.map(|(index, _)| index.value());
    // The common case, appending at the end, has nothing to remove and must not pay for looking.
    if newest.is_none_or(|newest| newest < *range.start()) {
        return Ok(());
    }
    table.retain_in(range, |_, _| false).map_err(StoreError::write)
}
