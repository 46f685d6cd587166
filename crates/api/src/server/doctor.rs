//! `/skep/v1/doctor`: this node looks at itself. The client's `skep doctor` shows it, and `/info` warns of the same.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;

use super::{Context, reply};
use crate::wire::Checkup;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new().route("/skep/v1/doctor", get(doctor))
}

async fn doctor(State(context): State<Arc<Context>>) -> Response {
    reply::json(&Checkup { findings: context.backend.checkup().await })
}
