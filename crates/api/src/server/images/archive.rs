//! `/images/load` and `/images/get`: images as files.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};

use super::super::error::Error;
use super::super::extract::upload;
use super::super::query::Query;
use super::super::{Context, reply};
use super::{progress, pull};

pub(super) async fn load(
    State(context): State<Arc<Context>>,
    query: Query,
    body: Body,
) -> Result<Response, Error> {
    let quiet = query.loose("quiet");
    let mut steps = context.backend.load_images(upload(body));
    let Some(first) = steps.next().await else {
        return Err(Error::invalid("the archive holds no image; make one with \"docker save\""));
    };
    let first = first?;
    let messages = stream::once(std::future::ready(Ok(first))).chain(steps).filter_map(move |step| {
        std::future::ready(match step {
            Ok(step) => progress::of_load(step, quiet),
            Err(fault) => Some(progress::of_failure(fault.message)),
        })
    });
    Ok(reply::lines(pull::lines(messages).take_until(context.stop.clone().cancelled_owned())))
}

pub(super) async fn save_many(State(context): State<Arc<Context>>, query: Query) -> Result<Response, Error> {
    let names: Vec<String> = query.all("names").map(str::to_owned).collect();
    if names.is_empty() {
        return Err(Error::invalid("no image was named: give at least one as \"names\""));
    }
    save(&context, names).await
}

/// Answers an archive of these images.
pub(super) async fn save(context: &Context, names: Vec<String>) -> Result<Response, Error> {
    let archive = context.backend.save_images(names.clone()).await?;
    for name in &names {
        super::tell(context, "save", name, name).await;
    }
    let head = [(header::CONTENT_TYPE, const { HeaderValue::from_static("application/x-tar") })];
    Ok((head, Body::from_stream(archive)).into_response())
}
