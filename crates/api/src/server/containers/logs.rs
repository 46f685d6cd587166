//! `GET /containers/{id}/logs`: the log of one container, which needs no cluster.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use futures_util::StreamExt as _;

use super::super::entry::ApiMinor;
use super::super::error::Error;
use super::super::extract::Reference;
use super::super::facts::{ContainerLogRequest, Fault, LogLine};
use super::super::logs::{Layout, frame, instant, media_type, tail};
use super::super::query::Query;
use super::super::{Context, reply};
use super::find;

pub(super) async fn logs(
    State(context): State<Arc<Context>>,
    Extension(ApiMinor(minor)): Extension<ApiMinor>,
    Reference(reference): Reference,
    query: Query,
) -> Result<Response, Error> {
    // Compat: what is a 500 for the logs of services is a 400 here.
    let bad = |error: Error| error.with_status(StatusCode::BAD_REQUEST);
    let (stdout, stderr) = (query.loose("stdout"), query.loose("stderr"));
    if !stdout && !stderr {
        return Err(Error::invalid("Bad parameters: you must choose at least one stream"));
    }
    let request = ContainerLogRequest {
        follow: query.loose("follow"),
        tail: tail(query.get("tail")).map_err(bad)?,
        since: instant(query.get("since"), "since").map_err(bad)?,
        until: instant(query.get("until"), "until").map_err(bad)?,
        stdout,
        stderr,
    };
    let layout = Layout { timestamps: query.loose("timestamps"), details: query.loose("details") };
    let found = find(&context, &reference).await?;
    let detail = context.backend.container(&found.id).await?;
    if detail.spec.log.as_ref().is_some_and(|log| log.name == "none") {
        return Err(Error::unsupported("configured logging driver does not support reading"));
    }
    let tty = detail.process.tty;
    let lines = context.backend.container_logs(&found.id, request);
    let frames = reply::joined(lines.map(move |line| encode(layout, tty, line)));
    let frames = frames.take_until(context.stop.clone().cancelled_owned());
    Ok(reply::stream(media_type(minor, tty), frames.map(Ok::<Bytes, std::convert::Infallible>)))
}

fn encode(layout: Layout, tty: bool, line: Result<LogLine, Fault>) -> Bytes {
    match line {
        // A container's own log has no details: they are what log options add.
        Ok(line) => frame::line(layout, "", tty, &line),
        Err(fault) => frame::failure(tty, &fault.message),
    }
}
