//! Applies one layer: from a compressed archive to a directory that overlayfs can stack.
//!
//! Decides what of a layer is believed. A layer comes from strangers and is unpacked by root, so nothing in it may
//! reach outside its own tree, and everything in it is bounded. The layer is applied to an overlay of its parents
//! with a fresh upper directory, because only there do a hard link to a file of a lower layer, a path through a
//! lower layer's symlink and a whiteout mean what the image's author meant.
//!
//! ```text
//!   blob ─ stream.rs: decompress, hash, bound ─ tar ─ apply.rs: entry by entry ─ tree.rs: inside one root ─┐
//!   parents ─────────────────── overlay.rs: a mount that only a file descriptor holds ────────────────────┘
//! ```
//!
//! Where the result goes, and when it becomes visible, is decided in `layers.rs`.

mod apply;
mod head;
mod overlay;
mod stream;
mod tree;

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{Mode, OFlags};

use super::digest::Digest;
use super::error::is_disk_full;
use super::progress::{Meter, Phase};

pub(super) use self::tree::remove_tree;

/// The most entries one layer may have; a large distribution with every package has fewer than 500,000.
pub(super) const ENTRIES_MAX: u64 = 1 << 20;
/// The most bytes one layer may unpack to. A bound for liars; the disk is the bound that honest images meet.
pub(super) const UNPACKED_LEN_MAX: u64 = 1 << 40;
/// Linux's own bound on a path, with its terminating zero.
pub(super) const PATH_LEN_MAX: usize = 4095;
/// All names of one layer together, which are remembered until it is done.
pub(super) const NAMES_LEN_MAX: usize = 256 << 20;
/// Nested directories, in a path and in what a whiteout removes; each one costs stack and an open file.
pub(super) const DEPTH_MAX: usize = 256;

/// Why a layer cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The archive or its compression is broken.
    #[error("invalid archive")]
    Archive(#[source] io::Error),
    /// The layer's compression is none of gzip, zstd and none.
    #[error("unsupported compression {0}")]
    Compression(&'static str),
    /// What came out is not what the image's configuration lists.
    #[error("layers from manifest don't match image configuration: expected {expected}, unpacked {found}")]
    WrongContent {
        /// The configuration's `diff_id`.
        expected: Digest,
        /// The digest of the uncompressed archive.
        found: Digest,
    },
    /// An entry points outside the image.
    #[error("entry {entry} points outside the image ({target})")]
    Escape {
        /// The entry's name.
        entry: String,
        /// Its name or link target.
        target: String,
    },
    /// An entry that has no meaning in an image.
    #[error("entry {entry}: {reason}")]
    Entry {
        /// The entry's name.
        entry: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// One of the bounds of this module.
    #[error("a layer may have at most {max} {what}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        max: u64,
    },
    /// A hard link to nothing.
    #[error("entry {entry} is a hard link to {target}, which does not exist")]
    MissingTarget {
        /// The entry's name.
        entry: String,
        /// The link's target.
        target: String,
    },
    /// A file of the layer cannot be made.
    #[error("cannot {operation} {entry}")]
    File {
        /// What was being done.
        operation: &'static str,
        /// The entry's name.
        entry: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The parents cannot be stacked.
    #[error("cannot mount an overlay of {lowers} layers{log}")]
    Overlay {
        /// How many parents there are.
        lowers: usize,
        /// The kernel's own explanation with a leading colon, if it gave one.
        log: String,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// A directory of the store cannot be used.
    #[error("cannot {operation} {}", path.display())]
    Workspace {
        /// What was being done.
        operation: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// Nobody waits for the layer any more.
    #[error("cancelled")]
    Cancelled,
}

impl UnpackError {
    /// Returns the kernel's answer if this is what a full disk looks like.
    pub(super) fn disk_full(&self) -> Option<io::Error> {
        let (Self::File { source, .. } | Self::Overlay { source, .. } | Self::Workspace { source, .. }) =
            self
        else {
            return None;
        };
        is_disk_full(source).then(|| match source.raw_os_error() {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => source.kind().into(),
        })
    }

    /// Returns whether the node failed rather than the layer.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Overlay { .. } | Self::Workspace { .. } | Self::Cancelled)
    }
}

/// One layer to apply.
pub(super) struct Job {
    /// The compressed archive.
    pub blob: PathBuf,
    /// The digest its uncompressed bytes must have.
    pub diff_id: Digest,
    /// The unpacked layers below, topmost first.
    pub parents: Vec<PathBuf>,
    /// An empty private directory on the store's filesystem; the layer is made in `fs` inside it.
    pub workspace: PathBuf,
    /// Set when nobody waits any more.
    pub cancelled: Arc<AtomicBool>,
    /// Shows how much of the archive is read.
    pub meter: Arc<Meter>,
}

/// Applies a layer and returns the bytes that its files take. Nothing is synced to disk yet.
///
/// It blocks for as long as the layer takes; a failure leaves a partial `fs` for the caller to remove.
pub(super) fn unpack(job: &Job) -> Result<u64, UnpackError> {
    let upper = job.workspace.join("fs");
    create_root(&upper, job.parents.first().map(PathBuf::as_path))?;
    let root = open_root(&upper, job)?;
    let source = fs::File::open(&job.blob).map_err(at("open", &job.blob))?;
    let len = source.metadata().map_err(at("read", &job.blob))?.len();
    job.meter.enter(Phase::Extracting, len);
    let source = stream::Metered::new(source, Arc::clone(&job.meter));
    let mut stream = stream::Layer::open(source, Arc::clone(&job.cancelled))?;
    let applied = apply::apply(&root, &mut stream);
    let applied = applied.and_then(|size| stream.verify(job.diff_id).map(|()| size));
    applied.map_err(|error| match job.cancelled.load(Ordering::Relaxed) {
        true => UnpackError::Cancelled,
        false => error,
    })
}

/// Makes the layer's top directory. Overlayfs shows the attributes of the topmost one, so a layer that says nothing
/// about `/` must repeat what its parent said.
fn create_root(upper: &Path, parent: Option<&Path>) -> Result<(), UnpackError> {
    fs::create_dir(upper).map_err(at("create", upper))?;
    let (mode, owner) = match parent {
        None => (0o755, None),
        Some(parent) => {
            let below = fs::symlink_metadata(parent).map_err(at("read", parent))?;
            (below.mode() & 0o7777, Some((below.uid(), below.gid())))
        }
    };
    if let Some((uid, gid)) = owner {
        std::os::unix::fs::lchown(upper, Some(uid), Some(gid)).map_err(at("change the owner of", upper))?;
    }
    fs::set_permissions(upper, fs::Permissions::from_mode(mode)).map_err(at("change the mode of", upper))
}

/// Opens what the layer is applied to: the bare directory for the first layer, else an overlay of its parents.
fn open_root(upper: &Path, job: &Job) -> Result<OwnedFd, UnpackError> {
    if job.parents.is_empty() {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        return rustix::fs::open(upper, flags, Mode::empty())
            .map_err(|errno| at("open", upper)(errno.into()));
    }
    let work = job.workspace.join("work");
    fs::create_dir(&work).map_err(at("create", &work))?;
    overlay::mount(&job.parents, upper, &work)
}

fn at(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> UnpackError {
    let path = path.to_owned();
    move |source| UnpackError::Workspace { operation, path, source }
}
