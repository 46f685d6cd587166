//! `/volumes`: the volumes of this node.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};

use super::containers::matches_name;
use super::entry::ApiMinor;
use super::error::Error;
use super::extract::{Json, Reference};
use super::facts::{FaultClass, NewVolume};
use super::filters::Filters;
use super::query::Query;
use super::{Context, reply};
use crate::convert::gate::Minor;
use crate::convert::local::image::volume;
use crate::wire::local as wire;

/// From this API version on, named volumes are pruned only when asked for.
const ANONYMOUS_ONLY_BEGIN: Minor = 42;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/volumes", get(list))
        .route("/volumes/create", post(create))
        .route("/volumes/prune", post(prune))
        .route("/volumes/{name}", get(inspect).delete(remove))
}

async fn list(State(context): State<Arc<Context>>, query: Query) -> Result<Response, Error> {
    let filters = Filters::from_query(&query, &["dangling", "driver", "label", "name"])?;
    let dangling = filters.switch("dangling")?;
    let mut rows = context.backend.volumes().await?;
    rows.retain(|row| {
        dangling.is_none_or(|wanted| wanted == row.used_by.is_empty())
            && filters.any("driver", |driver| driver == row.driver)
            && filters.any("name", |name| matches_name(&row.name, name))
            && filters.labels("label", &row.labels)
    });
    let volumes = rows.into_iter().map(|row| volume(row, None)).collect();
    Ok(reply::json(&wire::VolumeList { volumes, warnings: None }))
}

async fn inspect(State(context): State<Arc<Context>>, Reference(name): Reference) -> Result<Response, Error> {
    Ok(reply::json(&volume(context.backend.volume(&name).await?, None)))
}

async fn create(
    State(context): State<Arc<Context>>,
    Json(body): Json<wire::VolumeCreate>,
) -> Result<Response, Error> {
    if body.cluster_volume_spec.is_some() {
        return Err(Error::unsupported("skep: cluster volumes are not supported; use the local driver"));
    }
    let new =
        NewVolume { name: body.name, driver: body.driver, options: body.driver_opts, labels: body.labels };
    let made = context.backend.create_volume(new).await?;
    tell(&context, "create", &made.name, &made.driver);
    Ok(reply::json_with(StatusCode::CREATED, &volume(made, None)))
}

fn tell(context: &Context, action: &str, name: &str, driver: &str) {
    context.tell("volume", action, name, BTreeMap::from([("driver".to_owned(), driver.to_owned())]));
}

async fn remove(
    State(context): State<Arc<Context>>,
    Reference(name): Reference,
    query: Query,
) -> Result<Response, Error> {
    match context.backend.remove_volume(&name).await {
        Ok(()) => tell(&context, "destroy", &name, "local"),
        Err(fault) if fault.class == FaultClass::NotFound && query.loose("force") => {}
        Err(fault) => return Err(fault.into()),
    }
    Ok(reply::no_content())
}

async fn prune(
    State(context): State<Arc<Context>>,
    Extension(ApiMinor(minor)): Extension<ApiMinor>,
    query: Query,
) -> Result<Response, Error> {
    let filters = Filters::from_query(&query, &["label", "label!", "all"])?;
    let asked = filters.has("all") && filters.any("all", |word| matches!(word, "true" | "1"));
    let all = asked || minor < ANONYMOUS_ONLY_BEGIN;
    let pruned = context.backend.prune_volumes(filters.prune(all)?).await?;
    for name in &pruned.removed {
        tell(&context, "destroy", name, "local");
    }
    let reclaimed = pruned.reclaimed.to_string();
    context.tell("volume", "prune", "", BTreeMap::from([("reclaimed".to_owned(), reclaimed)]));
    Ok(reply::json(&wire::VolumesPruned {
        volumes_deleted: (!pruned.removed.is_empty()).then_some(pruned.removed),
        space_reclaimed: pruned.reclaimed,
    }))
}
