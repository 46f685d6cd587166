//! Unpacked layers on disk, by chain id.
//!
//! Decides when a layer exists: `layers/<chain>` appears by one rename, with its files in `fs` and their total in
//! `size`, after everything in it has reached the disk. Until then it is a directory under `tmp` that nobody else
//! sees and that the next start removes. The compressed archive stays in `blobs`: containers need it no more, but
//! `image save` does.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::blobs::{Temp, Temps, list_digests, sync_dir};
use super::digest::Digest;
use super::error::PullError;
use super::progress::Meter;
use super::unpack::{Job, UnpackError, unpack};

pub(super) struct Layers {
    dir: PathBuf,
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
        Ok(Self { dir })
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
        let path = self.dir.join(chain.hex()).join("size");
        let text = fs::read_to_string(&path).map_err(PullError::storage("read", &path))?;
        let size =
            text.trim().parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not a number"));
        size.map_err(PullError::storage("read", &path))
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
        seal(&job.workspace, size)?;
        self.publish(workspace, chain)
    }

    fn publish(&self, workspace: Temp, chain: Digest) -> Result<(), PullError> {
        let target = self.dir.join(chain.hex());
        match fs::rename(workspace.path(), &target) {
            Ok(()) => sync_dir(&self.dir).map_err(PullError::storage("sync", &self.dir)),
            // A cancelled pull of the same layer was faster after all; the contents are equal by digest.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            Err(error) => Err(PullError::storage("create", &target)(error)),
        }
    }

    /// Makes a layer invisible at once; dropping the result deletes it, which may take long.
    pub fn retire(&self, temps: &Temps, chain: Digest) -> Result<Temp, PullError> {
        let (path, temp) = (self.dir.join(chain.hex()), temps.file());
        fs::rename(&path, temp.path()).map_err(PullError::storage("remove", &path))?;
        Ok(temp)
    }

    /// Returns the chain ids of everything there is.
    pub fn list(&self) -> Result<Vec<Digest>, PullError> {
        list_digests(&self.dir)
    }
}

/// Adds the size to an unpacked layer and waits until all of it is on disk.
fn seal(workspace: &Path, size: u64) -> Result<(), PullError> {
    let work = workspace.join("work");
    match fs::remove_dir_all(&work) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(PullError::storage("remove", &work)(error))
        }
        _ => Ok(()),
    }?;
    let path = workspace.join("size");
    let write = || {
        let mut file = File::create_new(&path)?;
        writeln!(file, "{size}")?;
        // One sync of the whole filesystem is far cheaper than one per file.
        rustix::fs::syncfs(&file).map_err(io::Error::from)
    };
    write().map_err(PullError::storage("write", &path))
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
