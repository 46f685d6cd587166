//! Unpacked layers on disk, by chain id.
//!
//! Decides when a layer exists: `layers/<chain>` appears by one rename, complete, with its files in `fs`. It is *fresh*
//! until all of it has reached the disk, which is awaited once for many layers, and then their total is written to `size`.
//! A directory without that may have lost content to a power cut: the next start removes it, like everything under `tmp`.
//! Before an image is known its layers are settled ([`Layers::settle`]). The compressed archive stays in `blobs`:
//! containers need it no more, but `image save` does.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::blobs::{Temp, Temps, list_digests};
use super::digest::Digest;
use super::error::PullError;
use super::progress::Meter;
use super::sync::lock;
use super::unpack::{Job, UnpackError, remove_tree, unpack};

/// Fresh bytes beyond which is not waited for the end of a pull: so much may be unpacked again after a crash.
const FRESH_LEN_MAX: u64 = 1 << 30;

pub(super) struct Layers {
    dir: PathBuf,
    /// The layers that a crash could still spoil, with their sizes.
    fresh: Mutex<BTreeMap<Digest, u64>>,
}

/// A layer to unpack.
pub(super) struct Install {
    /// The name of the stack that this layer completes.
    pub chain: Digest,
    /// The chains of the stacks below, bottom first.
    pub parents: Vec<Digest>,
    pub diff_id: Digest,
    /// The digest of the compressed archive, for messages.
    pub digest: Digest,
    /// Where the compressed archive is.
    pub blob: PathBuf,
    pub cancelled: Arc<AtomicBool>,
    pub meter: Arc<Meter>,
}

impl Layers {
    pub fn open(root: &Path) -> io::Result<Self> {
        let dir = root.join("layers");
        // Images contain setuid programs; nobody but root may reach them outside of containers.
        DirBuilder::new().mode(0o700).recursive(true).create(&dir)?;
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            let is_layer = path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| Digest::from_hex(name).is_ok());
            if is_layer && read_size(&path.join(SIZE)).is_err() {
                remove_tree(&path)?;
            }
        }
        Ok(Self { dir, fresh: Mutex::default() })
    }

    /// Returns the directory that overlayfs stacks.
    pub fn path(&self, chain: Digest) -> PathBuf {
        self.dir.join(chain.hex()).join("fs")
    }

    pub fn exists(&self, chain: Digest) -> bool {
        self.path(chain).is_dir()
    }

    /// Returns the bytes that the files of one layer take, without those below.
    pub fn size(&self, chain: Digest) -> Result<u64, PullError> {
        if let Some(size) = lock(&self.fresh).get(&chain) {
            return Ok(*size);
        }
        let path = self.dir.join(chain.hex()).join(SIZE);
        read_size(&path).map_err(PullError::storage("read", &path))
    }

    /// Unpacks a layer and makes it visible. Blocks for as long as that takes.
    pub fn install(&self, temps: &Temps, install: Install) -> Result<(), PullError> {
        let Install { chain, parents, diff_id, digest, blob, cancelled, meter } = install;
        let workspace = temps.dir()?;
        let job = Job {
            blob,
            diff_id,
            parents: parents.iter().rev().map(|parent| self.path(*parent)).collect(),
            workspace: workspace.path().to_owned(),
            cancelled,
            meter,
        };
        let size = unpack(&job).map_err(|error| unpack_failed(error, digest, &job.workspace))?;
        clear(&job.workspace)?;
        match self.publish(workspace, chain, size)? > FRESH_LEN_MAX {
            true => self.settle(),
            false => Ok(()),
        }
    }

    /// Makes a layer visible; returns how many bytes are fresh.
    fn publish(&self, workspace: Temp, chain: Digest, size: u64) -> Result<u64, PullError> {
        let target = self.dir.join(chain.hex());
        // Whoever sees the directory finds its size.
        let mut fresh = lock(&self.fresh);
        match fs::rename(workspace.path(), &target) {
            Ok(()) => drop(fresh.insert(chain, size)),
            // A cancelled pull of the same layer was faster after all; the contents are equal by digest.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            Err(error) => return Err(PullError::storage("create", &target)(error)),
        }
        Ok(fresh.values().sum())
    }

    /// Waits until every layer is on disk, and notes that there. Whoever comes meanwhile waits for the same.
    pub fn settle(&self) -> Result<(), PullError> {
        let mut fresh = lock(&self.fresh);
        if fresh.is_empty() {
            return Ok(());
        }
        let failed = || PullError::storage("sync", &self.dir);
        let dir = File::open(&self.dir).map_err(failed())?;
        // One sync of the whole filesystem is far cheaper than one per file.
        let sync = || rustix::fs::syncfs(&dir).map_err(|errno| failed()(errno.into()));
        sync()?;
        for (chain, size) in &*fresh {
            let path = self.dir.join(chain.hex()).join(SIZE);
            fs::write(&path, format!("{size}\n")).map_err(PullError::storage("write", &path))?;
        }
        sync()?;
        fresh.clear();
        Ok(())
    }

    /// Makes a layer invisible at once; dropping the result deletes it, which may take long.
    pub fn retire(&self, temps: &Temps, chain: Digest) -> Result<Temp, PullError> {
        let (path, temp) = (self.dir.join(chain.hex()), temps.file());
        lock(&self.fresh).remove(&chain);
        fs::rename(&path, temp.path()).map_err(PullError::storage("remove", &path))?;
        Ok(temp)
    }

    /// Returns the chain ids of everything there is.
    pub fn list(&self) -> Result<Vec<Digest>, PullError> {
        list_digests(&self.dir)
    }
}

/// Holds the bytes that the files of a layer take, and so says that all of them have reached the disk.
const SIZE: &str = "size";

fn read_size(path: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not a number"))
}

/// Removes what only the unpacking needed.
fn clear(workspace: &Path) -> Result<(), PullError> {
    let work = workspace.join("work");
    match fs::remove_dir_all(&work) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(PullError::storage("remove", &work)(error))
        }
        _ => Ok(()),
    }
}

fn unpack_failed(error: UnpackError, digest: Digest, workspace: &Path) -> PullError {
    if let Some(full) = error.disk_full() {
        return PullError::DiskFull { path: workspace.to_owned(), source: Arc::new(full) };
    }
    match error {
        UnpackError::WrongContent { .. } => PullError::CorruptLayer { digest, reason: error.to_string() },
        error if error.is_local() => PullError::Storage {
            operation: "unpack a layer in",
            path: workspace.to_owned(),
            source: Arc::new(io::Error::other(error)),
        },
        error => PullError::InvalidLayer { digest, source: Arc::new(error) },
    }
}
