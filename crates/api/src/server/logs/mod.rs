//! `/services/{id}/logs` and `/tasks/{id}/logs`: the logs of many tasks as one stream of frames.
//!
//! The backend reads one task at a time; joining them, and taking in tasks that appear while a client follows, is
//! done here (`merge`). `tail` counts per task, and tasks are not ordered among each other, as in Docker. Whatever
//! goes wrong once the stream has begun is told within it.

pub(super) mod frame;
mod merge;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use skep_model::{ServiceId, Task, Timestamp};

use super::entry::ApiMinor;
use super::error::Error;
use super::extract::Reference;
use super::query::Query;
use super::{Context, View, refs, reply};
use crate::convert::gate::Minor;
pub(super) use frame::Layout;
use merge::Merge;

/// From this API version on the stream has a type of its own.
const MULTIPLEXED_BEGIN: Minor = 42;

/// The type of bytes that are not framed, and of frames before they had a type.
pub(super) const RAW_STREAM: &str = "application/vnd.docker.raw-stream";

/// Returns the type of a stream of output.
pub(super) fn media_type(minor: Minor, tty: bool) -> &'static str {
    match minor {
        MULTIPLEXED_BEGIN.. if !tty => "application/vnd.docker.multiplexed-stream",
        _ => RAW_STREAM,
    }
}

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new().route("/services/{id}/logs", get(of_service)).route("/tasks/{id}/logs", get(of_task))
}

/// What a client wants of each task.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    follow: bool,
    stdout: bool,
    stderr: bool,
    tail: Option<u64>,
    since: Option<Timestamp>,
    layout: Layout,
}

impl Wish {
    // Compat: all of these are 500s in Docker, too.
    pub(super) fn from_query(query: &Query) -> Result<Self, Error> {
        let (stdout, stderr) = (query.loose("stdout"), query.loose("stderr"));
        if !stdout && !stderr {
            return Err(Error::unclassed("Bad parameters: you must choose at least one stream"));
        }
        Ok(Wish {
            follow: query.loose("follow"),
            stdout,
            stderr,
            tail: tail(query.get("tail"))?,
            since: instant(query.get("since"), "since")?,
            layout: Layout { timestamps: query.loose("timestamps"), details: query.loose("details") },
        })
    }
}

pub(super) fn tail(text: &str) -> Result<Option<u64>, Error> {
    match text {
        "" | "all" => Ok(None),
        negative if negative.strip_prefix('-').is_some_and(|rest| rest.parse::<u64>().is_ok()) => {
            Err(Error::unclassed("negative tail values not supported"))
        }
        number => number
            .parse()
            .map(Some)
            .map_err(|_| Error::unclassed("tail value must be a positive integer or \"all\"")),
    }
}

/// Reads an instant in Unix seconds; 0 and nothing mean none.
pub(super) fn instant(text: &str, name: &str) -> Result<Option<Timestamp>, Error> {
    if matches!(text, "" | "0") {
        return Ok(None);
    }
    let at = super::events::unix(text).and_then(|at| i64::try_from(at.as_nanosecond()).ok());
    at.map(|nanos| Some(Timestamp(nanos))).ok_or_else(|| {
        Error::unclassed(format!("could not parse {name} timestamp: {text:?} is not a number"))
    })
}

async fn of_service(
    State(context): State<Arc<Context>>,
    Extension(ApiMinor(minor)): Extension<ApiMinor>,
    Reference(reference): Reference,
    query: Query,
) -> Result<Response, Error> {
    let wish = Wish::from_query(&query)?;
    // Subscribed first: a task made between the two is then seen twice rather than never.
    let changes = context.backend.changes();
    let view = context.view().await?;
    let service = refs::service(&*view, &reference)?;
    let (id, tty): (ServiceId, bool) = (service.id, service.spec.task.container.tty);
    let mut merge = Merge::new(context, wish, tty);
    merge.add_service(&*view, id);
    merge.follow_service(id, changes);
    Ok(respond(merge, minor, tty))
}

async fn of_task(
    State(context): State<Arc<Context>>,
    Extension(ApiMinor(minor)): Extension<ApiMinor>,
    Reference(reference): Reference,
    query: Query,
) -> Result<Response, Error> {
    let wish = Wish::from_query(&query)?;
    let view = context.view().await?;
    let task: &Task = refs::task(&*view, &reference)?;
    let tty = task.spec.container.tty;
    let mut merge = Merge::new(context, wish, tty);
    merge.add(task);
    Ok(respond(merge, minor, tty))
}

fn respond(merge: Merge, minor: Minor, tty: bool) -> Response {
    let frames = stream::unfold(merge, |mut merge| async move { Some((merge.next().await?, merge)) });
    reply::stream(media_type(minor, tty), reply::joined(frames).map(Ok::<Bytes, std::convert::Infallible>))
}

/// The tasks of a service that a log is read of, in the order of their ids.
fn tasks_of(view: &dyn View, id: ServiceId) -> impl Iterator<Item = &Task> {
    view.tasks_of(id)
}
