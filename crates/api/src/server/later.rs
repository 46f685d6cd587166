//! Paths of Docker that Skep does not serve, or not yet: each says so in one sentence. Without a sentence a client
//! shows only a status, and a 404 would make `docker run` try to pull an image.

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, post};

use super::Context;
use super::error::Error;

const BUILD: &str = "building images is not supported by this daemon; build elsewhere and push to a registry";
const SECRET: &str = "skep: secrets are not supported yet";
const CONFIG: &str = "skep: configs are not supported yet";
const NETWORK: &str = "skep: creating and changing networks is not supported yet";
const PLUGIN: &str = "skep: plugins are not supported";

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/build", post(sentence(BUILD)))
        .route("/build/{*rest}", post(sentence(BUILD)))
        .route("/session", post(sentence(BUILD)))
        .route("/grpc", post(sentence(BUILD)))
        .route("/secrets/create", post(sentence(SECRET)))
        .route("/secrets/{id}/update", post(sentence(SECRET)))
        .route("/configs/create", post(sentence(CONFIG)))
        .route("/configs/{id}/update", post(sentence(CONFIG)))
        .route("/networks/create", post(sentence(NETWORK)))
        .route("/networks/{id}/{action}", post(sentence(NETWORK)))
        .route("/plugins/{*rest}", any(sentence(PLUGIN)))
}

fn sentence(text: &str) -> Error {
    Error::unsupported(text)
}
