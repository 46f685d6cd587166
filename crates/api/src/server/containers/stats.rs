//! `GET /containers/{id}/stats` and `/top`: what a container uses, and who in it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;

use super::super::error::Error;
use super::super::extract::Reference;
use super::super::facts::{ContainerFacts, FaultClass, Usage};
use super::super::query::Query;
use super::super::{Context, reply};
use super::find;
use crate::convert::local::usage;
use crate::wire::local as wire;

/// Between two measurements, as in Docker.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn stats(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
    query: Query,
) -> Result<Response, Error> {
    let stream = query.get("stream").is_empty() || query.loose("stream");
    let once = query.loose("one-shot");
    if stream && once && !query.get("stream").is_empty() {
        return Err(Error::invalid("invalid request: cannot have stream=true and one-shot=true"));
    }
    let found = find(&context, &reference).await?;
    let mut meter = Meter { context, found, before: None };
    if stream && !once {
        let lines = stream::unfold(Some(meter), next);
        return Ok(reply::lines(lines));
    }
    if !once {
        meter.before = meter.measure().await?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(reply::json(&meter.next().await?))
}

/// One client's view of a container.
struct Meter {
    context: Arc<Context>,
    found: ContainerFacts,
    before: Option<Usage>,
}

impl Meter {
    async fn measure(&self) -> Result<Option<Usage>, Error> {
        Ok(self.context.backend.usage(&self.found.id).await?)
    }

    async fn next(&mut self) -> Result<wire::Stats, Error> {
        let now = self.measure().await?;
        let shown = usage::to_wire(&self.found.id, &self.found.name, self.before.as_ref(), now.as_ref());
        self.before = now;
        Ok(shown)
    }
}

/// Returns the next line of a stream; it ends with the container, or with the daemon.
async fn next(meter: Option<Meter>) -> Option<(Bytes, Option<Meter>)> {
    let mut meter = meter?;
    if meter.before.is_some() {
        let stop = meter.context.stop.clone();
        stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await?;
    }
    let shown = meter.next().await.ok()?;
    let line = reply::line(&shown);
    // One that ended has no more to tell, but may be watched until it is removed; that is the client's business.
    if meter.before.is_none() {
        return Some((line, None));
    }
    Some((line, Some(meter)))
}

pub(super) async fn top(
    State(context): State<Arc<Context>>,
    Reference(reference): Reference,
    query: Query,
) -> Result<Response, Error> {
    let found = find(&context, &reference).await?;
    if !found.is_running() {
        return Err(Error::conflict(format!("container {} is not running", found.id)));
    }
    let arguments = match query.get("ps_args") {
        "" => "-ef",
        given => given,
    };
    let top = context.backend.top(&found.id, arguments).await.map_err(|fault| match fault.class {
        FaultClass::Failed => Error::unclassed(fault.message),
        _ => fault.into(),
    })?;
    Ok(reply::json(&wire::Top { processes: top.rows, titles: top.titles }))
}
