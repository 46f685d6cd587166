//! Snapshots, one sealed file each: `snapshot-<index>`.
//!
//! A file is written aside, synced, renamed, and its directory synced; only then does the log name it
//! in its base, and only after that is the one before removed. Whatever is interrupted, the base names
//! a whole file; leftovers are removed at the next start. Values of this type are cheap to clone and may
//! write from another thread while consensus goes on.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::{Record, SnapshotMeta, StoreError};
use crate::limits::SNAPSHOT_BYTES_MAX;
use crate::seal::{Kind, Sealer};

const PREFIX: &str = "snapshot-";
const ASIDE: &str = ".partial";

/// What a sealed file is larger than its contents, generously.
const SEAL_OVERHEAD_MAX: u64 = 1 << 10;

/// The directory that holds the snapshots of one log.
#[derive(Clone)]
pub(crate) struct SnapshotDir {
    dir: PathBuf,
    sealer: Sealer,
}

impl SnapshotDir {
    pub(crate) fn new(dir: PathBuf, sealer: Sealer) -> Self {
        Self { dir, sealer }
    }

    /// Stores a snapshot, durable on return. Does not make it current.
    pub(crate) fn write(&self, meta: &SnapshotMeta, data: &[u8]) -> Result<(), StoreError> {
        let index = meta.position.index;
        let record = self
            .sealer
            .seal(Kind::Snapshot, index, data)
            .map_err(|source| StoreError::Seal { record: Record::Snapshot(index), source })?;
        let path = self.path(index);
        let aside = self.dir.join(format!("{PREFIX}{index}{ASIDE}"));
        if let Err(error) = write_synced(&aside, &record) {
            // On a full disk, half a snapshot would keep it full until the next start.
            if let Err(error) = fs::remove_file(&aside) {
                tracing::warn!(error = &error as &dyn std::error::Error, "unfinished snapshot not removed");
            }
            return Err(failed("write", &aside)(error));
        }
        fs::rename(&aside, &path).map_err(failed("rename into place", &path))?;
        sync_dir(&self.dir).map_err(failed("sync", &self.dir))
    }

    /// Reads the data of a snapshot back.
    pub(crate) fn read(&self, meta: &SnapshotMeta) -> Result<Bytes, StoreError> {
        let index = meta.position.index;
        let path = self.path(index);
        let record = match read_bounded(&path) {
            Ok(record) => record,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Missing { record: Record::Snapshot(index) });
            }
            Err(error) => return Err(failed("read", &path)(error)),
        };
        let data = self.sealer.open(Kind::Snapshot, index, record);
        data.map(Bytes::from).map_err(|source| StoreError::Unseal { record: Record::Snapshot(index), source })
    }

    /// Removes the snapshots that `stale` chooses, by the index in their name; `None` stands for a file
    /// that was never finished.
    pub(crate) fn remove(&self, stale: impl Fn(Option<u64>) -> bool) -> Result<(), StoreError> {
        for file in fs::read_dir(&self.dir).map_err(failed("list", &self.dir))? {
            let file = file.map_err(failed("list", &self.dir))?;
            let name = file.file_name();
            let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
            let index = rest.parse().ok();
            if (index.is_some() || rest.ends_with(ASIDE)) && stale(index) {
                fs::remove_file(file.path()).map_err(failed("remove", &file.path()))?;
            }
        }
        Ok(())
    }

    fn path(&self, index: u64) -> PathBuf {
        self.dir.join(format!("{PREFIX}{index}"))
    }
}

/// Makes `dir` and its parents, readable by nobody else.
pub(crate) fn create_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Makes the names in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let size_max = SNAPSHOT_BYTES_MAX as u64 + SEAL_OVERHEAD_MAX;
    let size = file.metadata()?.len();
    if size > size_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{size} bytes, at most {size_max}")));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).expect("checked against a smaller bound"));
    file.take(size_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::Snapshot { operation, path: path.to_owned(), source }
}
