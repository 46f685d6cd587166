//! Calls about the images of a node.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::Method;
use serde::Deserialize;

use super::archive::{Download, Upload};
use super::call::{Call, object};
use super::messages::Messages;
use super::{Client, ClientError, Filters, Pruned};

/// One row of the list of images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageSummary {
    /// The digest of its configuration.
    pub id: String,
    /// Docker's `ParentId`.
    pub parent_id: String,
    /// `name:tag`.
    pub repo_tags: Vec<String>,
    /// `name@digest`.
    pub repo_digests: Vec<String>,
    /// Unix seconds.
    pub created: i64,
    /// Bytes of all layers.
    pub size: i64,
    /// Bytes of the layers that other images have too; -1 if nobody counted.
    pub shared_size: i64,
    /// Containers made of it; -1 if nobody counted.
    pub containers: i64,
    /// Docker's `Labels`.
    pub labels: BTreeMap<String, String>,
}

/// One step of how an image was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HistoryStep {
    /// `<missing>`, or the image.
    pub id: String,
    /// Unix seconds.
    pub created: i64,
    /// The command.
    pub created_by: String,
    /// Docker's `Tags`.
    pub tags: Vec<String>,
    /// Bytes of its layer.
    pub size: i64,
    /// Docker's `Comment`.
    pub comment: String,
}

/// One consequence of removing an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageRemoved {
    /// A reference that is gone.
    pub untagged: String,
    /// A digest that is gone.
    pub deleted: String,
}

/// A message of a stream of progress: a pull, a load.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Progress {
    /// The layer it is about.
    pub id: String,
    /// What happens.
    pub status: String,
    /// How far it is.
    pub progress_detail: Option<ProgressDetail>,
    /// Text to print as it is.
    pub stream: String,
    /// Why it cannot go on.
    pub error: String,
    /// The same, with a code.
    pub error_detail: Option<ErrorDetail>,
}

/// How far something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProgressDetail {
    /// Bytes so far.
    pub current: i64,
    /// All bytes, if they are known.
    pub total: i64,
}

/// Why a stream of progress cannot go on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ErrorDetail {
    /// The daemon's sentence.
    pub message: String,
}

fn path(reference: &str, rest: &str) -> Result<String, ClientError> {
    object("images", "image", reference, rest)
}

impl Client {
    /// Lists images.
    pub async fn images(&self, all: bool, filters: &Filters) -> Result<Vec<ImageSummary>, ClientError> {
        let call = Call::get("/images/json").flag("all", all).query("filters", filters.render());
        self.json(call).await
    }

    /// Everything the daemon knows of an image, as it wrote it.
    pub async fn inspect_image(&self, reference: &str, platform: &str) -> Result<Bytes, ClientError> {
        self.bytes(Call::get(path(reference, "/json")?).query("platform", platform)).await
    }

    /// How an image was made, the newest step first.
    pub async fn image_history(
        &self,
        reference: &str,
        platform: &str,
    ) -> Result<Vec<HistoryStep>, ClientError> {
        self.json(Call::get(path(reference, "/history")?).query("platform", platform)).await
    }

    /// Downloads an image from its registry. `tag` is a tag or a digest.
    pub async fn pull_image(
        &self,
        name: &str,
        tag: &str,
        platform: &str,
        auth: Option<&str>,
    ) -> Result<Messages<Progress>, ClientError> {
        let call = Call::new(Method::POST, "/images/create")
            .query("fromImage", name)
            .query("tag", tag)
            .query("platform", platform)
            .auth(auth);
        Ok(Messages::new("/images/create".to_owned(), self.stream(call).await?))
    }

    /// Gives an image another name.
    pub async fn tag_image(&self, source: &str, name: &str, tag: &str) -> Result<(), ClientError> {
        let call = Call::new(Method::POST, path(source, "/tag")?).query("repo", name).query("tag", tag);
        self.done(call).await
    }

    /// Removes a name of an image, and the image with its last name.
    pub async fn remove_image(
        &self,
        reference: &str,
        force: bool,
        no_prune: bool,
    ) -> Result<Vec<ImageRemoved>, ClientError> {
        let call =
            Call::new(Method::DELETE, path(reference, "")?).flag("force", force).flag("noprune", no_prune);
        self.json(call.patient()).await
    }

    /// Removes images that nothing needs.
    pub async fn prune_images(&self, filters: &Filters) -> Result<Pruned, ClientError> {
        let call = Call::new(Method::POST, "/images/prune").query("filters", filters.render());
        self.json(call.patient()).await
    }

    /// Reads images out of an archive.
    pub async fn load_images(
        &self,
        archive: Upload,
        quiet: bool,
        platform: &str,
    ) -> Result<Messages<Progress>, ClientError> {
        let call = Call::new(Method::POST, "/images/load")
            .query("quiet", if quiet { "1" } else { "0" })
            .query("platform", platform)
            .upload(archive.into_payload());
        Ok(Messages::new("/images/load".to_owned(), self.stream(call).await?))
    }

    /// Packs images into an archive.
    pub async fn save_images(&self, references: &[String], platform: &str) -> Result<Download, ClientError> {
        let call = references.iter().fold(Call::get("/images/get"), |call, name| call.query("names", name));
        let (response, connection) = self.stream(call.query("platform", platform).patient()).await?;
        Ok(Download::new(response.into_body(), connection))
    }
}
