//! The documents a registry serves for an image: indexes and manifests, Docker's (schema 2) and OCI's.
//!
//! Decides what Skep accepts as a container image and which entry of an index suits a platform. The bytes as served
//! are what digests name and what the store keeps; these types are only a reading of them. Configurations are in
//! `config.rs`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::config::or_default;
use super::digest::Digest;
use super::platform::Platform;

/// What is asked for when a manifest is fetched, most wanted first.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";

const INDEX_TYPES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const MANIFEST_TYPES: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
/// The last one is what Docker 1.10 wrote (moby issue 22378).
const CONFIG_TYPES: [&str; 3] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    "application/octet-stream",
];
/// The compression is found in the bytes, so only the kind of content matters here.
const LAYER_TYPES: [&str; 7] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
];
/// More layers than Docker ever allowed (127), and well below overlayfs's own bound (500).
pub(super) const LAYERS_MAX: usize = 256;
/// Entries of an index; the largest published ones have about fifty.
const INDEX_ENTRIES_MAX: usize = 1024;

/// Points at content: its type, its digest and its size in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the content is.
    #[serde(default, deserialize_with = "or_default")]
    pub media_type: String,
    /// Which content it is.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
}

/// One variant in an index.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    #[serde(flatten)]
    pub descriptor: Descriptor,
    platform: Option<Platform>,
    #[serde(default, deserialize_with = "or_default")]
    annotations: BTreeMap<String, String>,
}

/// A list of variants of one image.
#[derive(Debug)]
pub(super) struct Index {
    pub media_type: String,
    pub entries: Vec<Entry>,
}

/// One variant: a configuration and layers, bottom first.
#[derive(Debug)]
pub(super) struct Manifest {
    pub media_type: String,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

/// What a manifest request may return.
#[derive(Debug)]
pub(super) enum Document {
    Index(Index),
    Manifest(Manifest),
}

/// Why a document is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    MediaType(String),
    Invalid(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: u32,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Entry>>,
}

impl Document {
    /// Reads a document; `served_as` is the media type of the HTTP answer, used where the document names none.
    pub fn parse(bytes: &[u8], served_as: &str) -> Result<Self, Rejected> {
        let raw: Raw = serde_json::from_slice(bytes).map_err(|error| match served_as {
            "application/vnd.docker.distribution.manifest.v1+prettyjws"
            | "application/vnd.docker.distribution.manifest.v1+json" => {
                Rejected::MediaType(served_as.to_owned())
            }
            _ => Rejected::Invalid(error.to_string()),
        })?;
        if raw.schema_version != 2 {
            return Err(Rejected::MediaType(format!("schema version {}", raw.schema_version)));
        }
        let media_type = raw.media_type.unwrap_or_else(|| served_as.to_owned());
        let generic = !media_type.starts_with("application/vnd.");
        match (raw.manifests, raw.config, raw.layers) {
            (Some(entries), None, None) if generic || INDEX_TYPES.contains(&media_type.as_str()) => {
                bounded(entries.len(), INDEX_ENTRIES_MAX, "entries")?;
                Ok(Self::Index(Index { media_type, entries }))
            }
            (None, Some(config), Some(layers))
                if generic || MANIFEST_TYPES.contains(&media_type.as_str()) =>
            {
                Manifest::checked(media_type, config, layers).map(Self::Manifest)
            }
            // A document that reads as both could mean different content to different readers (CVE-2021-41190).
            (Some(_), _, _) => Err(Rejected::Invalid("both or neither of index and manifest".to_owned())),
            _ => Err(Rejected::MediaType(media_type)),
        }
    }
}

impl Manifest {
    fn checked(media_type: String, config: Descriptor, layers: Vec<Descriptor>) -> Result<Self, Rejected> {
        bounded(layers.len(), LAYERS_MAX, "layers")?;
        if !CONFIG_TYPES.contains(&config.media_type.as_str()) {
            return Err(Rejected::MediaType(config.media_type));
        }
        match layers.iter().find(|layer| !LAYER_TYPES.contains(&layer.media_type.as_str())) {
            Some(layer) => Err(Rejected::MediaType(layer.media_type.clone())),
            None => Ok(Self { media_type, config, layers }),
        }
    }
}

fn bounded(count: usize, max: usize, what: &str) -> Result<(), Rejected> {
    if count > max {
        return Err(Rejected::Invalid(format!("{count} {what}, at most {max} are allowed")));
    }
    Ok(())
}

impl Index {
    /// Returns the entry that suits `platform` best; the first of equals.
    pub fn select(&self, platform: &Platform) -> Option<&Descriptor> {
        let suiting = self.entries.iter().filter(|entry| !entry.is_attestation()).rev();
        suiting
            .filter_map(|entry| Some((platform.suits(entry.platform.as_ref()?)?, &entry.descriptor)))
            .max_by_key(|(fit, _)| *fit)
            .map(|(_, descriptor)| descriptor)
    }

    /// Returns the platforms the image was built for, in the order of the index.
    pub fn platforms(&self) -> Vec<Platform> {
        let images = self.entries.iter().filter(|entry| !entry.is_attestation());
        images.filter_map(|entry| entry.platform.clone()).collect()
    }
}

impl Entry {
    /// Build attestations sit in an index as manifests that nothing can run.
    fn is_attestation(&self) -> bool {
        let unknown =
            self.platform.as_ref().is_some_and(|p| p.os == "unknown" && p.architecture == "unknown");
        unknown || self.annotations.contains_key("vnd.docker.reference.type")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn descriptor(media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": Digest::of(media_type.as_bytes()), "size": 1})
    }

    fn parse(document: &Value) -> Result<Document, Rejected> {
        Document::parse(document.to_string().as_bytes(), "application/json")
    }

    #[test]
    fn docker_and_oci_manifests_are_images() {
        for at in 0..2 {
            let layers: Vec<Value> = LAYER_TYPES.iter().map(|media_type| descriptor(media_type)).collect();
            let document = json!({"schemaVersion": 2, "mediaType": MANIFEST_TYPES[at],
                                  "config": descriptor(CONFIG_TYPES[at]), "layers": layers});
            let Document::Manifest(manifest) = parse(&document).unwrap() else { panic!("an index") };
            assert_eq!(manifest.layers.len(), LAYER_TYPES.len());
        }
    }

    #[test]
    fn what_is_not_an_image_is_named() {
        let chart = "application/vnd.cncf.helm.config.v1+json";
        let artifact = json!({"schemaVersion": 2, "config": descriptor(chart), "layers": []});
        assert_eq!(parse(&artifact).unwrap_err(), Rejected::MediaType(chart.to_owned()));
        let old = json!({"schemaVersion": 1, "fsLayers": []});
        assert!(matches!(parse(&old), Err(Rejected::MediaType(_))));
        let both =
            json!({"schemaVersion": 2, "config": descriptor(CONFIG_TYPES[0]), "layers": [], "manifests": []});
        assert!(matches!(parse(&both), Err(Rejected::Invalid(_))));
        let many = vec![descriptor(LAYER_TYPES[0]); LAYERS_MAX + 1];
        let tall = json!({"schemaVersion": 2, "config": descriptor(CONFIG_TYPES[0]), "layers": many});
        assert!(matches!(parse(&tall), Err(Rejected::Invalid(_))));
    }

    #[test]
    fn an_index_offers_platforms_without_attestations() {
        let entry = |arch: &str, variant: Value, os: &str| {
            let mut entry = descriptor(&format!("{arch}{variant}"));
            entry["platform"] = json!({"architecture": arch, "os": os, "variant": variant});
            entry
        };
        let mut attestation = entry("amd64", Value::Null, "linux");
        attestation["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
        let entries = json!([
            attestation,
            entry("arm", json!("v6"), "linux"),
            entry("arm", json!("v7"), "linux"),
            entry("unknown", Value::Null, "unknown"),
            entry("amd64", Value::Null, "linux"),
        ]);
        let document = json!({"schemaVersion": 2, "mediaType": INDEX_TYPES[0], "manifests": entries});
        let Document::Index(index) = parse(&document).unwrap() else { panic!("a manifest") };
        assert_eq!(index.platforms().len(), 3);
        let arm = Platform { os: "linux".into(), architecture: "arm".into(), variant: None };
        assert_eq!(index.select(&arm), Some(&index.entries[2].descriptor));
        let riscv = Platform { os: "linux".into(), architecture: "riscv64".into(), variant: None };
        assert_eq!(index.select(&riscv), None);
    }
}
