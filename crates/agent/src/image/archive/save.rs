//! Writes images into one archive.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio::sync::mpsc;

use super::ArchiveError;
use super::manifest::{
    DockerEntry, NAME_ANNOTATION, OCI_CONFIG, OCI_INDEX, OCI_LAYOUT, OCI_MANIFEST, OciDescriptor, OciIndex,
    OciManifest, TAG_ANNOTATION, layer_type,
};
use crate::image::digest::Digest;
use crate::image::error::PullError;
use crate::image::names::{LookupError, Named, find};
use crate::image::reference::Reference;
use crate::image::store::{Inner, Pins, Store};

/// Bytes handed on at a time.
const CHUNK_LEN: usize = 128 << 10;
/// Chunks that wait for a slow reader.
const CHUNKS_MAX: usize = 8;

/// An image to save and the names that it is saved under.
struct Chosen {
    id: Digest,
    names: Vec<Reference>,
}

/// What goes into the archive, found before the first byte is sent.
struct Plan {
    /// Blobs by the digest that names them in the archive.
    blobs: BTreeSet<Digest>,
    /// Documents that are not blobs of the store.
    documents: BTreeMap<Digest, Vec<u8>>,
    docker: Vec<DockerEntry>,
    index: OciIndex,
    /// Keeps everything from being collected meanwhile.
    _pins: Pins,
}

impl Store {
    /// Packs the images that `names` name into one archive. A name saves its own tag, an id saves none.
    pub async fn save(
        &self,
        names: Vec<String>,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, ArchiveError> {
        let inner = Arc::clone(&self.inner);
        let plan = crate::image::sync::blocking(move || inner.plan(&names)).await?;
        let (tx, mut rx) = mpsc::channel(CHUNKS_MAX);
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || {
            let mut pipe = Pipe { tx: tx.clone(), chunk: Vec::with_capacity(CHUNK_LEN) };
            let written = inner.write_archive(&plan, &mut pipe).and_then(|()| pipe.flush());
            if let Err(error) = written {
                // An error here means that the reader went away, and nobody is left to hear of it.
                drop(tx.blocking_send(Err(error)));
            }
        });
        Ok(stream::poll_fn(move |context| rx.poll_recv(context)).boxed())
    }
}

impl Inner {
    fn plan(self: &Arc<Self>, names: &[String]) -> Result<Plan, ArchiveError> {
        let chosen = self.look(|index| {
            let mut chosen: Vec<Chosen> = Vec::new();
            for text in names {
                let named = find(index, text)?;
                let name = match &named {
                    Named::Reference(reference, _) => Some(reference.clone()),
                    Named::Id(_) => None,
                };
                let name = name.filter(|reference| reference.digest().is_none());
                match chosen.iter_mut().find(|image| image.id == named.id()) {
                    Some(image) => image.names.extend(name),
                    None => chosen.push(Chosen { id: named.id(), names: name.into_iter().collect() }),
                }
            }
            Ok::<_, LookupError>(chosen)
        })?;
        let mut plan = Plan {
            blobs: BTreeSet::new(),
            documents: BTreeMap::new(),
            docker: Vec::new(),
            index: OciIndex { schema_version: 2, media_type: OCI_INDEX.to_owned(), manifests: Vec::new() },
            _pins: self.pin(chosen.iter().map(|image| image.id)),
        };
        for image in &chosen {
            self.plan_image(image, &mut plan)?;
        }
        Ok(plan)
    }

    fn plan_image(&self, image: &Chosen, plan: &mut Plan) -> Result<(), ArchiveError> {
        let gone = || LookupError::NoSuchImage(image.id.to_string());
        let chains =
            self.look(|index| index.record(image.id).map(|record| record.layers.clone())).ok_or_else(gone)?;
        let mut layers = Vec::with_capacity(chains.len());
        for (at, chain) in chains.iter().enumerate() {
            let digest = self.archive_of(*chain, at).ok_or_else(|| ArchiveError::NotKept {
                image: image.id.to_string(),
                layer: chain.to_string(),
            })?;
            plan._pins.add([digest]);
            layers.push(self.layer_descriptor(digest)?);
        }
        let config_len = self.blobs.len(image.id).ok_or_else(gone)?;
        plan.blobs.extend(layers.iter().map(|layer| layer.digest));
        plan.blobs.insert(image.id);
        plan.docker.push(DockerEntry {
            config: blob_name(image.id),
            repo_tags: image.names.iter().map(Reference::familiar).collect(),
            layers: layers.iter().map(|layer| blob_name(layer.digest)).collect(),
        });
        let manifest = OciManifest {
            schema_version: 2,
            media_type: OCI_MANIFEST,
            config: OciDescriptor::new(OCI_CONFIG, image.id, config_len),
            layers,
        };
        let manifest = serde_json::to_vec(&manifest).expect("a manifest is made of texts and numbers");
        let digest = Digest::of(&manifest);
        let plain = OciDescriptor::new(OCI_MANIFEST, digest, manifest.len() as u64);
        plan.documents.insert(digest, manifest);
        if image.names.is_empty() {
            plan.index.manifests.push(plain);
            return Ok(());
        }
        plan.index.manifests.extend(image.names.iter().map(|name| named(&plain, name)));
        Ok(())
    }

    /// Finds an archive of a layer: of this image, or of another with the same stack.
    fn archive_of(&self, chain: Digest, at: usize) -> Option<Digest> {
        let found: Vec<Digest> = self.look(|index| {
            let has = |layers: &[Digest]| layers.get(at) == Some(&chain);
            let records = index.records().filter(|(_, record)| has(&record.layers));
            records.filter_map(|(_, record)| record.archives.get(at).copied()).collect()
        });
        found.into_iter().find(|digest| self.blobs.exists(*digest))
    }

    pub(super) fn layer_descriptor(&self, digest: Digest) -> Result<OciDescriptor, ArchiveError> {
        let path = self.blobs.path(digest);
        let read = || -> io::Result<OciDescriptor> {
            let mut file = File::open(&path)?;
            let len = file.metadata()?.len();
            let mut magic = Vec::with_capacity(6);
            (&mut file).take(6).read_to_end(&mut magic)?;
            Ok(OciDescriptor::new(layer_type(&magic), digest, len))
        };
        read().map_err(|error| PullError::storage("read", &path)(error).into())
    }

    fn write_archive(&self, plan: &Plan, out: &mut impl Write) -> io::Result<()> {
        let mut tar = tar::Builder::new(out);
        directory(&mut tar, "blobs/")?;
        directory(&mut tar, "blobs/sha256/")?;
        for (digest, document) in &plan.documents {
            file(&mut tar, &blob_name(*digest), document)?;
        }
        for digest in &plan.blobs {
            let mut blob = File::open(self.blobs.path(*digest))?;
            let mut header = header(blob.metadata()?.len(), 0o644);
            tar.append_data(&mut header, blob_name(*digest), &mut blob)?;
        }
        let json = |value: serde_json::Result<Vec<u8>>| value.map_err(io::Error::other);
        file(&mut tar, "index.json", &json(serde_json::to_vec(&plan.index))?)?;
        file(&mut tar, "manifest.json", &json(serde_json::to_vec(&plan.docker))?)?;
        file(&mut tar, "oci-layout", OCI_LAYOUT.as_bytes())?;
        tar.finish()
    }
}

fn named(plain: &OciDescriptor, name: &Reference) -> OciDescriptor {
    let mut descriptor = plain.clone();
    descriptor.annotations.insert(NAME_ANNOTATION.to_owned(), name.to_string());
    let tag = name.tag().unwrap_or_default().to_owned();
    descriptor.annotations.insert(TAG_ANNOTATION.to_owned(), tag);
    descriptor
}

fn blob_name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Compat: the same archive of the same images has the same bytes, so nothing in it tells the time.
fn header(len: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(len);
    header.set_mode(mode);
    header.set_mtime(0);
    header
}

fn file(tar: &mut tar::Builder<impl Write>, name: &str, bytes: &[u8]) -> io::Result<()> {
    tar.append_data(&mut header(bytes.len() as u64, 0o644), name, bytes)
}

fn directory(tar: &mut tar::Builder<impl Write>, name: &str) -> io::Result<()> {
    let mut header = header(0, 0o755);
    header.set_entry_type(tar::EntryType::Directory);
    tar.append_data(&mut header, name, io::empty())
}

/// Hands bytes on in chunks; ends with an error when nobody reads any more.
struct Pipe {
    tx: mpsc::Sender<io::Result<Bytes>>,
    chunk: Vec<u8>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(CHUNK_LEN - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..len]);
        if self.chunk.len() == CHUNK_LEN {
            self.flush()?;
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_LEN));
        let sent = self.tx.blocking_send(Ok(Bytes::from(chunk)));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads the archive any more"))
    }
}
