//! Files of the image store: content by digest, temporary files and directories, and how both become durable.
//!
//! Decides the order of write, sync and rename, so that what has its final name is whole after any crash, and
//! everything under `tmp` may be deleted when the store opens. What is kept, and for how long, is decided in
//! `store.rs`.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::rand::GetRandomFlags;

use super::digest::Digest;
use super::error::PullError;
use super::unpack::remove_tree;

/// Content by digest, in the layout of an OCI image directory (`blobs/sha256/<hex>`).
pub(super) struct Blobs {
    dir: PathBuf,
}

impl Blobs {
    pub fn open(root: &Path) -> io::Result<Self> {
        let dir = root.join("blobs/sha256");
        fs::create_dir_all(&dir)?;
        Ok(Self { dir })
    }

    pub fn path(&self, digest: Digest) -> PathBuf {
        self.dir.join(digest.hex())
    }

    pub fn exists(&self, digest: Digest) -> bool {
        self.path(digest).exists()
    }

    /// Returns the bytes of a blob that is there.
    pub fn len(&self, digest: Digest) -> Option<u64> {
        fs::metadata(self.path(digest)).ok().map(|found| found.len())
    }

    /// Reads a document that is there; one that a disk has spoiled counts as missing and will be fetched again.
    pub fn read(&self, digest: Digest) -> Result<Option<Vec<u8>>, PullError> {
        let path = self.path(digest);
        match fs::read(&path) {
            Ok(bytes) if Digest::of(&bytes) == digest => Ok(Some(bytes)),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(PullError::storage("read", &path)(error)),
        }
    }

    /// Writes a document durably under its digest.
    pub fn write(&self, temps: &Temps, digest: Digest, bytes: &[u8]) -> Result<(), PullError> {
        let temp = temps.file();
        let failed = || PullError::storage("write", temp.path());
        let mut file = File::create_new(temp.path()).map_err(failed())?;
        file.write_all(bytes).map_err(failed())?;
        file.sync_all().map_err(failed())?;
        self.adopt(temp, digest)
    }

    /// Gives a complete, verified and synced file its final name.
    pub fn adopt(&self, temp: Temp, digest: Digest) -> Result<(), PullError> {
        let path = self.path(digest);
        fs::rename(temp.path(), &path).map_err(PullError::storage("create", &path))?;
        sync_dir(&self.dir).map_err(PullError::storage("sync", &self.dir))
    }

    /// Makes a blob of a complete, verified and synced file that others may still need.
    pub fn link(&self, temps: &Temps, digest: Digest, source: &Path) -> Result<(), PullError> {
        if self.exists(digest) {
            return Ok(());
        }
        let temp = temps.file();
        fs::hard_link(source, temp.path()).map_err(PullError::storage("link", source))?;
        self.adopt(temp, digest)
    }

    /// Removes a blob; one that is gone already is fine.
    pub fn remove(&self, digest: Digest) -> Result<(), PullError> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(PullError::storage("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Returns the digests of everything there is.
    pub fn list(&self) -> Result<Vec<Digest>, PullError> {
        list_digests(&self.dir)
    }
}

/// Names for work in progress.
pub(super) struct Temps {
    dir: PathBuf,
    next: AtomicU64,
}

impl Temps {
    /// Opens the directory and removes what a crash left in it.
    pub fn open(root: &Path) -> io::Result<Self> {
        let dir = root.join("tmp");
        match remove_tree(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        DirBuilder::new().mode(0o700).create(&dir)?;
        // Layers are made here, and keep their place on the disk when they move to where they are kept.
        skep_runtime::spread(&dir);
        // The place is chosen by name: that of something that was just deleted would be a slow one.
        let mut first = [0; 4];
        rustix::rand::getrandom(&mut first, GetRandomFlags::empty())?;
        Ok(Self { dir, next: AtomicU64::new(u32::from_ne_bytes(first).into()) })
    }

    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Returns the name of a file that does not exist yet.
    pub fn file(&self) -> Temp {
        // The directory was empty when the store, its only user, opened it; so a counter makes unique names.
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Temp { path: self.dir.join(number.to_string()) }
    }

    /// Makes a private directory.
    pub fn dir(&self) -> Result<Temp, PullError> {
        let temp = self.file();
        let made = DirBuilder::new().mode(0o700).create(temp.path());
        made.map_err(PullError::storage("create", temp.path()))?;
        Ok(temp)
    }
}

/// A temporary file or directory, removed when dropped unless it was renamed away.
pub(super) struct Temp {
    path: PathBuf,
}

impl Temp {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let removed = match fs::symlink_metadata(&self.path) {
            Ok(found) if found.is_dir() => remove_tree(&self.path),
            Ok(_) => fs::remove_file(&self.path),
            Err(error) => Err(error),
        };
        if let Err(error) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "a temporary file stays until the next start");
        }
    }
}

/// Makes renames in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Returns the digests that name the entries of `dir`; anything else in it is not ours to touch.
pub(super) fn list_digests(dir: &Path) -> Result<Vec<Digest>, PullError> {
    let failed = || PullError::storage("read", dir);
    let mut digests = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed())? {
        let name = entry.map_err(failed())?.file_name();
        digests.extend(name.to_str().and_then(|hex| Digest::from_hex(hex).ok()));
    }
    Ok(digests)
}
