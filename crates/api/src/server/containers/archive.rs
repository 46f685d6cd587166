//! `/containers/{id}/archive` and `/export`: files in and out, as `docker cp` does it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use serde::Serialize;

use super::super::Context;
use super::super::error::Error;
use super::super::extract::{Reference, upload};
use super::super::facts::{ArchiveOptions, Fault, FaultClass, PathStat};
use super::super::query::Query;
use super::find;
use crate::convert::time;
use crate::wire::Time;

const STAT_HEADER: HeaderName = HeaderName::from_static("x-docker-container-path-stat");
const TAR: HeaderValue = HeaderValue::from_static("application/x-tar");

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/containers/{id}/archive", get(read).head(look).put(write))
        .route("/containers/{id}/export", get(export))
}

/// What the header holds, as base64 of JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stat<'a> {
    name: &'a str,
    size: i64,
    mode: u32,
    mtime: Time,
    link_target: &'a str,
}

fn stat_header(stat: &PathStat) -> [(HeaderName, HeaderValue); 1] {
    let PathStat { name, size, mode, modified_at, link_target } = stat;
    let stat = Stat { name, size: *size, mode: *mode, mtime: time(*modified_at), link_target };
    let json = serde_json::to_vec(&stat).expect("a struct of texts and numbers encodes");
    let text = base64::engine::general_purpose::STANDARD.encode(json);
    [(STAT_HEADER, HeaderValue::from_str(&text).expect("base64 is printable"))]
}

fn path(query: &Query) -> Result<&str, Error> {
    match query.get("path") {
        "" => Err(Error::invalid("bad parameter: path cannot be empty")),
        path if path.contains('\0') => Err(Error::invalid("bad parameter: a path has no byte that is 0")),
        path => Ok(path),
    }
}

/// What is missing is named as the client named it, not as it was resolved.
fn missing(fault: Fault, reference: &str, path: &str) -> Error {
    match fault.class {
        FaultClass::NotFound if !fault.message.starts_with("No such container") => {
            Error::no_such(format!("Could not find the file {path} in container {reference}"))
        }
        _ => fault.into(),
    }
}

async fn look(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
    query: Query,
) -> Result<Response, Error> {
    let path = path(&query)?;
    let id = find(&context, &reference).await?.id;
    let stat = context.backend.path_stat(&id, path).await;
    let stat = stat.map_err(|fault| missing(fault, &reference, path))?;
    Ok((stat_header(&stat), StatusCode::OK).into_response())
}

async fn read(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
    query: Query,
) -> Result<Response, Error> {
    let path = path(&query)?;
    let id = find(&context, &reference).await?.id;
    let read = context.backend.read_archive(&id, path).await;
    let (stat, archive) = read.map_err(|fault| missing(fault, &reference, path))?;
    let head = (stat_header(&stat), [(header::CONTENT_TYPE, TAR)]);
    Ok((head.0, head.1, Body::from_stream(archive)).into_response())
}

async fn write(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
    query: Query,
    body: Body,
) -> Result<Response, Error> {
    let path = path(&query)?;
    let options = ArchiveOptions {
        keep_kinds: query.loose("noOverwriteDirNonDir"),
        chown_to_user: query.loose("copyUIDGID"),
    };
    let id = find(&context, &reference).await?.id;
    let written = context.backend.write_archive(&id, path, options, upload(body)).await;
    written.map_err(|fault| missing(fault, &reference, path))?;
    Ok(StatusCode::OK.into_response())
}

async fn export(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
) -> Result<Response, Error> {
    let id = find(&context, &reference).await?.id;
    let (_, archive) = context.backend.read_archive(&id, "/").await?;
    // Compat: dockerd names no better type here.
    let head = [(header::CONTENT_TYPE, const { HeaderValue::from_static("application/octet-stream") })];
    Ok((head, Body::from_stream(archive)).into_response())
}
