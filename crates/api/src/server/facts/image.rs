//! Images of this node, and what happens while they come and go.

use std::collections::BTreeMap;

use skep_model::template::{Healthcheck, RegistryAuth};
use skep_model::{Labels, Timestamp};

/// An image of this node, for `docker images`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// `sha256:…`
    pub id: String,
    /// Familiar: `redis:7`.
    pub repo_tags: Vec<String>,
    pub repo_digests: Vec<String>,
    pub created_at: Timestamp,
    /// Bytes.
    pub size: i64,
    /// Bytes of layers that other images have, too.
    pub shared_size: i64,
    pub labels: Labels,
    /// How many containers are made of it.
    pub container_count: u64,
}

/// Everything about one image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageDetail {
    pub facts: ImageFacts,
    pub comment: String,
    pub author: String,
    /// In Go's words: `amd64`.
    pub architecture: String,
    pub variant: String,
    pub os: String,
    pub config: ImageConfig,
    /// Of its layers: `overlay`.
    pub driver: String,
    pub driver_data: BTreeMap<String, String>,
    /// `sha256:…`, bottom first.
    pub layers: Vec<String>,
    /// Zero if it never got a tag here.
    pub tagged_at: Timestamp,
}

/// What a container of an image runs unless told otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    pub user: String,
    pub exposed_ports: Vec<String>,
    pub env: Vec<String>,
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    pub volumes: Vec<String>,
    pub working_dir: String,
    pub labels: Labels,
    pub stop_signal: String,
    pub healthcheck: Option<Healthcheck>,
    pub shell: Vec<String>,
}

/// One step of the making of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryStep {
    /// Of the image that ends with this step, if it is here.
    pub id: Option<String>,
    pub created_at: Timestamp,
    pub created_by: String,
    pub tags: Vec<String>,
    pub size: i64,
    pub comment: String,
}

/// An image to be fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullRequest {
    /// As typed: with a tag or a digest; a name alone ([`skep_model::reference::is_name_only`]) means every tag of it.
    pub reference: String,
    /// `os/architecture[/variant]`; empty: this node's.
    pub platform: String,
    pub auth: Option<RegistryAuth>,
}

/// What happens while an image is fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullStep {
    /// The registry is asked.
    Began { repository: String, tag: String },
    /// `id` names the layer for the reader: 12 digits.
    Layer { id: String, state: LayerState },
    /// The digest of what the reference named.
    Resolved { digest: String },
    /// The end: whether anything was fetched.
    Ended { is_new: bool, reference: String },
}

/// How far a layer is; sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerState {
    Pulling,
    Waiting,
    Downloading { done: u64, total: u64 },
    Verifying,
    Downloaded,
    Extracting { done: u64, total: u64 },
    Complete,
    AlreadyHere,
}

/// What happens while images are read from an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadStep {
    Layer {
        id: String,
        done: u64,
        total: u64,
    },
    /// An image is here, under this tag, or under its id if the archive gives it none.
    Loaded {
        reference: Option<String>,
        id: String,
    },
}

/// What a removal did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageRemoval {
    Untagged(String),
    Deleted(String),
}
