//! What the cluster decides about containers: ending one by hand is allowed, the rest is refused by name.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use skep_model::signal;

use super::super::error::Error;
use super::super::extract::Reference;
use super::super::facts::StopRequest;
use super::super::filters::Filters;
use super::super::query::Query;
use super::super::{Context, reply};
use super::find;

const RUN: &str =
    "skep runs containers through services only; use \"docker service create\" (or \"skep service create\")";
const START: &str = "skep: the containers of tasks are started by their service; what ended is replaced as its restart policy says";
const RESTART: &str =
    "skep: the containers of tasks are not restarted but replaced; use \"docker service update --force\"";
const RENAME: &str = "skep: the containers of tasks are named after their task";
const UPDATE: &str =
    "skep: the limits of a task's container come from its service; use \"docker service update\"";
const PAUSE: &str = "skep: pausing the containers of tasks is not supported; use \"docker service scale\"";
const COMMIT: &str =
    "skep: making images from containers is not supported; build elsewhere and push to a registry";
const WEBSOCKET: &str = "skep: attaching through a websocket is not supported";
const CHECKPOINT: &str = "skep: checkpoints are not supported";

/// What a kill without a name sends.
const SIGKILL: i32 = 9;
/// Longest grace that a client may ask for; whoever says -1 means no end, and gets this.
const GRACE_MAX: Duration = Duration::from_secs(24 * 3600);

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/containers/create", post(refuse(RUN)))
        .route("/containers/prune", post(prune))
        .route("/containers/{id}", delete(remove))
        .route("/containers/{id}/stop", post(stop))
        .route("/containers/{id}/kill", post(kill))
        .route("/containers/{id}/start", post(start))
        .route("/containers/{id}/restart", post(refuse(RESTART)))
        .route("/containers/{id}/rename", post(refuse(RENAME)))
        .route("/containers/{id}/update", post(refuse(UPDATE)))
        .route("/containers/{id}/pause", post(refuse(PAUSE)))
        .route("/containers/{id}/unpause", post(refuse(PAUSE)))
        .route("/containers/{id}/checkpoints", any(refuse(CHECKPOINT)))
        .route("/containers/{id}/attach/ws", get(refuse(WEBSOCKET)))
        .route("/commit", post(refuse(COMMIT)))
}

fn refuse(text: &str) -> Error {
    Error::unsupported(text)
}

async fn start(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
) -> Result<Response, Error> {
    match find(&context, &reference).await?.is_running() {
        true => Ok(StatusCode::NOT_MODIFIED.into_response()),
        false => Err(refuse(START)),
    }
}

async fn stop(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
    query: Query,
) -> Result<Response, Error> {
    let request = StopRequest { signal: signal_of(&query)?, grace: grace(&query)? };
    let found = find(&context, &reference).await?;
    let ran = context.backend.stop(&found.id, request).await?;
    if !ran {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn signal_of(query: &Query) -> Result<Option<i32>, Error> {
    match query.get("signal") {
        "" => Ok(None),
        name => {
            signal::parse(name).map(Some).ok_or_else(|| Error::invalid(format!("Invalid signal: {name}")))
        }
    }
}

fn grace(query: &Query) -> Result<Option<Duration>, Error> {
    let text = query.get("t");
    if text.is_empty() {
        return Ok(None);
    }
    let seconds: i64 = text.parse().map_err(|_| {
        Error::invalid(format!("invalid value for t: strconv.Atoi: parsing {text:?}: invalid syntax"))
    })?;
    Ok(Some(u64::try_from(seconds).map_or(GRACE_MAX, Duration::from_secs).min(GRACE_MAX)))
}

async fn kill(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
    query: Query,
) -> Result<Response, Error> {
    let signal = signal_of(&query)?.unwrap_or(SIGKILL);
    let found = find(&context, &reference).await?;
    if !found.is_running() {
        return Err(Error::conflict(format!(
            "cannot kill container: {reference}: container {} is not running",
            found.id
        )));
    }
    context.backend.kill(&found.id, signal).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn remove(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
    query: Query,
) -> Result<Response, Error> {
    let found = find(&context, &reference).await?;
    if found.is_running() && !query.loose("force") {
        return Err(Error::conflict(format!(
            "cannot remove container \"{reference}\": container is running: stop the container before removing \
             or force remove"
        )));
    }
    context.backend.remove_container(&found.id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Every container belongs to a task, and the cluster removes those of tasks that it forgets.
async fn prune(query: Query) -> Result<Response, Error> {
    Filters::from_query(&query, &["until", "label", "label!"])?.prune(false)?;
    Ok(reply::json(&serde_json::json!({"ContainersDeleted": null, "SpaceReclaimed": 0})))
}
