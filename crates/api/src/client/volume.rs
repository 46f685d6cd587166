//! Calls about the volumes of a node.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::Method;
use serde::{Deserialize, Serialize};

use super::call::{Call, object};
use super::{Client, ClientError, Filters, Pruned};

/// One volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Volume {
    /// Docker's `Name`.
    pub name: String,
    /// Docker's `Driver`.
    pub driver: String,
    /// Its directory on the host.
    pub mountpoint: String,
    /// Docker's `Labels`.
    pub labels: BTreeMap<String, String>,
    /// `local` or `global`.
    pub scope: String,
    /// What it takes up, where that was asked for.
    pub usage_data: Option<VolumeUsage>,
}

/// What a volume takes up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumeUsage {
    /// Bytes; -1 if nobody counted.
    pub size: i64,
    /// Containers that mount it; -1 if nobody counted.
    pub ref_count: i64,
}

/// A volume to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeRequest {
    /// Docker's `Driver`.
    pub driver: String,
    /// What the driver is told.
    pub driver_opts: BTreeMap<String, String>,
    /// Docker's `Labels`.
    pub labels: BTreeMap<String, String>,
    /// Empty: the daemon finds one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
}

/// The list of volumes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Volumes {
    /// In no order.
    pub volumes: Vec<Volume>,
    /// What the daemon wants to be known besides.
    pub warnings: Vec<String>,
}

fn path(name: &str) -> Result<String, ClientError> {
    object("volumes", "volume", name, "")
}

impl Client {
    /// Lists volumes.
    pub async fn volumes(&self, filters: &Filters) -> Result<Volumes, ClientError> {
        self.json(Call::get("/volumes").query("filters", filters.render())).await
    }

    /// Makes a volume, or finds the one of that name.
    pub async fn create_volume(&self, request: &VolumeRequest) -> Result<Volume, ClientError> {
        self.json(Call::post("/volumes/create", request)).await
    }

    /// Everything the daemon knows of a volume, as it wrote it.
    pub async fn inspect_volume(&self, name: &str) -> Result<Bytes, ClientError> {
        self.bytes(Call::get(path(name)?)).await
    }

    /// Removes a volume with its data.
    pub async fn remove_volume(&self, name: &str, force: bool) -> Result<(), ClientError> {
        self.done(Call::new(Method::DELETE, path(name)?).flag("force", force)).await
    }

    /// Removes volumes that nothing mounts.
    pub async fn prune_volumes(&self, filters: &Filters) -> Result<Pruned, ClientError> {
        let call = Call::new(Method::POST, "/volumes/prune").query("filters", filters.render());
        self.json(call.patient()).await
    }
}
