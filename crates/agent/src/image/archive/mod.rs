//! Images as files: `image save` and `image load`.
//!
//! What is saved is both at once, a docker-archive (`manifest.json`) and an OCI layout (`index.json`), with each layer
//! once and as it came from its registry; docker reads it, and so do the tools that know only one of the two. What is
//! loaded may be either, compressed or not. An archive comes from strangers: it is taken apart into numbered files
//! (`spool.rs`), nothing in it names a path on the node, and its layers go the same way as those of a registry.

mod load;
mod manifest;
mod save;
mod spool;

use super::error::PullError;
use super::names::LookupError;

pub use self::load::{LoadStep, Loaded};

/// Why an archive cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("cannot read the archive")]
    Read(#[source] std::io::Error),
    #[error("invalid archive: {0}")]
    Invalid(String),
    #[error(
        "the layer {layer} of {image} was not kept when the image came; remove the image and pull it again to save it"
    )]
    NotKept { image: String, layer: String },
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error(transparent)]
    Store(#[from] PullError),
}

fn invalid(reason: impl Into<String>) -> ArchiveError {
    ArchiveError::Invalid(reason.into())
}
