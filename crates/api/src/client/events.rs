//! Calls about the daemon as a whole: what happens, what takes up its disk, whether credentials are good.

use std::collections::BTreeMap;

use hyper::Method;
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::messages::Messages;
use super::{Client, ClientError, ContainerSummary, Filters, ImageSummary, Pruned, Volume};

/// Something that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Message {
    /// The action, in the words of old clients.
    #[serde(rename(deserialize = "status"))]
    pub status: String,
    /// The object, in the words of old clients.
    #[serde(rename(deserialize = "id", serialize = "ID"))]
    pub id: String,
    /// The image, in the words of old clients.
    #[serde(rename(deserialize = "from"))]
    pub from: String,
    /// The kind of object.
    #[serde(rename = "Type")]
    pub kind: String,
    /// What happened to it.
    pub action: String,
    /// The object.
    pub actor: Actor,
    /// `swarm` or `local`.
    #[serde(rename(deserialize = "scope"))]
    pub scope: String,
    /// Unix seconds.
    #[serde(rename(deserialize = "time"))]
    pub time: i64,
    /// Unix nanoseconds.
    #[serde(rename(deserialize = "timeNano"))]
    pub time_nano: i64,
}

/// An object that something happened to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Actor {
    /// Its id.
    #[serde(rename = "ID")]
    pub id: String,
    /// What was known of it.
    pub attributes: BTreeMap<String, String>,
}

/// What takes up a daemon's disk.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DiskUsage {
    /// Bytes of all layers of all images.
    pub layers_size: i64,
    /// Images.
    pub images: Vec<ImageSummary>,
    /// Containers.
    pub containers: Vec<ContainerSummary>,
    /// Volumes.
    pub volumes: Vec<Volume>,
}

/// Credentials of a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Credentials {
    /// Docker's `username`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// Docker's `password`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub password: String,
    /// The registry.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub serveraddress: String,
    /// Stands for user name and password.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub identitytoken: String,
}

/// What a registry said to credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct LoginAnswer {
    /// `Login Succeeded`.
    pub status: String,
    /// Stands for user name and password from here on, if it is not empty.
    pub identity_token: String,
}

impl Client {
    /// Follows what happens. `since` and `until` are Unix seconds, perhaps with a fraction, or empty.
    pub async fn events(
        &self,
        since: &str,
        until: &str,
        filters: &Filters,
    ) -> Result<Messages<Message>, ClientError> {
        let call = Call::get("/events")
            .query("since", since)
            .query("until", until)
            .query("filters", filters.render());
        Ok(Messages::new("/events".to_owned(), self.stream(call.patient()).await?))
    }

    /// What takes up the daemon's disk.
    pub async fn disk_usage(&self) -> Result<DiskUsage, ClientError> {
        self.json(Call::get("/system/df")).await
    }

    /// Removes networks that nothing uses.
    pub async fn prune_networks(&self, filters: &Filters) -> Result<Pruned, ClientError> {
        let call = Call::new(Method::POST, "/networks/prune").query("filters", filters.render());
        self.json(call.patient()).await
    }

    /// Empties the cache of builds.
    pub async fn prune_builds(&self, all: bool, filters: &Filters) -> Result<Pruned, ClientError> {
        let call = Call::new(Method::POST, "/build/prune").flag("all", all);
        self.json(call.query("filters", filters.render()).patient()).await
    }

    /// Asks a registry whether it takes the credentials.
    pub async fn check_credentials(&self, credentials: &Credentials) -> Result<LoginAnswer, ClientError> {
        self.json(Call::post("/auth", credentials)).await
    }
}
