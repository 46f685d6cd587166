//! `/events`: what happened, as it happens.
//!
//! Cluster events are derived from the changes that the backend reports (`derive`); events of this node come as they
//! are. The last few are kept for clients that ask for the past. A reader that is too slow loses the oldest events,
//! as in Docker; the log says how many.

mod derive;
mod select;

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio_util::sync::CancellationToken;

use super::entry::ApiMinor;
use super::error::Error;
use super::facts::{Changed, LocalEvent};
use super::query::Query;
use super::{Backend, Context};
use crate::convert::gate::Minor;
pub(super) use derive::now;
use select::Selection;
pub(super) use select::{instant, unix};

/// Events kept for clients that ask for the past; Docker keeps as many.
const KEPT_MAX: usize = 256;
/// Events a reader may be behind before it loses some.
const BEHIND_MAX: usize = 1024;
/// From this API version on, container and image events do not repeat themselves in older words.
const LEGACY_END: Minor = 52;

/// One event, in Docker's words.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Event {
    #[serde(skip_serializing_if = "String::is_empty")]
    status: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    from: String,
    #[serde(rename = "Type")]
    kind: String,
    #[serde(rename = "Action")]
    action: String,
    #[serde(rename = "Actor")]
    actor: Actor,
    scope: &'static str,
    /// Unix seconds.
    time: i64,
    #[serde(rename = "timeNano")]
    time_nano: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Actor {
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Attributes")]
    attributes: std::collections::BTreeMap<String, String>,
}

impl Event {
    /// Adds what clients older than 1.52 read of container and image events.
    fn for_version(&self, minor: Minor) -> Event {
        let mut event = self.clone();
        if minor < LEGACY_END && matches!(self.kind.as_str(), "container" | "image") {
            event.status = self.action.clone();
            event.id = self.actor.id.clone();
            if self.kind == "container" {
                event.from = self.actor.attributes.get("image").cloned().unwrap_or_default();
            }
        }
        event
    }
}

/// The recorded events and those who listen.
pub(super) struct Log {
    shared: Arc<Shared>,
}

struct Shared {
    kept: Mutex<VecDeque<Arc<Event>>>,
    live: broadcast::Sender<Arc<Event>>,
}

impl Log {
    /// Starts to record what the backend reports, until `stop`.
    pub(super) fn record(backend: &Arc<dyn Backend>, stop: &CancellationToken) -> Self {
        let shared = Arc::new(Shared { kept: Mutex::default(), live: broadcast::channel(BEHIND_MAX).0 });
        // Subscribed here, so that nothing is missed however late the loop gets its turn.
        let changes = backend.changes();
        tokio::spawn(run(backend.clone(), changes, shared.clone(), stop.clone()));
        Log { shared }
    }

    /// Records what the server itself did to an object of this node.
    pub(super) fn tell(&self, event: LocalEvent) {
        self.shared.add(derive::of_local(&event));
    }

    /// Returns what is kept, and everything from then on: nothing is missed between the two.
    fn subscribe(&self) -> (Vec<Arc<Event>>, broadcast::Receiver<Arc<Event>>) {
        let kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.iter().cloned().collect(), self.shared.live.subscribe())
    }
}

impl Shared {
    fn add(&self, event: Event) {
        let event = Arc::new(event);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(event.clone());
        // Nobody listening is the usual case, not an error.
        let _ = self.live.send(event);
    }
}

/// Records until the backend ends or `stop`.
async fn run(
    backend: Arc<dyn Backend>,
    mut changes: broadcast::Receiver<Changed>,
    shared: Arc<Shared>,
    stop: CancellationToken,
) {
    loop {
        let change = tokio::select! {
            () = stop.cancelled() => return,
            change = changes.recv() => change,
        };
        match change {
            Ok(change) => {
                if let Some(event) = derive::event(&*backend, change).await {
                    shared.add(event);
                }
            }
            Err(RecvError::Lagged(count)) => {
                tracing::warn!(count, "events were lost: too many changes at once")
            }
            Err(RecvError::Closed) => return,
        }
    }
}

pub(super) fn routes() -> Router<Arc<Context>> {
    Router::new().route("/events", get(follow))
}

async fn follow(
    State(context): State<Arc<Context>>,
    Extension(ApiMinor(minor)): Extension<ApiMinor>,
    query: Query,
) -> Result<Response, Error> {
    let selection = Selection::from_query(&query)?;
    let (kept, live) = context.events.subscribe();
    let kept: VecDeque<Arc<Event>> = kept.into_iter().filter(|event| selection.replays(event)).collect();
    let reader = Reader { kept, live, selection, stop: context.stop.clone() };
    let lines = stream::unfold(reader, move |mut reader| async move {
        let event = reader.next().await?.for_version(minor);
        let mut line = serde_json::to_vec(&event).expect("an event has text keys");
        line.push(b'\n');
        Some((Ok::<Bytes, std::convert::Infallible>(line.into()), reader))
    });
    Ok(([(header::CONTENT_TYPE, "application/json")], Body::from_stream(lines)).into_response())
}

/// One client's place in the log.
struct Reader {
    kept: VecDeque<Arc<Event>>,
    live: broadcast::Receiver<Arc<Event>>,
    selection: Selection,
    stop: CancellationToken,
}

impl Reader {
    /// Returns the next event that the client wants, or `None` at the end of its time or of the daemon's.
    async fn next(&mut self) -> Option<Arc<Event>> {
        if let Some(event) = self.kept.pop_front() {
            return Some(event);
        }
        let mut end = pin!(self.selection.end());
        loop {
            let event = tokio::select! {
                () = self.stop.cancelled() => return None,
                () = &mut end => return None,
                event = self.live.recv() => event,
            };
            match event {
                Ok(event) if self.selection.wants(&event) => return Some(event),
                Ok(_) => {}
                Err(RecvError::Lagged(count)) => tracing::warn!(count, "a slow reader of events lost some"),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}
