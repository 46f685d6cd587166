//! The image store of one node: what is known, what is kept, what is deleted.
//!
//! Decides the life of content. Everything that an image in the index needs is live, and so is everything that a
//! running pull has pinned; the rest is leftovers of failed pulls, kept so that the next attempt continues where the
//! last one stopped, and deleted by [`Store::sweep`]. Pulling is in `pull.rs`, removing in `removal.rs` and `prune.rs`.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use skep_model::Timestamp;
use tokio::sync::Semaphore;

use super::blobs::{Blobs, Temps};
use super::config::{self, Config};
use super::digest::Digest;
use super::error::PullError;
use super::flight::Flights;
use super::index::{Index, IndexError, Record};
use super::layers::Layers;
use super::platform::Platform;
use super::progress::Board;
use super::reference::Reference;
use super::registry::{InsecureEntryError, Registries, RegistryConfig};
use super::sync::{blocking, lock};

/// Blobs that are downloaded at the same time; Docker's default is 3.
const DOWNLOADS_MAX: usize = 4;
/// Layers that are unpacked at the same time. One keeps a CPU busy, and a disk is rarely faster than two.
const UNPACKS_MAX: usize = 2;
/// Longer paths of layers do not fit into what overlayfs takes for one of them (255 bytes).
const ROOT_LEN_MAX: usize = 170;

/// An image on this node, complete and ready to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The digest of the configuration, which Docker calls the image's id.
    pub id: Digest,
    /// The digest of the manifest of this platform's variant.
    pub manifest_digest: Digest,
    /// Every tag and digest that stands for it.
    pub references: Vec<Reference>,
    /// What it was built for.
    pub platform: Platform,
    /// What a container of it runs unless told otherwise.
    pub config: Config,
    /// When it was built, in RFC 3339, as the image says; empty if it does not.
    pub created: String,
    /// The digests of the uncompressed layers, bottom first.
    pub diff_ids: Vec<Digest>,
    /// The unpacked layers, topmost first: the order in which overlayfs takes `lowerdir+`. Read-only.
    pub layers: Vec<PathBuf>,
    /// The bytes that the files of all layers take.
    pub size: u64,
    /// When it got a reference here last.
    pub tagged_at: Timestamp,
    /// When a task was prepared from it last, or it came.
    pub used_at: Timestamp,
}

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The path leaves no room for the names of layers.
    #[error("the image directory {} is longer than {ROOT_LEN_MAX} bytes", path.display())]
    PathTooLong {
        /// The directory.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("the image directory {} is in use by another process", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The directory cannot be used.
    #[error("cannot open the image directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The index of images cannot be used.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The settings of registries make no sense.
    #[error(transparent)]
    InsecureRegistry(#[from] InsecureEntryError),
}

/// The image store of one node. Clones share it.
#[derive(Clone)]
pub struct Store {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    index_path: PathBuf,
    pub blobs: Blobs,
    pub layers: Layers,
    pub temps: Temps,
    pub registries: Registries,
    state: Mutex<State>,
    /// Held while the index is written, so that reading it never waits for the disk.
    writing: Mutex<()>,
    pub board: Board,
    pub downloads: Semaphore,
    pub unpacks: Arc<Semaphore>,
    pub pulls: Flights<Result<Image, PullError>>,
    pub transfers: Flights<Result<(), PullError>>,
    pub installs: Flights<Result<(), PullError>>,
    /// Held locked as long as the store is open.
    _lock: File,
}

struct State {
    index: Index,
    /// How many running pulls need a blob or chain that no image in the index may need yet.
    pins: HashMap<Digest, usize>,
}

impl Store {
    /// Opens or creates the store in `root` and removes what a crash left half done.
    pub fn open(root: PathBuf, registries: RegistryConfig) -> Result<Self, OpenError> {
        let directory = |source| OpenError::Directory { path: root.clone(), source };
        if root.as_os_str().as_bytes().len() > ROOT_LEN_MAX {
            return Err(OpenError::PathTooLong { path: root });
        }
        let registries = Registries::new(registries)?;
        fs::create_dir_all(&root).map_err(directory)?;
        let lock = lock_root(&root)?;
        let index_path = root.join("index.json");
        let index = Index::load(&index_path)?;
        let inner = Inner {
            index_path,
            blobs: Blobs::open(&root).map_err(directory)?,
            layers: Layers::open(&root).map_err(directory)?,
            temps: Temps::open(&root).map_err(directory)?,
            registries,
            state: Mutex::new(State { index, pins: HashMap::new() }),
            writing: Mutex::new(()),
            board: Board::default(),
            downloads: Semaphore::new(DOWNLOADS_MAX),
            unpacks: Arc::new(Semaphore::new(UNPACKS_MAX)),
            pulls: Flights::default(),
            transfers: Flights::default(),
            installs: Flights::default(),
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Returns the local image that `reference` stands for, by digest if it has one, else by tag. Asks no registry.
    pub async fn find(&self, reference: &Reference) -> Result<Option<Image>, PullError> {
        let id = lock(&self.inner.state).index.resolve(reference);
        match id {
            Some(id) => self.find_id(id).await,
            None => Ok(None),
        }
    }

    /// Returns the local image with this id.
    pub async fn find_id(&self, id: Digest) -> Result<Option<Image>, PullError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.load(id)).await
    }

    /// Returns all local images in the order of their ids.
    pub async fn list(&self) -> Result<Vec<Image>, PullError> {
        let inner = Arc::clone(&self.inner);
        let load = move || {
            let ids: Vec<Digest> = lock(&inner.state).index.ids().collect();
            ids.into_iter().filter_map(|id| inner.load(id).transpose()).collect()
        };
        blocking(load).await
    }

    /// Returns the configuration of a local image as its author wrote it.
    pub async fn raw_config(&self, id: Digest) -> Result<Option<Vec<u8>>, PullError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.blobs.read(id)).await
    }

    /// Deletes what neither an image nor a running pull needs, such as the leftovers of failed pulls. Returns the bytes
    /// that this gives back.
    pub async fn sweep(&self) -> Result<u64, PullError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || inner.sweep()).await
    }
}

impl Inner {
    /// Reads an image; one whose content is not complete any more counts as missing, so that it is pulled again.
    pub fn load(&self, id: Digest) -> Result<Option<Image>, PullError> {
        let (record, references) = {
            let state = lock(&self.state);
            let Some(record) = state.index.record(id) else { return Ok(None) };
            (record.clone(), state.index.references(id))
        };
        let Some(bytes) = self.blobs.read(id)? else { return Ok(None) };
        if !record.layers.iter().all(|chain| self.layers.exists(*chain)) {
            return Ok(None);
        }
        // It was read when it was pulled, so only another version of Skep could find fault with it.
        let Ok(document) = config::Document::parse(&bytes) else { return Ok(None) };
        Ok(Some(Image {
            id,
            manifest_digest: record.manifest,
            references,
            platform: record.platform,
            config: document.config,
            created: document.created,
            diff_ids: document.rootfs.diff_ids,
            layers: record.layers.iter().rev().map(|chain| self.layers.path(*chain)).collect(),
            size: record.size,
            tagged_at: record.tagged_at,
            used_at: record.used_at,
        }))
    }

    /// Makes an image whose content is complete known under `references`.
    pub fn record(&self, id: Digest, record: Record, references: &[Reference]) -> Result<(), PullError> {
        self.layers.settle()?;
        self.change(|index| index.insert(id, record, references))
    }

    /// Changes the index on disk, then in memory; if the disk refuses, nothing has changed.
    pub fn change<T>(&self, change: impl FnOnce(&mut Index) -> T) -> Result<T, PullError> {
        let _writing = lock(&self.writing);
        let before = lock(&self.state).index.clone();
        let mut after = before.clone();
        let done = change(&mut after);
        if after != before {
            let temp = self.temps.file();
            let saved = after.save(&self.index_path, temp.path());
            saved.map_err(PullError::storage("write", &self.index_path))?;
            lock(&self.state).index = after;
        }
        Ok(done)
    }

    /// Reads the index.
    pub fn look<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        look(&lock(&self.state).index)
    }

    /// Deletes what nobody needs and returns the bytes that it took.
    pub fn sweep(&self) -> Result<u64, PullError> {
        let (mut retired, mut freed) = (Vec::new(), 0);
        {
            // A pull pins before it looks, so what is not pinned under this lock is nobody's.
            let state = lock(&self.state);
            let mut live: BTreeSet<Digest> = state.index.live();
            live.extend(state.pins.keys());
            for blob in self.blobs.list()?.into_iter().filter(|blob| !live.contains(blob)) {
                freed += self.blobs.len(blob).unwrap_or(0);
                self.blobs.remove(blob)?;
            }
            for chain in self.layers.list()?.into_iter().filter(|chain| !live.contains(chain)) {
                // A layer without a readable size is as dead as any other.
                freed += self.layers.size(chain).unwrap_or(0);
                retired.push(self.layers.retire(&self.temps, chain)?);
            }
        }
        // Deleting many files takes long and needs no lock, since nobody can see them any more.
        drop(retired);
        Ok(freed)
    }

    /// Protects content from being deleted for as long as the result lives, whether it exists yet or not.
    pub fn pin(self: &Arc<Self>, digests: impl IntoIterator<Item = Digest>) -> Pins {
        let mut pins = Pins { inner: Arc::clone(self), digests: Vec::new() };
        pins.add(digests);
        pins
    }
}

/// Content that a running pull needs.
pub(super) struct Pins {
    inner: Arc<Inner>,
    digests: Vec<Digest>,
}

impl Pins {
    pub fn add(&mut self, digests: impl IntoIterator<Item = Digest>) {
        let mut state = lock(&self.inner.state);
        for digest in digests {
            *state.pins.entry(digest).or_default() += 1;
            self.digests.push(digest);
        }
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        let mut state = lock(&self.inner.state);
        for digest in self.digests.drain(..) {
            state.unpin(digest);
        }
    }
}

impl State {
    fn unpin(&mut self, digest: Digest) {
        match self.pins.get_mut(&digest) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.pins.remove(&digest)),
        }
    }
}

fn lock_root(root: &Path) -> Result<File, OpenError> {
    let directory = |source| OpenError::Directory { path: root.to_owned(), source };
    let file = File::create(root.join("lock")).map_err(directory)?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(Errno::WOULDBLOCK) => Err(OpenError::InUse { path: root.to_owned() }),
        Err(errno) => Err(directory(errno.into())),
    }
}
