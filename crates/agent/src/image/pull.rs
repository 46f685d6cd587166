//! Pulling an image: from a name to a complete [`Image`].
//!
//! Decides what is missing and in which order it comes: the manifest (through an index, for one platform), the
//! configuration, then all missing layers at once, each unpacked as soon as it and everything below it is there. The
//! image becomes known only at the very end, so a pull that fails or is killed leaves nothing but content that the
//! next attempt need not fetch again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;
use tokio_util::task::AbortOnDropHandle;

use super::config;
use super::digest::Digest;
use super::error::PullError;
use super::index::Record;
use super::layers::Install;
use super::manifest::{Descriptor, Document, Manifest, Rejected};
use super::platform::Platform;
use super::progress::{Feed, Meter, Phase};
use super::reference::Reference;
use super::registry::{Auth, Served, Source};
use super::store::{Image, Inner, Pins, Store};
use super::sync::{blocking, joined, now};

impl Store {
    /// Makes sure that the image is on this node, and returns it.
    ///
    /// A tag is looked up in the registry every time; a digest only if the image is not here. The future may be
    /// dropped at any time; downloads that nobody else waits for stop then.
    pub async fn pull(
        &self,
        reference: &Reference,
        auth: Option<&Auth>,
        platform: &Platform,
    ) -> Result<Image, PullError> {
        match self.pinned(reference, platform).await? {
            Some(image) => Ok(image),
            None => self.fetch(reference, auth, platform).await,
        }
    }

    /// Asks the registry for the image, whatever is here, and returns it. The future may be dropped as that of
    /// [`Store::pull`].
    pub async fn fetch(
        &self,
        reference: &Reference,
        auth: Option<&Auth>,
        platform: &Platform,
    ) -> Result<Image, PullError> {
        let feed = self.feed(reference, auth, platform);
        let source = Source { reference: reference.clone(), auth: auth.cloned() };
        let key = key(&source, platform);
        let (inner, platform) = (Arc::clone(&self.inner), platform.clone());
        self.inner.pulls.join(key, || inner.fetch(source, platform, feed).boxed()).await
    }

    /// Returns every tag of a repository, as its registry has them.
    pub async fn tags(
        &self,
        repository: &Reference,
        auth: Option<&Auth>,
    ) -> Result<Vec<Reference>, PullError> {
        let source = Source { reference: repository.clone(), auth: auth.cloned() };
        let tags = self.inner.registries.tags(&source).await.map_err(|error| match error {
            PullError::NotFound { reference: _, detail } => {
                PullError::NotFound { reference: repository.familiar_name(), detail }
            }
            other => other,
        })?;
        tags.iter().map(|tag| Ok(repository.at_tag(tag)?)).collect()
    }

    /// Returns the image that a digest names, if it is here and for this platform: no registry needs to be asked.
    pub async fn pinned(
        &self,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<Option<Image>, PullError> {
        let found = match reference.digest() {
            Some(_) => self.find(reference).await?,
            None => None,
        };
        Ok(found.filter(|image| platform.suits(&image.platform).is_some()))
    }

    /// Returns where the progress of such a pull is shown.
    pub(super) fn feed(&self, reference: &Reference, auth: Option<&Auth>, platform: &Platform) -> Arc<Feed> {
        let source = Source { reference: reference.clone(), auth: auth.cloned() };
        self.inner.board.feed(key(&source, platform))
    }
}

/// Names a pull; two with the same name are one.
fn key(source: &Source, platform: &Platform) -> String {
    format!("{} {platform} {}", source.reference, source.identity())
}

/// An image as its registry describes it.
struct Described {
    /// What the reference names: an index or a manifest.
    top: Digest,
    manifest_digest: Digest,
    manifest: Manifest,
    config: config::Document,
    /// The names of the stacks, bottom first.
    chains: Vec<Digest>,
}

impl Inner {
    async fn fetch(
        self: Arc<Self>,
        source: Source,
        platform: Platform,
        feed: Arc<Feed>,
    ) -> Result<Image, PullError> {
        let source = Arc::new(source);
        let mut pins = self.pin([]);
        let described = self.describe(&source, &platform, &mut pins).await?;
        pins.add(described.chains.iter().copied());
        pins.add(described.manifest.layers.iter().map(|layer| layer.digest));
        let meters = self.meters(&described, &feed);
        self.complete(&source, &described, &meters).await?;
        let admitted = blocking(move || self.admit(&source.reference, &described)).await;
        drop(pins);
        admitted
    }

    /// Shows the layers of a pull to whoever watches it.
    fn meters(&self, described: &Described, feed: &Feed) -> Vec<Arc<Meter>> {
        let layers = described.manifest.layers.iter().zip(&described.chains);
        let meter = |(layer, chain): (&Descriptor, &Digest)| match self.layers.exists(*chain) {
            true => {
                let meter = Arc::<Meter>::default();
                meter.enter(Phase::AlreadyHere, 0);
                meter
            }
            false => self.board.meter(layer.digest),
        };
        let meters: Vec<Arc<Meter>> = layers.map(meter).collect();
        let digests = described.manifest.layers.iter().map(|layer| layer.digest);
        feed.publish(described.top, digests.zip(meters.iter().cloned()).collect());
        meters
    }

    /// Finds out what the image consists of, and keeps the documents.
    async fn describe(
        self: &Arc<Self>,
        source: &Source,
        platform: &Platform,
        pins: &mut Pins,
    ) -> Result<Described, PullError> {
        let top = self.registries.manifest(source).await?;
        self.keep(&top, pins).await?;
        let (manifest_digest, manifest) = match parse(source, &top)? {
            Document::Manifest(manifest) => (top.digest, manifest),
            Document::Index(index) => {
                let entry = index.select(platform).ok_or_else(|| unsuitable(source, platform))?;
                self.variant(source, entry, pins).await?
            }
        };
        let config = self.config(source, &manifest.config, pins).await?;
        let config = config::Document::parse(&config).map_err(|error| PullError::InvalidDocument {
            reference: source.reference.familiar(),
            document: "configuration",
            reason: error.to_string(),
        })?;
        if platform.suits(&config.platform()).is_none() {
            return Err(unsuitable(source, platform));
        }
        let chains = chains(source, &manifest, &config)?;
        Ok(Described { top: top.digest, manifest_digest, manifest, config, chains })
    }

    /// Fetches one variant of an index.
    async fn variant(
        self: &Arc<Self>,
        source: &Source,
        entry: &Descriptor,
        pins: &mut Pins,
    ) -> Result<(Digest, Manifest), PullError> {
        pins.add([entry.digest]);
        let served = match self.kept(entry.digest).await? {
            Some(bytes) => Served { bytes, media_type: entry.media_type.clone(), digest: entry.digest },
            None => {
                let reference = source.reference.at_digest(entry.digest);
                let source = Source { reference, auth: source.auth.clone() };
                let served = self.registries.manifest(&source).await?;
                self.keep(&served, pins).await?;
                served
            }
        };
        match parse(source, &served)? {
            Document::Manifest(manifest) => Ok((served.digest, manifest)),
            Document::Index(_) => Err(PullError::UnsupportedMediaType {
                reference: source.reference.familiar(),
                media_type: format!("{} inside an index", served.media_type),
            }),
        }
    }

    async fn config(
        self: &Arc<Self>,
        source: &Source,
        config: &Descriptor,
        pins: &mut Pins,
    ) -> Result<Vec<u8>, PullError> {
        pins.add([config.digest]);
        if let Some(bytes) = self.kept(config.digest).await? {
            return Ok(bytes);
        }
        let bytes = self.registries.document(source, config.digest).await?;
        self.write(config.digest, bytes.clone()).await?;
        Ok(bytes)
    }

    /// Keeps a manifest exactly as served.
    async fn keep(self: &Arc<Self>, served: &Served, pins: &mut Pins) -> Result<(), PullError> {
        pins.add([served.digest]);
        match self.kept(served.digest).await? {
            Some(_) => Ok(()),
            None => self.write(served.digest, served.bytes.clone()).await,
        }
    }

    async fn kept(self: &Arc<Self>, digest: Digest) -> Result<Option<Vec<u8>>, PullError> {
        let inner = Arc::clone(self);
        blocking(move || inner.blobs.read(digest)).await
    }

    async fn write(self: &Arc<Self>, digest: Digest, bytes: Vec<u8>) -> Result<(), PullError> {
        let inner = Arc::clone(self);
        blocking(move || inner.blobs.write(&inner.temps, digest, &bytes)).await
    }

    /// Downloads and unpacks the layers that are not here.
    async fn complete(
        self: &Arc<Self>,
        source: &Arc<Source>,
        described: &Described,
        meters: &[Arc<Meter>],
    ) -> Result<(), PullError> {
        let layers = described.manifest.layers.iter().zip(&described.config.rootfs.diff_ids).enumerate();
        // The archive stays beside what it unpacks to, so that an image can be saved as it came.
        let missing: Vec<_> = layers.filter(|(at, _)| !self.layers.exists(described.chains[*at])).collect();
        // They run beside each other and beside the unpacking, and stop when this pull does.
        let download = |at: usize, layer: &Descriptor| {
            let meter = Arc::clone(&meters[at]);
            Arc::clone(self).download(Arc::clone(source), layer.clone(), meter)
        };
        let downloads: Vec<_> = missing
            .iter()
            .map(|(at, (layer, _))| AbortOnDropHandle::new(tokio::spawn(download(*at, layer))))
            .collect();
        for ((at, (layer, diff_id)), download) in missing.into_iter().zip(downloads) {
            joined(download).await?;
            let install = Install {
                chain: described.chains[at],
                parents: described.chains[..at].to_vec(),
                diff_id: *diff_id,
                digest: layer.digest,
                blob: self.blobs.path(layer.digest),
                cancelled: Arc::new(AtomicBool::new(false)),
                meter: Arc::clone(&meters[at]),
            };
            Arc::clone(self).install(install).await?;
            meters[at].enter(Phase::Complete, 0);
        }
        Ok(())
    }

    /// Unpacks a layer once for all who need it.
    pub(super) async fn install(self: Arc<Self>, install: Install) -> Result<(), PullError> {
        let (inner, key) = (Arc::clone(&self), install.chain.to_string());
        let work = || {
            async move {
                let permit = Arc::clone(&inner.unpacks).acquire_owned().await;
                let permit = permit.expect("the semaphore is never closed");
                let _guard = CancelOnDrop(Arc::clone(&install.cancelled));
                blocking(move || {
                    // Unpacking that was cancelled still counts until it has really stopped.
                    let _permit = permit;
                    match inner.layers.exists(install.chain) {
                        true => Ok(()),
                        false => inner.layers.install(&inner.temps, install),
                    }
                })
                .await
            }
            .boxed()
        };
        self.installs.join(key, work).await
    }

    /// Makes a complete image known.
    fn admit(&self, reference: &Reference, described: &Described) -> Result<Image, PullError> {
        let id = described.manifest.config.digest;
        let sizes = described.chains.iter().map(|chain| self.layers.size(*chain));
        let record = Record {
            manifest: described.manifest_digest,
            platform: described.config.platform(),
            layers: described.chains.clone(),
            archives: described.manifest.layers.iter().map(|layer| layer.digest).collect(),
            tagged_at: now(),
            used_at: now(),
            size: sizes.sum::<Result<u64, PullError>>()?,
        };
        let by_digest = reference.at_digest(described.top);
        self.record(id, record, &[reference.key(), by_digest])?;
        let image = self.load(id)?;
        image.ok_or_else(|| PullError::InvalidDocument {
            reference: reference.familiar(),
            document: "configuration",
            reason: "its content disappeared while it was pulled".to_owned(),
        })
    }
}

/// Tells unpacking to stop when nobody waits for it any more.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns the name of each stack of layers, bottom first.
fn chains(source: &Source, manifest: &Manifest, config: &config::Document) -> Result<Vec<Digest>, PullError> {
    let diff_ids = &config.rootfs.diff_ids;
    if diff_ids.is_empty() {
        return Err(PullError::InvalidDocument {
            reference: source.reference.familiar(),
            document: "configuration",
            reason: "no layers, so there is nothing to run".to_owned(),
        });
    }
    if diff_ids.len() != manifest.layers.len() {
        return Err(PullError::InvalidDocument {
            reference: source.reference.familiar(),
            document: "configuration",
            reason: format!("{} layers, the manifest has {}", diff_ids.len(), manifest.layers.len()),
        });
    }
    let mut below = None;
    Ok(diff_ids.iter().map(|diff_id| *below.insert(Digest::chain(below, *diff_id))).collect())
}

/// Reads a document that a registry served for `source`.
pub(super) fn parse(source: &Source, served: &Served) -> Result<Document, PullError> {
    let reference = source.reference.familiar();
    Document::parse(&served.bytes, &served.media_type).map_err(|rejected| match rejected {
        Rejected::MediaType(media_type) => PullError::UnsupportedMediaType { reference, media_type },
        Rejected::Invalid(reason) => PullError::InvalidDocument { reference, document: "manifest", reason },
    })
}

fn unsuitable(source: &Source, platform: &Platform) -> PullError {
    PullError::NoMatchingPlatform { reference: source.reference.familiar(), platform: platform.clone() }
}
