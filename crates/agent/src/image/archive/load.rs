//! Reads images from an archive.
//!
//! The archive is taken apart first; then each image is made complete as after a pull: every layer is unpacked and
//! compared with what the configuration promises, and only at the end the image gets its names. An archive with a
//! broken image leaves those before it loaded.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::manifest::{
    DockerEntry, NAME_ANNOTATION, OCI_CONFIG, OCI_MANIFEST, OciDescriptor, OciIndex, OciManifest,
};
use super::spool::{Spool, Spooled};
use super::{ArchiveError, invalid};
use crate::image::config;
use crate::image::digest::Digest;
use crate::image::index::Record;
use crate::image::layers::Install;
use crate::image::manifest as registry_manifest;
use crate::image::names::LookupError;
use crate::image::platform::Platform;
use crate::image::progress::{LayerState, Meter};
use crate::image::reference::Reference;
use crate::image::store::{Inner, Store};
use crate::image::sync::{blocking, now};

/// How often a reader hears of bytes.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Chunks of the upload, and steps, that wait to be taken.
const QUEUE_MAX: usize = 16;
/// Indexes inside indexes.
const NESTED_MAX: usize = 3;

/// What happens while images are loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadStep {
    /// A layer is being unpacked; bytes of its archive.
    Layer {
        diff_id: Digest,
        done: u64,
        total: u64,
    },
    Loaded(Loaded),
}

/// An image that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    pub id: Digest,
    /// What the archive calls it; may be nothing.
    pub references: Vec<Reference>,
}

/// An image as the archive describes it. The strings are names in the archive.
struct Described {
    config: String,
    layers: Vec<String>,
    references: Vec<Reference>,
}

type Steps = mpsc::Sender<Result<LoadStep, ArchiveError>>;

impl Store {
    /// Loads all images of an archive. A failure is the last item; dropping the stream gives up.
    pub fn load(
        &self,
        archive: BoxStream<'static, io::Result<Bytes>>,
    ) -> BoxStream<'static, Result<LoadStep, ArchiveError>> {
        let (tx, mut rx) = mpsc::channel(QUEUE_MAX);
        let inner = Arc::clone(&self.inner);
        let work = tokio::spawn(async move {
            if let Err(error) = inner.load_archive(archive, &tx).await {
                // An error here means that nobody is left to hear of it.
                drop(tx.send(Err(error)).await);
            }
        });
        let work = AbortOnDropHandle::new(work);
        stream::poll_fn(move |context| {
            let _held = &work;
            rx.poll_recv(context)
        })
        .boxed()
    }
}

impl Inner {
    async fn load_archive(
        self: Arc<Self>,
        archive: BoxStream<'static, io::Result<Bytes>>,
        steps: &Steps,
    ) -> Result<(), ArchiveError> {
        let spool = self.spool(archive).await?;
        let images = blocking({
            let spool = Arc::clone(&spool);
            move || describe(&spool)
        })
        .await?;
        if images.is_empty() {
            return Err(invalid("it holds no image"));
        }
        for image in images {
            let loaded = self.load_image(&spool, image, steps).await?;
            if steps.send(Ok(LoadStep::Loaded(loaded))).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    async fn spool(
        self: &Arc<Self>,
        mut archive: BoxStream<'static, io::Result<Bytes>>,
    ) -> Result<Arc<Spool>, ArchiveError> {
        let (tx, rx) = mpsc::channel(QUEUE_MAX);
        let inner = Arc::clone(self);
        let reading = blocking(move || Spool::read(Upload { rx, chunk: Bytes::new() }, &inner.temps));
        let feeding = async move {
            while let Some(chunk) = archive.next().await {
                // An error means that the reader has seen enough, and says why.
                if tx.send(chunk).await.is_err() {
                    break;
                }
            }
        };
        let (spool, ()) = futures_util::join!(reading, feeding);
        Ok(Arc::new(spool?))
    }

    async fn load_image(
        self: &Arc<Self>,
        spool: &Arc<Spool>,
        image: Described,
        steps: &Steps,
    ) -> Result<Loaded, ArchiveError> {
        let bytes = spool.document(&image.config)?;
        let bytes =
            bytes.ok_or_else(|| invalid(format!("the configuration {:?} is missing", image.config)))?;
        let id = Digest::of(&bytes);
        let document = config::Document::parse(&bytes)
            .map_err(|error| invalid(format!("the configuration {:?}: {error}", image.config)))?;
        let chains = chains(&document, image.layers.len())?;
        let mut pins = self.pin(chains.iter().copied().chain([id]));
        self.keep_blob(id, bytes).await?;
        let mut layers = Vec::with_capacity(chains.len());
        for (at, name) in image.layers.iter().enumerate() {
            let file = spool.file(name);
            let file = file.ok_or_else(|| invalid(format!("the layer {name:?} is missing")))?;
            pins.add([file.digest]);
            layers.push(self.keep_layer(file).await?);
            let meter = Arc::<Meter>::default();
            let install = Install {
                chain: chains[at],
                parents: chains[..at].to_vec(),
                diff_id: document.rootfs.diff_ids[at],
                digest: file.digest,
                blob: self.blobs.path(file.digest),
                cancelled: Arc::new(AtomicBool::new(false)),
                meter: Arc::clone(&meter),
            };
            self.install_watched(install, &meter, steps).await?;
        }
        let manifest = serde_json::to_vec(&OciManifest {
            schema_version: 2,
            media_type: OCI_MANIFEST,
            config: OciDescriptor::new(OCI_CONFIG, id, self.blobs.len(id).unwrap_or(0)),
            layers: layers.clone(),
        })
        .expect("a manifest is made of texts and numbers");
        let manifest_digest = Digest::of(&manifest);
        pins.add([manifest_digest]);
        self.keep_blob(manifest_digest, manifest).await?;
        let archives = layers.iter().map(|layer| layer.digest).collect();
        let record = self.record_of(&document, manifest_digest, chains, archives)?;
        let (inner, references) = (Arc::clone(self), image.references.clone());
        blocking(move || inner.record(id, record, &references)).await?;
        drop(pins);
        Ok(Loaded { id, references: image.references })
    }

    async fn install_watched(
        self: &Arc<Self>,
        install: Install,
        meter: &Meter,
        steps: &Steps,
    ) -> Result<(), ArchiveError> {
        let diff_id = install.diff_id;
        let mut installing = std::pin::pin!(Arc::clone(self).install(install));
        loop {
            let ended = tokio::time::timeout(LOOK_EVERY, &mut installing).await;
            if let LayerState::Extracting { done, total } = meter.state() {
                let done = if ended.is_ok() { total } else { done };
                // A reader that is slow or gone misses steps, and delays nothing.
                drop(steps.try_send(Ok(LoadStep::Layer { diff_id, done, total })));
            }
            if let Ok(ended) = ended {
                return Ok(ended?);
            }
        }
    }

    async fn keep_blob(self: &Arc<Self>, digest: Digest, bytes: Vec<u8>) -> Result<(), ArchiveError> {
        let inner = Arc::clone(self);
        Ok(blocking(move || inner.blobs.write(&inner.temps, digest, &bytes)).await?)
    }

    /// Gives a layer of the archive its name among the blobs. Several images may share the file.
    async fn keep_layer(self: &Arc<Self>, file: &Spooled) -> Result<OciDescriptor, ArchiveError> {
        let (digest, path, inner) = (file.digest, file.temp.path().to_owned(), Arc::clone(self));
        blocking(move || inner.blobs.link(&inner.temps, digest, &path)).await?;
        self.layer_descriptor(file.digest)
    }

    fn record_of(
        &self,
        document: &config::Document,
        manifest: Digest,
        layers: Vec<Digest>,
        archives: Vec<Digest>,
    ) -> Result<Record, ArchiveError> {
        let sizes = layers.iter().map(|chain| self.layers.size(*chain));
        let size = sizes.sum::<Result<u64, _>>()?;
        let platform = document.platform();
        Ok(Record { manifest, platform, layers, size, archives, tagged_at: now(), used_at: now() })
    }
}

fn chains(document: &config::Document, layer_count: usize) -> Result<Vec<Digest>, ArchiveError> {
    let diff_ids = &document.rootfs.diff_ids;
    if diff_ids.is_empty() || diff_ids.len() != layer_count {
        return Err(invalid(format!(
            "the configuration lists {} layers, the manifest {layer_count}",
            diff_ids.len()
        )));
    }
    let mut below = None;
    Ok(diff_ids.iter().map(|diff_id| *below.insert(Digest::chain(below, *diff_id))).collect())
}

/// Finds the images of an archive. Docker's manifest goes first: it has the names in full.
fn describe(spool: &Spool) -> Result<Vec<Described>, ArchiveError> {
    if let Some(bytes) = spool.document("manifest.json")? {
        let entries: Vec<DockerEntry> =
            serde_json::from_slice(&bytes).map_err(|error| invalid(format!("manifest.json: {error}")))?;
        return entries.into_iter().map(of_docker).collect();
    }
    match spool.document("index.json")? {
        Some(bytes) => {
            let index =
                serde_json::from_slice(&bytes).map_err(|error| invalid(format!("index.json: {error}")))?;
            let mut images = Vec::new();
            of_index(spool, &index, None, 0, &mut images)?;
            Ok(images)
        }
        None => Err(invalid("it has neither a manifest.json nor an index.json")),
    }
}

fn of_docker(entry: DockerEntry) -> Result<Described, ArchiveError> {
    let references = entry.repo_tags.iter().map(|tag| parse(tag)).collect::<Result<_, _>>()?;
    Ok(Described { config: entry.config, layers: entry.layers, references })
}

/// Collects the images of an index; one for several platforms counts once, in the variant that suits this node.
fn of_index(
    spool: &Spool,
    index: &OciIndex,
    name: Option<&Reference>,
    depth: usize,
    images: &mut Vec<Described>,
) -> Result<(), ArchiveError> {
    for descriptor in &index.manifests {
        let own = descriptor.annotations.get(NAME_ANNOTATION).map(|text| parse(text)).transpose()?;
        let name = own.as_ref().or(name);
        let bytes = spool.document(&blob_name(descriptor.digest))?;
        let bytes = bytes.ok_or_else(|| invalid(format!("the manifest {} is missing", descriptor.digest)))?;
        if Digest::of(&bytes) != descriptor.digest {
            return Err(invalid(format!("the manifest {} has other content", descriptor.digest)));
        }
        let document = registry_manifest::Document::parse(&bytes, &descriptor.media_type)
            .map_err(|_| invalid(format!("the manifest {} cannot be read", descriptor.digest)))?;
        match document {
            registry_manifest::Document::Manifest(manifest) => {
                let known = images.iter_mut().find(|image| image.config == blob_name(manifest.config.digest));
                match known {
                    Some(image) => image.references.extend(name.cloned()),
                    None => images.push(Described {
                        config: blob_name(manifest.config.digest),
                        layers: manifest.layers.iter().map(|layer| blob_name(layer.digest)).collect(),
                        references: name.cloned().into_iter().collect(),
                    }),
                }
            }
            registry_manifest::Document::Index(inner) => {
                let suiting = inner.select(&Platform::host());
                let suiting = suiting.ok_or_else(|| {
                    invalid(format!("{} has no variant for {}", descriptor.digest, Platform::host()))
                })?;
                if depth >= NESTED_MAX {
                    return Err(invalid("its indexes are nested too deeply"));
                }
                let media_type = &suiting.media_type;
                let only = OciDescriptor::new(media_type, suiting.digest, suiting.size);
                let only = OciIndex { schema_version: 2, media_type: String::new(), manifests: vec![only] };
                of_index(spool, &only, name, depth + 1, images)?;
            }
        }
    }
    Ok(())
}

/// Reads the name that an archive gives an image. A digest names one content for ever, and only who fetches it by that digest knows
/// that this is it.
fn parse(text: &str) -> Result<Reference, ArchiveError> {
    let reference: Reference =
        text.parse().map_err(|error| ArchiveError::Lookup(LookupError::Reference(error)))?;
    match reference.digest() {
        None => Ok(reference),
        Some(_) => {
            Err(invalid(format!("invalid tag {text:?}: an archive names images by tags, not by digests")))
        }
    }
}

fn blob_name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The chunks of an upload as a file.
struct Upload {
    rx: mpsc::Receiver<io::Result<Bytes>>,
    chunk: Bytes,
}

impl Read for Upload {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.rx.blocking_recv() {
                Some(chunk) => self.chunk = chunk?,
                None => return Ok(0),
            }
        }
        let len = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..len]);
        Ok(len)
    }
}
