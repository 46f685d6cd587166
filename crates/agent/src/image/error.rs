//! Everything that can go wrong while an image is fetched, in the words dockerd would use.
//!
//! Decides the classes a caller acts on (what to retry, what to tell the user); it maps neither to HTTP statuses nor
//! to task states. Errors are `Clone`, because tasks that wait for the same download share its outcome.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use super::digest::Digest;
use super::platform::Platform;
use super::reference::ReferenceError;
use super::unpack::UnpackError;

/// Why an image could not be pulled or looked up in its registry.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PullError {
    /// The name is not an image reference.
    #[error(transparent)]
    InvalidReference(#[from] ReferenceError),
    /// The registry has no such repository, tag or digest.
    #[error("manifest for {reference} not found: {detail}")]
    NotFound {
        /// The image as people type it.
        reference: String,
        /// The registry's own words, `manifest unknown: manifest unknown`.
        detail: String,
    },
    /// Every tag of a repository was asked for.
    #[error("{name} has more than {limit} tags: pull those that you need by name")]
    TooManyTags {
        /// The repository as people type it.
        name: String,
        /// How many there may be.
        limit: usize,
    },
    /// The registry knows who asks and refuses.
    #[error(
        "pull access denied for {name}, repository does not exist or may require 'docker login': {detail}"
    )]
    Denied {
        /// The repository as people type it; it starts with the registry unless that is Docker Hub.
        name: String,
        /// The registry's host and port.
        registry: String,
        /// The registry's own words, `denied: requested access to the resource is denied`.
        detail: String,
    },
    /// The registry wants credentials, or other ones.
    #[error("unauthorized: {detail} (registry {registry}, repository {name})")]
    Unauthorized {
        /// The repository as people type it.
        name: String,
        /// The registry's host and port.
        registry: String,
        /// What it said.
        detail: String,
    },
    /// No connection.
    #[error("Get \"{url}\": dial tcp")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// The innermost reason.
        #[source]
        source: TransportError,
    },
    /// The registry's certificate is not trusted, or it does not speak TLS.
    #[error("Get \"{url}\": tls")]
    Untrusted {
        /// What was asked for.
        url: String,
        /// The innermost reason.
        #[source]
        source: TransportError,
    },
    /// The connection broke in the middle of an answer.
    #[error("Get \"{url}\": the answer broke off")]
    Interrupted {
        /// What was asked for.
        url: String,
        /// The innermost reason.
        #[source]
        source: TransportError,
    },
    /// The registry stopped sending.
    #[error("Get \"{url}\": no data for {} s", after.as_secs_f32())]
    Stalled {
        /// What was asked for.
        url: String,
        /// The silence that was waited for.
        after: Duration,
    },
    /// A look-up took longer than a user should wait for it.
    #[error("registry {registry} did not answer within {} s", after.as_secs_f32())]
    TimedOut {
        /// The registry's host and port.
        registry: String,
        /// The time it was given.
        after: Duration,
    },
    /// The registry answered with a status that is neither success nor any of the above.
    #[error("Get \"{url}\": received unexpected HTTP status: {status}{detail}")]
    Status {
        /// What was asked for.
        url: String,
        /// The HTTP status code.
        status: u16,
        /// The registry's own words, with a leading colon, or nothing.
        detail: String,
    },
    /// The registry's answer breaks the protocol.
    #[error("Get \"{url}\": {reason}")]
    Protocol {
        /// What was asked for.
        url: String,
        /// The rule that was broken.
        reason: &'static str,
    },
    /// Content is not what its digest promises.
    #[error("filesystem layer verification failed for digest {digest}: {reason}")]
    CorruptLayer {
        /// The layer, by the digest of its blob.
        digest: Digest,
        /// What was found instead.
        reason: String,
    },
    /// A manifest or configuration is not what its digest promises.
    #[error("manifest verification failed for digest {digest}: received {found}")]
    CorruptManifest {
        /// What was asked for.
        digest: Digest,
        /// What was received.
        found: Digest,
    },
    /// A manifest or configuration cannot be understood.
    #[error("image {reference} has an invalid {document}: {reason}")]
    InvalidDocument {
        /// The image as people type it.
        reference: String,
        /// `manifest`, `index` or `configuration`.
        document: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Something that is not a container image, or a kind of it that nobody uses any more.
    #[error("image {reference} has an unsupported media type {media_type}")]
    UnsupportedMediaType {
        /// The image as people type it.
        reference: String,
        /// The offending type.
        media_type: String,
    },
    /// The image exists, but not for this machine.
    #[error("no matching manifest for {platform} in the manifest list entries of {reference}")]
    NoMatchingPlatform {
        /// The image as people type it.
        reference: String,
        /// What was wanted.
        platform: Platform,
    },
    /// The disk is full.
    #[error("write {}", path.display())]
    DiskFull {
        /// Where the write failed.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: Arc<io::Error>,
    },
    /// A layer cannot be applied.
    #[error("cannot unpack layer {digest}")]
    InvalidLayer {
        /// The layer, by the digest of its blob.
        digest: Digest,
        /// Why.
        #[source]
        source: Arc<UnpackError>,
    },
    /// The local store failed.
    #[error("cannot {operation} {}", path.display())]
    Storage {
        /// What was being done.
        operation: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        source: Arc<io::Error>,
    },
    /// The settings of the registry (`certs.d`) cannot be used.
    #[error("cannot use the certificates in {}: {reason}", path.display())]
    BadCertificates {
        /// The registry's directory or a file in it.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl PullError {
    /// Returns whether the same pull may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Interrupted { .. }
            | Self::Stalled { .. }
            | Self::TimedOut { .. }
            | Self::Storage { .. } => true,
            Self::Status { status, .. } => *status >= 500 || matches!(status, 408 | 429),
            Self::InvalidReference(_)
            | Self::TooManyTags { .. }
            | Self::NotFound { .. }
            | Self::Denied { .. }
            | Self::Unauthorized { .. }
            | Self::Untrusted { .. }
            | Self::Protocol { .. }
            | Self::CorruptLayer { .. }
            | Self::CorruptManifest { .. }
            | Self::InvalidDocument { .. }
            | Self::UnsupportedMediaType { .. }
            | Self::NoMatchingPlatform { .. }
            | Self::DiskFull { .. }
            | Self::InvalidLayer { .. }
            | Self::BadCertificates { .. } => false,
        }
    }

    /// Classifies a failure of the HTTP client; `stall_after` is the silence it was told to bear.
    pub(super) fn transport(url: &Url, error: &reqwest::Error, stall_after: Duration) -> Self {
        let url = shown(url);
        let source = TransportError::of(error);
        if error.is_connect() {
            return match source.tls {
                true => Self::Untrusted { url, source },
                false => Self::Unreachable { url, source },
            };
        }
        if error.is_timeout() {
            return Self::Stalled { url, after: stall_after };
        }
        Self::Interrupted { url, source }
    }

    /// Returns a function that wraps an I/O error of the local store, telling a full disk from the rest.
    pub(super) fn storage(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| match is_disk_full(&error) {
            true => Self::DiskFull { path, source: Arc::new(error) },
            false => Self::Storage { operation, path, source: Arc::new(error) },
        }
    }
}

/// Writes a URL for people. Redirects to storage carry signatures in their query, which open it to whoever reads on.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Only a URL without a host refuses this, and such a one has no credentials either.
    let _ = url.set_username("").and_then(|()| url.set_password(None));
    url.into()
}

/// Returns whether there is no room left: neither blocks, nor inodes, nor quota.
pub(super) fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The innermost reason of a failed exchange. The HTTP client wraps it in several layers that only repeat the URL.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct TransportError {
    reason: String,
    tls: bool,
}

impl TransportError {
    fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self { reason: "i/o timeout".to_owned(), tls: false };
        }
        let mut innermost: &(dyn std::error::Error + 'static) = error;
        let mut tls = false;
        while let Some(inner) = cause(innermost) {
            tls |= inner.is::<rustls::Error>();
            innermost = inner;
        }
        Self { reason: innermost.to_string(), tls }
    }
}

/// Like `source`, but also looks into an I/O error that carries another one, which `source` skips.
fn cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a (dyn std::error::Error + 'static)> {
    let carried = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match carried {
        Some(carried) => Some(carried),
        None => error.source(),
    }
}
