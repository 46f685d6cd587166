//! The loop that serves listeners: HTTP/1.1 with every size, count and wait bounded.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::{Kind, Listener};

/// Connections served at the same time over all listeners; more wait to be accepted.
const CONNECTIONS_MAX: usize = 2048;
/// Bytes of a request's head: targets of 64 KiB occur, because one client repeats its body in the query.
const HEAD_BYTES_MAX: usize = 256 * 1024;
/// Time for a request's head to arrive, and for which an idle connection is kept.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(300);
/// Time for a client to show its certificate.
const HANDSHAKE_WAIT_MAX: Duration = Duration::from_secs(10);
/// Time for requests under way to finish when the daemon stops.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(5);
/// Pause after an accept that failed, so that a lack of file descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`; then `endless` is cancelled, so that answers without an end end, and the rest is drained.
pub(in super::super) async fn serve(
    router: Router,
    listeners: Vec<Listener>,
    stop: CancellationToken,
    endless: &CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (connections, drain, cut) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
    let mut loops = JoinSet::new();
    for listener in listeners {
        let door = Door {
            router: router.clone(),
            permits: permits.clone(),
            connections: connections.clone(),
            drain: drain.clone(),
            cut: cut.clone(),
        };
        loops.spawn(door.run(listener, stop.clone()));
    }
    while loops.join_next().await.is_some() {}
    endless.cancel();
    drain.cancel();
    connections.close();
    if tokio::time::timeout(DRAIN_WAIT_MAX, connections.wait()).await.is_err() {
        tracing::warn!("requests were cut off: they did not finish in time");
    }
    cut.cancel();
}

/// What every accept loop shares.
#[derive(Clone)]
struct Door {
    router: Router,
    permits: Arc<Semaphore>,
    connections: TaskTracker,
    /// Tells connections to end after the request under way.
    drain: CancellationToken,
    /// Ends connections that did not finish when the daemon stopped.
    cut: CancellationToken,
}

impl Door {
    async fn run(self, listener: Listener, stop: CancellationToken) {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.accept(&listener) => accepted,
            };
            if let Err(error) = accepted {
                tracing::warn!(address = %listener.address, %error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    async fn accept(&self, listener: &Listener) -> io::Result<()> {
        let permit = self.permits.clone().acquire_owned().await.expect("the semaphore is never closed");
        match &listener.kind {
            Kind::Unix(unix) => self.converse(unix.accept().await?.0, permit),
            Kind::Tcp(tcp) => self.converse(prompt(tcp.accept().await?.0)?, permit),
            Kind::Tls(tcp, acceptor) => self.shake_hands(prompt(tcp.accept().await?.0)?, acceptor, permit),
        }
        Ok(())
    }

    /// Lets a client in that shows a certificate; whoever dawdles keeps nobody else waiting.
    fn shake_hands(&self, stream: TcpStream, acceptor: &TlsAcceptor, permit: OwnedSemaphorePermit) {
        let (door, acceptor) = (self.clone(), acceptor.clone());
        self.connections.spawn(async move {
            let shaking = tokio::time::timeout(HANDSHAKE_WAIT_MAX, acceptor.accept(stream));
            match door.drain.run_until_cancelled(shaking).await {
                Some(Ok(Ok(stream))) => door.converse(stream, permit),
                Some(Ok(Err(error))) => tracing::info!(%error, "a client was turned away"),
                Some(Err(_)) => tracing::info!("a client did not finish its TLS handshake"),
                None => {}
            }
        });
    }

    fn converse<S>(&self, stream: S, permit: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = self.router.clone();
        let service =
            service_fn(move |request: Request<Incoming>| router.clone().oneshot(request.map(Body::new)));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WAIT_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let (drain, cut) = (self.drain.clone(), self.cut.clone());
        self.connections.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = &mut connection => ended,
                () = drain.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        ended = connection => ended,
                        () = cut.cancelled() => Ok(()),
                    }
                }
            };
            // A client that goes away in the middle is its own business.
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
}

/// Small answers are the rule; waiting to fill a packet only delays them.
fn prompt(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    Ok(stream)
}
