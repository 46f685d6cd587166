//! What the server asks of a node's images and volumes.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use skep_model::template::RegistryAuth;

use super::super::facts::{
    Distribution, Fault, HistoryStep, ImageDetail, ImageFacts, ImageRemoval, LoadStep, NewVolume,
    PruneFilter, Pruned, PullRequest, PullStep, VolumeFacts,
};
use super::{Download, Upload};

/// Images of this node, and the registries they come from. References are as typed: names, digests, ids.
pub trait Images: Send + Sync {
    /// Returns the images of this node, newest first.
    fn images(&self) -> BoxFuture<'_, Result<Vec<ImageFacts>, Fault>>;

    fn image<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<ImageDetail, Fault>>;

    /// Returns the bytes of all layers, shared ones once.
    fn layers_size(&self) -> BoxFuture<'_, Result<i64, Fault>>;

    /// Returns how the image was made, newest step first.
    fn image_history<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<Vec<HistoryStep>, Fault>>;

    /// Fetches an image. A failure is the last item; dropping the stream gives up.
    fn pull(&self, request: PullRequest) -> BoxStream<'static, Result<PullStep, Fault>>;

    fn tag_image<'a>(&'a self, source: &'a str, target: &'a str) -> BoxFuture<'a, Result<(), Fault>>;

    /// Takes a reference away, and the image with its last one.
    fn remove_image<'a>(
        &'a self,
        reference: &'a str,
        force: bool,
    ) -> BoxFuture<'a, Result<Vec<ImageRemoval>, Fault>>;

    /// Removes what no container, and no recent revision of a service, needs.
    fn prune_images(&self, filter: PruneFilter) -> BoxFuture<'_, Result<Pruned<ImageRemoval>, Fault>>;

    /// Reads images from an archive, compressed or not.
    fn load_images(&self, archive: Upload) -> BoxStream<'static, Result<LoadStep, Fault>>;

    /// Packs images into one archive.
    fn save_images(&self, references: Vec<String>) -> BoxFuture<'_, Result<Download, Fault>>;

    /// Asks the registry what a reference names. Bounded in time: every `service create` waits for it.
    fn distribution(
        &self,
        image: String,
        auth: Option<RegistryAuth>,
    ) -> BoxFuture<'_, Result<Distribution, Fault>>;

    /// Asks a registry whether it takes these credentials; returns its identity token, mostly empty.
    fn login(&self, credentials: Credentials) -> BoxFuture<'_, Result<String, Fault>>;
}

/// Who somebody claims to be, for one registry. Its debug form hides the secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub password: String,
    pub identity_token: String,
    /// As typed: `host[:port]`, or the address that `/info` gives for Docker's own.
    pub server: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({} at {})", self.username, self.server)
    }
}

/// Volumes of this node, by their exact names.
pub trait Volumes: Send + Sync {
    /// Returns the volumes of this node, in the order of their names.
    fn volumes(&self) -> BoxFuture<'_, Result<Vec<VolumeFacts>, Fault>>;

    fn volume<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<VolumeFacts, Fault>>;

    /// Makes a volume, or returns the one there is, if it is the same.
    fn create_volume(&self, new: NewVolume) -> BoxFuture<'_, Result<VolumeFacts, Fault>>;

    /// Removes a volume that no container has.
    fn remove_volume<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Fault>>;

    /// Removes volumes that no container has; returns their names.
    fn prune_volumes(&self, filter: PruneFilter) -> BoxFuture<'_, Result<Pruned<String>, Fault>>;

    /// Measures all volumes, in bytes by name; reads every directory of them.
    fn volume_sizes(&self) -> BoxFuture<'_, Result<BTreeMap<String, i64>, Fault>>;
}
