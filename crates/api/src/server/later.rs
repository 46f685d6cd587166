//! Paths of Docker that Skep does not serve, or not yet: each says so in one sentence. Without a sentence a client
//! shows only a status, and a 404 would make `docker run` try to pull an image.

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, delete, get, post};

use super::Context;
use super::error::Error;

const RUN: &str =
    "skep runs containers through services only; use \"docker service create\" (or \"skep service create\")";
const BUILD: &str = "building images is not supported by this daemon; build elsewhere and push to a registry";
const PULL: &str = "skep: moving images by hand is not supported yet; each node pulls what its tasks need";
const IMAGE: &str = "skep: inspecting and removing images is not supported yet";
const CONTAINER: &str = "skep: working on single containers is not supported yet; use the service's commands, such as \"service logs\"";
const SECRET: &str = "skep: secrets are not supported yet";
const CONFIG: &str = "skep: configs are not supported yet";
const NETWORK: &str = "skep: creating and changing networks is not supported yet";
const VOLUME: &str = "skep: volumes are not supported yet";
const PLUGIN: &str = "skep: plugins are not supported";
const LOGIN: &str =
    "skep: checking registry credentials is not supported yet; give them with --with-registry-auth";

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/auth", post(sentence(LOGIN)))
        .route("/build", post(sentence(BUILD)))
        .route("/build/{*rest}", post(sentence(BUILD)))
        .route("/session", post(sentence(BUILD)))
        .route("/grpc", post(sentence(BUILD)))
        .route("/commit", post(sentence(BUILD)))
        .route("/containers/create", post(sentence(RUN)))
        .route("/containers/prune", post(sentence(CONTAINER)))
        .route("/containers/{id}", any(sentence(CONTAINER)))
        .route("/containers/{id}/{*rest}", any(sentence(CONTAINER)))
        .route("/exec/{*rest}", any(sentence(CONTAINER)))
        .route("/images/create", post(sentence(PULL)))
        .route("/images/load", post(sentence(PULL)))
        .route("/images/get", get(sentence(PULL)))
        .route("/images/search", get(sentence(PULL)))
        .route("/images/prune", post(sentence(IMAGE)))
        .route("/images/{*rest}", any(sentence(IMAGE)))
        .route("/secrets/create", post(sentence(SECRET)))
        .route("/secrets/{id}/update", post(sentence(SECRET)))
        .route("/configs/create", post(sentence(CONFIG)))
        .route("/configs/{id}/update", post(sentence(CONFIG)))
        .route("/networks/create", post(sentence(NETWORK)))
        .route("/networks/prune", post(sentence(NETWORK)))
        .route("/networks/{id}", delete(sentence(NETWORK)))
        .route("/networks/{id}/{action}", post(sentence(NETWORK)))
        .route("/volumes/create", post(sentence(VOLUME)))
        .route("/volumes/prune", post(sentence(VOLUME)))
        .route("/plugins/{*rest}", any(sentence(PLUGIN)))
}

fn sentence(text: &str) -> Error {
    Error::unsupported(text)
}
