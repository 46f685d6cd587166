//! The server of Docker's HTTP API, in front of any [`Backend`].
//!
//! A request passes `entry` (version, headers), is routed to the file of its object, resolves its references over one
//! [`View`], and either shows a part of that view or asks the backend for a change. Nothing here decides about the
//! cluster; nothing here remembers, except the last events. Status codes and sentences for every failure are in
//! `error`. Paths without a route answer 404, paths of capabilities that come later say so (`later`).
//!
//! Read `backend` first, then `entry`, then `services`.

mod author;
pub mod backend;
mod containers;
mod disk;
mod distribution;
mod doctor;
mod drain;
mod entry;
mod error;
mod events;
mod extract;
pub mod facts;
mod filters;
#[doc(hidden)]
pub mod fuzz;
mod hijack;
mod images;
mod later;
pub mod listen;
mod logs;
mod networks;
mod nodes;
mod query;
mod refs;
mod registry_auth;
mod reply;
mod rollouts;
mod services;
mod swarm;
mod system;
mod tasks;
mod volumes;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use skep_model::request::Refusal;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use backend::{Backend, Rows, View};
use error::Error;
use facts::LocalEvent;
pub use listen::{Address, Listener};

/// What every endpoint works with.
struct Context {
    backend: Arc<dyn Backend>,
    events: events::Log,
    /// Ends the answers that would never end by themselves.
    stop: CancellationToken,
    /// Taken by connections that have left HTTP.
    sessions: Arc<Semaphore>,
}

/// Connections that have left HTTP for a process's streams, at the same time.
const SESSIONS_MAX: usize = 1024;

impl Context {
    /// Returns the state of the cluster, or the answer to give.
    async fn view(&self) -> Result<Arc<dyn View>, Error> {
        self.backend.view().await.map_err(Error::from)
    }

    /// Tells those who follow events what was done by hand to an image or a volume; containers tell for themselves.
    fn tell(&self, kind: &str, action: &str, id: &str, attributes: BTreeMap<String, String>) {
        self.events.tell(LocalEvent {
            kind: kind.to_owned(),
            action: action.to_owned(),
            id: id.to_owned(),
            attributes,
            at: events::now(),
        });
    }

    /// Asks the control plane for a change.
    async fn request(
        &self,
        request: skep_model::request::Request,
    ) -> Result<skep_model::request::Reply, Refusal> {
        self.backend.request(request).await
    }
}

/// The API of one daemon.
pub struct Server {
    context: Arc<Context>,
}

impl Server {
    /// Creates the API in front of `backend` and starts to record its events; needs a Tokio runtime.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        let stop = CancellationToken::new();
        let events = events::Log::record(&backend, &stop);
        Server {
            context: Arc::new(Context {
                backend,
                events,
                stop,
                sessions: Arc::new(Semaphore::new(SESSIONS_MAX)),
            }),
        }
    }

    /// Returns the API as a service: what [`Server::serve`] puts behind its listeners.
    pub fn router(&self) -> Router {
        let routes = Router::new()
            .merge(system::routes())
            .merge(doctor::routes())
            .merge(swarm::routes())
            .merge(nodes::routes())
            .merge(services::routes())
            .merge(rollouts::routes())
            .merge(tasks::routes())
            .merge(logs::routes())
            .merge(distribution::routes())
            .merge(events::routes())
            .merge(containers::routes())
            .merge(images::routes())
            .merge(volumes::routes())
            .merge(disk::routes())
            .merge(networks::routes())
            .merge(later::routes())
            .fallback(entry::page_not_found)
            // Compat: Docker knows no 405.
            .method_not_allowed_fallback(entry::page_not_found)
            .with_state(self.context.clone());
        Router::new().fallback(move |request| entry::enter(routes.clone(), request))
    }

    /// Serves on all listeners until `stop`, then lets the requests under way finish, for a bounded time.
    pub async fn serve(self, listeners: Vec<Listener>, stop: CancellationToken) {
        listen::serve(self.router(), listeners, stop, &self.context.stop).await;
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
