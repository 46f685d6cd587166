//! Images, and the messages in which their coming is told.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::{Time, zero};
use super::{ContainerConfig, GraphDriver};

/// One row of `GET /images/json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageSummary {
    pub id: String,
    pub parent_id: String,
    pub repo_tags: Vec<String>,
    pub repo_digests: Vec<String>,
    /// Unix seconds.
    pub created: i64,
    pub size: i64,
    /// -1: not counted.
    pub shared_size: i64,
    /// Before API 1.44.
    #[serde(skip_serializing_if = "zero")]
    pub virtual_size: Option<i64>,
    pub labels: Option<BTreeMap<String, String>>,
    /// -1: not counted.
    pub containers: i64,
}

/// Answer of `GET /images/{name}/json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageInspect {
    pub id: String,
    pub repo_tags: Vec<String>,
    pub repo_digests: Vec<String>,
    pub parent: String,
    pub comment: String,
    #[serde(skip_serializing_if = "zero")]
    pub created: String,
    pub docker_version: String,
    pub author: String,
    pub config: ContainerConfig,
    pub architecture: String,
    #[serde(skip_serializing_if = "zero")]
    pub variant: String,
    pub os: String,
    pub size: i64,
    /// Before API 1.44.
    #[serde(skip_serializing_if = "zero")]
    pub virtual_size: Option<i64>,
    pub graph_driver: GraphDriver,
    #[serde(rename = "RootFS")]
    pub root_fs: RootFs,
    pub metadata: ImageMetadata,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RootFs {
    #[serde(rename = "Type")]
    pub kind: String,
    #[serde(skip_serializing_if = "zero")]
    pub layers: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageMetadata {
    pub last_tag_time: Time,
}

/// One element of `GET /images/{name}/history`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageHistory {
    pub id: String,
    /// Unix seconds.
    pub created: i64,
    pub created_by: String,
    pub tags: Option<Vec<String>>,
    pub size: i64,
    pub comment: String,
}

/// One element of the answer of `DELETE /images/{name}`: one of the two.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageDeleted {
    #[serde(skip_serializing_if = "zero")]
    pub untagged: String,
    #[serde(skip_serializing_if = "zero")]
    pub deleted: String,
}

/// Answer of `POST /images/prune`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImagesPruned {
    pub images_deleted: Option<Vec<ImageDeleted>>,
    pub space_reclaimed: u64,
}

/// One message of a stream of progress.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ProgressMessage {
    #[serde(skip_serializing_if = "zero")]
    pub stream: String,
    #[serde(skip_serializing_if = "zero")]
    pub status: String,
    #[serde(skip_serializing_if = "zero")]
    pub progress_detail: Option<ProgressDetail>,
    #[serde(skip_serializing_if = "zero")]
    pub progress: String,
    #[serde(skip_serializing_if = "zero")]
    pub id: String,
    #[serde(skip_serializing_if = "zero")]
    pub error_detail: Option<ProgressError>,
    #[serde(skip_serializing_if = "zero")]
    pub error: String,
    #[serde(skip_serializing_if = "zero")]
    pub aux: Option<Value>,
}

/// Bytes; both absent where nothing is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressDetail {
    #[serde(skip_serializing_if = "zero")]
    pub current: u64,
    #[serde(skip_serializing_if = "zero")]
    pub total: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressError {
    #[serde(skip_serializing_if = "zero")]
    pub code: i64,
    pub message: String,
}

/// Body of `POST /auth`, and what `X-Registry-Auth` holds.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthConfig {
    #[serde(skip_serializing_if = "zero")]
    pub username: String,
    #[serde(skip_serializing_if = "zero")]
    pub password: String,
    #[serde(skip_serializing_if = "zero")]
    pub auth: String,
    #[serde(skip_serializing_if = "zero")]
    pub email: String,
    #[serde(skip_serializing_if = "zero")]
    pub serveraddress: String,
    #[serde(skip_serializing_if = "zero")]
    pub identitytoken: String,
    #[serde(skip_serializing_if = "zero")]
    pub registrytoken: String,
}

impl std::fmt::Debug for AuthConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AuthConfig({} at {})", self.username, self.serveraddress)
    }
}

/// Answer of `POST /auth`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct AuthAnswer {
    pub status: String,
    pub identity_token: String,
}
