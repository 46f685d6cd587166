//! `/images`: what this node keeps, and how it comes and goes.
//!
//! A reference holds slashes, so most routes take the whole rest of a path and look at its end.

mod archive;
mod list;
mod progress;
mod pull;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};

use super::entry::ApiMinor;
use super::error::Error;
use super::extract::Reference;
use super::facts::ImageRemoval;
use super::filters::Filters;
use super::query::Query;
use super::{Context, reply};
use crate::convert::local::image;
use crate::wire::local as wire;

const PUSH: &str =
    "skep: pushing images is not supported by this daemon; push from where the image was built";
const SEARCH: &str = "skep: searching registries is not supported; use the registry's own pages";
const IMPORT: &str =
    "skep: importing a root file system is not supported; load an image made by \"docker save\"";

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/images/json", get(list::list))
        .route("/images/create", post(pull::create))
        .route("/images/load", post(archive::load))
        .route("/images/get", get(archive::save_many))
        .route("/images/search", get(refuse(SEARCH)))
        .route("/images/prune", post(prune))
        .route("/images/{*rest}", get(show).post(change).delete(remove))
}

fn refuse(text: &str) -> Error {
    Error::unsupported(text)
}

/// Splits `redis:7/json` into the reference and what is wanted of it.
fn split(rest: &str) -> Result<(&str, &str), Error> {
    rest.rsplit_once('/').filter(|(name, _)| !name.is_empty()).ok_or_else(Error::page_not_found)
}

async fn show(
    State(context): State<Arc<Context>>,
    Extension(ApiMinor(minor)): Extension<ApiMinor>,
    Reference(rest): Reference,
) -> Result<Response, Error> {
    let (name, action) = split(&rest)?;
    match action {
        "json" => Ok(reply::json(&image::inspect(context.backend.image(name).await?, minor))),
        "history" => {
            let steps = context.backend.image_history(name).await?;
            Ok(reply::array(steps.into_iter().map(image::history)))
        }
        "get" => archive::save(&context, vec![name.to_owned()]).await,
        _ => Err(Error::page_not_found()),
    }
}

async fn change(
    State(context): State<Arc<Context>>,
    Reference(rest): Reference,
    query: Query,
) -> Result<Response, Error> {
    let (name, action) = split(&rest)?;
    match action {
        "tag" => tag(&context, name, &query).await,
        "push" => Err(refuse(PUSH)),
        _ => Err(Error::page_not_found()),
    }
}

async fn tag(context: &Context, name: &str, query: &Query) -> Result<Response, Error> {
    let repository = query.get("repo");
    let target = match query.get("tag") {
        "" => repository.to_owned(),
        tag => format!("{repository}:{tag}"),
    };
    if !skep_model::reference::is_valid(&target) {
        return Err(pull::invalid_reference(&target));
    }
    context.backend.tag_image(name, &target).await?;
    tell(context, "tag", name, &target).await;
    Ok(StatusCode::CREATED.into_response())
}

/// Tells of what was done to an image that is still here.
async fn tell(context: &Context, action: &str, reference: &str, name: &str) {
    if let Ok(image) = context.backend.image(reference).await {
        let mut attributes = image.config.labels;
        attributes.insert("name".to_owned(), name.to_owned());
        context.tell("image", action, &image.facts.id, attributes);
    }
}

async fn remove(
    State(context): State<Arc<Context>>,
    Reference(name): Reference,
    query: Query,
) -> Result<Response, Error> {
    let id = context.backend.image(&name).await?.facts.id;
    let removed = context.backend.remove_image(&name, query.loose("force")).await?;
    tell_removal(&context, &id, &removed);
    Ok(reply::array(removed.into_iter().map(image::removal)))
}

fn tell_removal(context: &Context, id: &str, removed: &[ImageRemoval]) {
    for removal in removed {
        let (action, name) = match removal {
            ImageRemoval::Untagged(_) => ("untag", id),
            ImageRemoval::Deleted(id) => ("delete", id.as_str()),
        };
        let attributes = BTreeMap::from([("name".to_owned(), name.to_owned())]);
        context.tell("image", action, name, attributes);
    }
}

async fn prune(State(context): State<Arc<Context>>, query: Query) -> Result<Response, Error> {
    let filters = Filters::from_query(&query, &["dangling", "until", "label", "label!"])?;
    let all = filters.has("dangling") && filters.any("dangling", |word| matches!(word, "false" | "0"));
    let pruned = context.backend.prune_images(filters.prune(all)?).await?;
    for removal in &pruned.removed {
        if let ImageRemoval::Deleted(id) = removal {
            tell_removal(&context, id, std::slice::from_ref(removal));
        }
    }
    let reclaimed = pruned.reclaimed.to_string();
    context.tell("image", "prune", "", BTreeMap::from([("reclaimed".to_owned(), reclaimed)]));
    let deleted: Vec<wire::ImageDeleted> = pruned.removed.into_iter().map(image::removal).collect();
    Ok(reply::json(&wire::ImagesPruned {
        images_deleted: (!deleted.is_empty()).then_some(deleted),
        space_reclaimed: pruned.reclaimed,
    }))
}
