//! `/containers` and `/exec`: the containers of this node.
//!
//! They belong to tasks. What only looks, talks or copies works as in Docker; stopping, killing and removing do, too, and
//! the service's policy then decides what follows. Making, starting, renaming and changing containers is the cluster's
//! work, and refused in a sentence that says how to ask for it.

mod archive;
mod exec;
mod list;
mod logs;
mod owned;
mod stats;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use futures_util::{FutureExt as _, StreamExt as _, stream};

use super::entry::ApiMinor;
use super::error::Error;
use super::extract::Reference;
use super::facts::{
    AttachRequest, Chunk, ContainerFacts, ContainerLogRequest, Session, TerminalSize, WaitFor,
};
use super::hijack::Hijack;
use super::query::Query;
use super::{Context, reply};
use crate::convert::local::{container, inspect};
use crate::wire::local as wire;

pub(super) use list::matches_name;

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new()
        .route("/containers/json", get(list::list))
        .route("/containers/{id}/json", get(inspect))
        .route("/containers/{id}/logs", get(logs::logs))
        .route("/containers/{id}/stats", get(stats::stats))
        .route("/containers/{id}/top", get(stats::top))
        .route("/containers/{id}/changes", get(changes))
        .route("/containers/{id}/attach", post(attach))
        .route("/containers/{id}/resize", post(resize))
        .route("/containers/{id}/wait", post(wait))
        .merge(archive::routes())
        .merge(exec::routes())
        .merge(owned::routes())
}

/// Keys are the client's to look for; what no client can look for is refused here, as dockerd does.
fn check_keys(keys: &str, kind: &str) -> Result<(), Error> {
    match keys.is_empty() || crate::keys::parse(keys).is_some() {
        true => Ok(()),
        false => Err(Error::invalid(format!("Invalid {kind} keys ({keys}) provided"))),
    }
}

/// Finds a container: by its full id, its name with or without a slash, or a beginning of its id.
async fn find(context: &Context, reference: &str) -> Result<ContainerFacts, Error> {
    let rows = context.backend.containers().await;
    let name = reference.strip_prefix('/').unwrap_or(reference);
    if let Some(row) = rows.iter().find(|row| row.id == reference || row.name == name) {
        return Ok(row.clone());
    }
    let mut beginning = rows.into_iter().filter(|row| !reference.is_empty() && row.id.starts_with(reference));
    match (beginning.next(), beginning.next()) {
        (Some(row), None) => Ok(row),
        (Some(_), Some(_)) => {
            Err(Error::invalid(format!("multiple IDs found with provided prefix: {reference}")))
        }
        (None, _) => Err(Error::no_such(format!("No such container: {reference}"))),
    }
}

/// Reads `h` and `w`.
fn terminal_size(query: &Query) -> Result<TerminalSize, Error> {
    let read = |name: &str| {
        query
            .get(name)
            .parse::<u16>()
            .map_err(|error| Error::invalid(format!("invalid resize {name} {:?}: {error}", query.get(name))))
    };
    Ok(TerminalSize { height: read("h")?, width: read("w")? })
}

async fn inspect(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
    query: Query,
) -> Result<Response, Error> {
    let id = find(&context, &reference).await?.id;
    let detail = context.backend.container(&id).await?;
    let size = match query.loose("size") {
        true => Some(context.backend.container_size(&id).await?),
        false => None,
    };
    Ok(reply::json(&inspect::to_wire(detail, size)))
}

async fn changes(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
) -> Result<Response, Error> {
    let id = find(&context, &reference).await?.id;
    let changes = context.backend.path_changes(&id).await?;
    if changes.is_empty() {
        // Compat: Go's empty list.
        return Ok(reply::json(&serde_json::Value::Null));
    }
    Ok(reply::array(changes.into_iter().map(container::path_change)))
}

async fn resize(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
    query: Query,
) -> Result<Response, Error> {
    let size = terminal_size(&query)?;
    let found = find(&context, &reference).await?;
    context.backend.resize(&found.id, size).await?;
    Ok(reply::empty())
}

async fn wait(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
    query: Query,
) -> Result<Response, Error> {
    let condition = match query.get("condition") {
        "" | "not-running" => WaitFor::NotRunning,
        "next-exit" => WaitFor::NextExit,
        "removed" => WaitFor::Removed,
        other => return Err(Error::invalid(format!("invalid condition: {other:?}"))),
    };
    let id = find(&context, &reference).await?.id;
    let ended = context.backend.wait(&id, condition).await?;
    let stop = context.stop.clone();
    // The head goes out at once, so that the client knows that it is waited for.
    let answer = async move {
        let answer = match stop.run_until_cancelled(ended).await? {
            Ok(code) => wire::WaitAnswer { status_code: i64::from(code), error: None },
            Err(fault) => {
                wire::WaitAnswer { status_code: -1, error: Some(wire::WaitError { message: fault.message }) }
            }
        };
        Some(reply::line(&answer))
    };
    Ok(reply::lines(stream::once(answer).filter_map(std::future::ready)))
}

async fn attach(
    State(context): State<Arc<Context>>,
    Extension(ApiMinor(minor)): Extension<ApiMinor>,
    Reference(reference): Reference,
    query: Query,
    hijack: Hijack,
) -> Result<Response, Error> {
    check_keys(query.get("detachKeys"), "detach")?;
    let found = find(&context, &reference).await?;
    let tty = context.backend.container(&found.id).await?.process.tty;
    let streams = AttachRequest {
        stdin: query.loose("stdin"),
        stdout: query.loose("stdout"),
        stderr: query.loose("stderr"),
    };
    let past = query.loose("logs").then(|| {
        let request = ContainerLogRequest {
            stdout: streams.stdout,
            stderr: streams.stderr,
            ..ContainerLogRequest::default()
        };
        context.backend.container_logs(&found.id, request)
    });
    let lives = query.loose("stream");
    let mut session = match lives {
        true => context.backend.attach(&found.id, streams).await?,
        false => Session { output: stream::empty().boxed(), input: None },
    };
    if let Some(past) = past {
        let lines = past.map(|line| {
            line.map(|line| Chunk { stream: line.stream, bytes: [&line.line[..], b"\n"].concat().into() })
        });
        session.output = lines.chain(session.output).boxed();
    }
    let start = std::future::ready(Ok(session)).boxed();
    hijack.answer(&context, minor, tty, start)
}
