//! `/distribution/{image}/json`: what a tag names, so that the client can pin the digest.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;

use super::error::Error;
use super::extract::Reference;
use super::facts::{Distribution, ImagePlatform};
use super::{Context, registry_auth, reply};
use crate::wire;

pub(super) fn routes() -> Router<Arc<Context>> {
    // References hold slashes, so the route takes the whole rest of the path.
    Router::new().route("/distribution/{*rest}", get(inspect))
}

async fn inspect(
    State(context): State<Arc<Context>>,
    Reference(rest): Reference,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let image = rest.strip_suffix("/json").filter(|image| !image.is_empty());
    let image = image.ok_or_else(Error::page_not_found)?;
    if !skep_model::reference::is_valid(image) {
        return Err(Error::invalid("invalid reference format"));
    }
    let found = context.backend.distribution(image.to_owned(), registry_auth::of(&headers)).await?;
    Ok(reply::json(&to_wire(found)))
}

fn to_wire(found: Distribution) -> wire::DistributionInspect {
    let word = |word: String| (!word.is_empty()).then_some(word);
    let platform = |given: ImagePlatform| wire::OciPlatform {
        architecture: word(given.platform.architecture),
        os: word(given.platform.os),
        variant: word(given.variant),
        ..Default::default()
    };
    wire::DistributionInspect {
        descriptor: wire::OciDescriptor {
            media_type: Some(found.media_type),
            digest: Some(found.digest),
            size: Some(found.size),
            ..Default::default()
        },
        platforms: found.platforms.into_iter().map(platform).collect(),
    }
}
