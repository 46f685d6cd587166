//! Ways in for the targets of `fuzz/`: readers of what strangers send, without the network and the store around them.
//! Not part of the product's own interface.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::config;
use super::digest::Digest;
use super::manifest::Document;
use super::platform::Platform;
use super::progress::Meter;
use super::unpack::{Job, UnpackError, unpack as apply};

/// Applies a layer, whose archive is not expected to be any particular one.
pub fn unpack(blob: &Path, parents: Vec<PathBuf>, workspace: PathBuf) -> Result<u64, UnpackError> {
    apply(&Job {
        blob: blob.to_owned(),
        diff_id: Digest::of(b"no archive has this digest"),
        parents,
        workspace,
        cancelled: Arc::new(AtomicBool::new(false)),
        meter: Arc::new(Meter::default()),
    })
}

/// Reads a manifest or an index, and chooses from an index.
pub fn read_document(bytes: &[u8], served_as: &str) {
    if let Ok(Document::Index(index)) = Document::parse(bytes, served_as) {
        let chosen = index.select(&Platform::host());
        assert!(chosen.is_none() || !index.entries.is_empty());
    }
}

/// Reads a configuration.
pub fn read_configuration(bytes: &[u8]) {
    if let Ok(document) = config::Document::parse(bytes) {
        drop(document.platform().to_string());
    }
}
