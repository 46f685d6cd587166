//! `/system/df`, `/build/prune` and `/auth`: what the disk holds, and whether a registry knows a user.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use jiff::Timestamp;
use serde_json::json;

use super::backend::Credentials;
use super::entry::ApiMinor;
use super::error::Error;
use super::extract::Json;
use super::query::Query;
use super::{Context, reply};
use crate::convert::gate::Minor;
use crate::convert::local::container;
use crate::convert::local::image::{self, Counted};
use crate::wire::local as wire;

const KINDS: [&str; 4] = ["container", "image", "volume", "build-cache"];
/// From this API version on the builder's size is told with its cache.
const BUILDER_SIZE_END: Minor = 42;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/system/df", get(usage))
        .route("/build/prune", post(prune_build))
        .route("/auth", post(login))
}

async fn usage(
    State(context): State<Arc<Context>>,
    Extension(ApiMinor(minor)): Extension<ApiMinor>,
    query: Query,
) -> Result<Response, Error> {
    if let Some(kind) = query.all("type").find(|kind| !KINDS.contains(kind)) {
        return Err(Error::invalid(format!("unknown object type: {kind}")));
    }
    let wants = |kind: &str| query.all("type").next().is_none() || query.all("type").any(|one| one == kind);
    let mut usage = wire::DiskUsage::default();
    if wants("image") {
        let images = context.backend.images().await?;
        let counted = Counted { shared_size: true, containers: true };
        usage.layers_size = context.backend.layers_size().await?;
        usage.images = Some(images.iter().map(|row| image::summary(row, counted, minor)).collect());
    }
    if wants("container") {
        usage.containers = Some(containers(&context).await?);
    }
    if wants("volume") {
        let sizes = context.backend.volume_sizes().await?;
        let volumes = context.backend.volumes().await?.into_iter().map(|row| {
            let size = sizes.get(&row.name).copied().unwrap_or(-1);
            image::volume(row, Some(size))
        });
        usage.volumes = Some(volumes.collect());
    }
    // Nothing is ever built here.
    usage.build_cache = (wants("build-cache") && minor >= BUILDER_SIZE_END).then(Vec::new);
    usage.builder_size = (minor < BUILDER_SIZE_END).then_some(0);
    Ok(reply::json(&usage))
}

async fn containers(context: &Context) -> Result<Vec<wire::ContainerSummary>, Error> {
    let now = Timestamp::now();
    let rows = context.backend.containers().await;
    let mut shown = Vec::with_capacity(rows.len());
    for row in rows {
        let size = context.backend.container_size(&row.id).await?;
        shown.push(container::summary(&row, Some(size), now));
    }
    Ok(shown)
}

/// Answers that there was nothing, so that `docker system prune` comes to its end.
async fn prune_build() -> Response {
    reply::json(&json!({"CachesDeleted": null, "SpaceReclaimed": 0}))
}

async fn login(
    State(context): State<Arc<Context>>,
    Json(given): Json<wire::AuthConfig>,
) -> Result<Response, Error> {
    let credentials = Credentials {
        username: given.username,
        password: given.password,
        identity_token: given.identitytoken,
        server: given.serveraddress,
    };
    let identity_token = context.backend.login(credentials).await?;
    Ok(reply::json(&wire::AuthAnswer { status: "Login Succeeded".to_owned(), identity_token }))
}
