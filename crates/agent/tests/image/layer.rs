//! Layers and images made by hand.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};
use skep_agent::image::Digest;
use tar::{EntryType, Header};

/// An uncompressed layer in the making.
pub struct Layer {
    archive: tar::Builder<Vec<u8>>,
}

/// What an entry says about itself.
#[derive(Clone)]
pub struct Entry<'a> {
    pub kind: EntryType,
    pub path: &'a str,
    pub link: &'a str,
    pub mode: u32,
    pub owner: (u64, u64),
    pub modified_at: u64,
    pub content: &'a [u8],
    pub device: (u32, u32),
    /// PAX records.
    pub records: &'a [(&'a str, &'a [u8])],
}

pub fn entry(kind: EntryType, path: &str) -> Entry<'_> {
    Entry {
        kind,
        path,
        link: "",
        mode: 0o644,
        owner: (0, 0),
        modified_at: 1_000_000_000,
        content: b"",
        device: (0, 0),
        records: &[],
    }
}

impl Layer {
    pub fn new() -> Self {
        Self { archive: tar::Builder::new(Vec::new()) }
    }

    /// Adds an entry exactly as described: the archive library's own care for names is what a liar goes without.
    pub fn entry(mut self, entry: Entry<'_>) -> Self {
        if !entry.records.is_empty() {
            self.archive.append_pax_extensions(entry.records.iter().copied()).unwrap();
        }
        let mut header = Header::new_ustar();
        fill(&mut header.as_old_mut().name, entry.path);
        fill(&mut header.as_old_mut().linkname, entry.link);
        header.set_entry_type(entry.kind);
        header.set_mode(entry.mode);
        header.set_uid(entry.owner.0);
        header.set_gid(entry.owner.1);
        header.set_mtime(entry.modified_at);
        header.set_size(entry.content.len() as u64);
        header.set_device_major(entry.device.0).unwrap();
        header.set_device_minor(entry.device.1).unwrap();
        header.set_cksum();
        self.archive.append(&header, entry.content).unwrap();
        self
    }

    pub fn file(self, path: &str, content: &str) -> Self {
        self.entry(Entry { content: content.as_bytes(), ..entry(EntryType::Regular, path) })
    }

    pub fn dir(self, path: &str) -> Self {
        self.entry(Entry { mode: 0o755, ..entry(EntryType::Directory, path) })
    }

    pub fn symlink(self, path: &str, link: &str) -> Self {
        self.entry(Entry { link, ..entry(EntryType::Symlink, path) })
    }

    pub fn hardlink(self, path: &str, link: &str) -> Self {
        self.entry(Entry { link, ..entry(EntryType::Link, path) })
    }

    pub fn finish(self) -> Vec<u8> {
        self.archive.into_inner().unwrap()
    }
}

fn fill(field: &mut [u8], text: &str) {
    field.fill(0);
    field[..text.len()].copy_from_slice(text.as_bytes());
}

/// How a layer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    fn apply(self, archive: &[u8]) -> Vec<u8> {
        match self {
            Self::None => archive.to_vec(),
            Self::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(archive).unwrap();
                encoder.finish().unwrap()
            }
            Self::Zstd => zstd::encode_all(archive, 3).unwrap(),
        }
    }

    fn media_type(self) -> String {
        let suffix = match self {
            Self::None => "",
            Self::Gzip => "+gzip",
            Self::Zstd => "+zstd",
        };
        format!("application/vnd.oci.image.layer.v1.tar{suffix}")
    }
}

/// An image as a registry holds it.
#[derive(Clone)]
pub struct Built {
    pub manifest: Vec<u8>,
    pub media_type: String,
    pub config: Digest,
    /// The compressed layers, bottom first.
    pub layers: Vec<Digest>,
    pub blobs: BTreeMap<Digest, Vec<u8>>,
}

impl Built {
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest)
    }
}

/// Builds a gzipped OCI image out of uncompressed layers.
pub fn image(layers: &[Vec<u8>]) -> Built {
    image_with(layers, Compression::Gzip, json!({"config": {"Cmd": ["sh"]}}))
}

/// Builds an OCI image; `config` may say anything but the layers.
pub fn image_with(layers: &[Vec<u8>], compression: Compression, mut config: Value) -> Built {
    let mut blobs = BTreeMap::new();
    let mut add = |bytes: Vec<u8>, media_type: &str| {
        let digest = Digest::of(&bytes);
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
        blobs.insert(digest, bytes);
        (digest, descriptor)
    };
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| Digest::of(layer)).collect();
    if config["rootfs"].is_null() {
        config["rootfs"] = json!({"type": "layers", "diff_ids": diff_ids});
    }
    let media_type = compression.media_type();
    let layers: Vec<(Digest, Value)> =
        layers.iter().map(|layer| add(compression.apply(layer), &media_type)).collect();
    let (config, config_descriptor) =
        add(config.to_string().into_bytes(), "application/vnd.oci.image.config.v1+json");
    let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
    let descriptors: Vec<&Value> = layers.iter().map(|(_, descriptor)| descriptor).collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": media_type,
                          "config": config_descriptor, "layers": descriptors});
    let layers = layers.into_iter().map(|(digest, _)| digest).collect();
    Built { manifest: manifest.to_string().into_bytes(), media_type, config, layers, blobs }
}

/// Builds an index of `variants`, each with its platform's JSON.
pub fn index(variants: &[(&Built, Value)]) -> (Vec<u8>, String) {
    let media_type = "application/vnd.oci.image.index.v1+json".to_owned();
    let manifests: Vec<Value> = variants
        .iter()
        .map(|(built, platform)| {
            json!({"mediaType": built.media_type, "digest": built.digest(),
                   "size": built.manifest.len(), "platform": platform})
        })
        .collect();
    let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests});
    (index.to_string().into_bytes(), media_type)
}
