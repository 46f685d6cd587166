//! Container images made by hand: real programs of this machine, in OCI layers, pushed to a real registry.
//!
//! Nothing is downloaded. [`layer`] writes tar files entry by entry (so that a test can write an evil one),
//! [`program`] finds the shared libraries of a program, [`catalogue`] holds the images most tests use, and
//! [`push`] speaks the registry's HTTP API.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

mod catalogue;
mod layer;
mod program;
mod push;

pub use catalogue::{REDIS_NEW, REDIS_OLD, busybox, of_program, redis};
pub use layer::{Entry, Layer};

use crate::http::Http;
use layer::digest;

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// An image: its layers, bottom first, and its configuration.
#[derive(Debug, Clone)]
pub struct Image {
    /// The repository's name below the registry, `redis` for example.
    pub name: String,
    pub tag: String,
    layers: Vec<Layer>,
    config: Value,
}

impl Image {
    /// Makes an image without layers and with Docker's usual search path.
    pub fn new(name: &str, tag: &str) -> Self {
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        Self { name: name.into(), tag: tag.into(), layers: Vec::new(), config: json!({"Env": [path]}) }
    }

    /// Gives the image another name and tag.
    pub fn named(mut self, name: &str, tag: &str) -> Self {
        self.name = name.into();
        self.tag = tag.into();
        self
    }

    /// Puts a layer on top.
    pub fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// Sets one key of the image's `config`, `Cmd` or `WorkingDir` for example.
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.config[key] = value.into();
        self
    }

    /// Sets Docker's health check: a shell command and its interval; three failures make it unhealthy.
    pub fn healthcheck(self, command: &str, interval: Duration) -> Self {
        let nanoseconds = u64::try_from(interval.as_nanos()).expect("an interval of less than centuries");
        let timeout = 5_000_000_000u64;
        let check = json!({"Test": ["CMD-SHELL", command], "Interval": nanoseconds, "Timeout": timeout, "Retries": 3});
        self.with("Healthcheck", check)
    }

    /// Returns `NAME:TAG`.
    pub fn reference(&self) -> String {
        format!("{}:{}", self.name, self.tag)
    }

    /// Returns the bytes of the configuration blob.
    fn config_blob(&self) -> Vec<u8> {
        let diff_ids: Vec<&str> = self.layers.iter().map(Layer::diff_id).collect();
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let history: Vec<Value> = self.layers.iter().map(|_| json!({"created_by": "skep-tests"})).collect();
        let config = json!({
            "architecture": architecture, "os": "linux", "created": "2024-01-01T00:00:00Z",
            "config": self.config, "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history,
        });
        config.to_string().into_bytes()
    }

    /// Returns the bytes of the manifest.
    fn manifest(&self) -> Vec<u8> {
        let config = self.config_blob();
        let layers: Vec<Value> = self
            .layers
            .iter()
            .map(|layer| json!({"mediaType": LAYER_TYPE, "digest": layer.digest(), "size": layer.blob().len()}))
            .collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": digest(&config), "size": config.len()},
            "layers": layers,
        });
        manifest.to_string().into_bytes()
    }

    /// Returns the digest of the manifest, which is the image's name in `NAME@sha256:…`.
    pub fn digest(&self) -> String {
        digest(&self.manifest())
    }

    /// Uploads the image to the registry behind `http`; what is there already is not sent again.
    pub fn push(&self, http: &mut Http, authorization: Option<&str>) -> Result<()> {
        push::push(self, http, authorization)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_names_what_it_holds() {
        let image = Image::new("a", "1")
            .layer(Layer::of([Entry::file("x", b"1")]).unwrap())
            .with("Cmd", json!(["x"]));
        let manifest: Value = serde_json::from_slice(&image.manifest()).unwrap();
        assert_eq!(manifest["layers"][0]["digest"], image.layers[0].digest());
        assert_eq!(manifest["config"]["digest"], digest(&image.config_blob()).as_str());
        let config: Value = serde_json::from_slice(&image.config_blob()).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], image.layers[0].diff_id());
        assert_eq!(config["config"]["Cmd"][0], "x");
    }

    #[test]
    fn the_same_image_has_the_same_digest() {
        let make = || Image::new("a", "1").layer(Layer::of([Entry::file("x", b"1")]).unwrap());
        assert_eq!(make().digest(), make().digest());
        assert_ne!(make().digest(), make().with("User", "1").digest());
    }
}
