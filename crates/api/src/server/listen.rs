//! Listeners, and the loop that serves them: HTTP/1.1 with every size, count and wait bounded.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::str::FromStr;
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
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// Connections served at the same time over all listeners; more wait to be accepted.
const CONNECTIONS_MAX: usize = 2048;
/// Bytes of a request's head: targets of 64 KiB occur, because one client repeats its body in the query.
const HEAD_BYTES_MAX: usize = 256 * 1024;
/// Time for a request's head to arrive, and for which an idle connection is kept.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(300);
/// Time for requests under way to finish when the daemon stops.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(5);
/// Pause after an accept that failed, so that a lack of file descriptors does not become a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Whoever may open the socket rules the machine: its owner and its group only.
const SOCKET_MODE: u32 = 0o660;

/// Where to listen, as `-H` gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Unix(PathBuf),
    /// `host:port`, without TLS.
    Tcp(String),
}

impl FromStr for Address {
    type Err = ListenError;
    fn from_str(text: &str) -> Result<Self, ListenError> {
        let unix = text.strip_prefix("unix://").filter(|path| path.starts_with('/'));
        let tcp = text
            .strip_prefix("tcp://")
            .filter(|address| address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()));
        match (unix, tcp) {
            (Some(path), _) => Ok(Address::Unix(path.into())),
            (_, Some(address)) => Ok(Address::Tcp(address.trim_end_matches('/').to_owned())),
            _ => Err(ListenError::Parse { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "unix://{}", path.display()),
            Address::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

/// Why a listener cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("invalid host {text:?}: want unix:///path or tcp://address:port")]
    Parse { text: String },
    #[error("another daemon listens on {0}")]
    Taken(Address),
    #[error("{} exists and is not a socket", .0.display())]
    NotASocket(PathBuf),
    #[error("cannot listen on {address}")]
    Bind {
        address: Address,
        #[source]
        source: io::Error,
    },
}

/// A bound listener.
pub struct Listener {
    address: Address,
    kind: Kind,
}

enum Kind {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    /// Binds an address. A socket file that nobody serves any more is replaced.
    pub async fn bind(address: &Address) -> Result<Listener, ListenError> {
        let failed = |source| ListenError::Bind { address: address.clone(), source };
        let kind = match address {
            Address::Unix(path) => {
                clear_stale(path, address).await?;
                Kind::Unix(bind_unix(path).map_err(failed)?)
            }
            Address::Tcp(host) => Kind::Tcp(TcpListener::bind(host).await.map_err(failed)?),
        };
        Ok(Listener { address: address.clone(), kind })
    }

    /// Returns the address bound: for TCP with the port that was chosen.
    pub fn address(&self) -> Address {
        match &self.kind {
            Kind::Unix(_) => self.address.clone(),
            Kind::Tcp(tcp) => tcp
                .local_addr()
                .map_or_else(|_| self.address.clone(), |at: SocketAddr| Address::Tcp(at.to_string())),
        }
    }
}

async fn clear_stale(path: &Path, address: &Address) -> Result<(), ListenError> {
    let failed = |source| ListenError::Bind { address: address.clone(), source };
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err(ListenError::NotASocket(path.to_owned())),
        Ok(_) if UnixStream::connect(path).await.is_ok() => Err(ListenError::Taken(address.clone())),
        Ok(_) => std::fs::remove_file(path).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE))?;
    Ok(listener)
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Address::Unix(path) = &self.address
            && let Err(error) = std::fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "the socket file stays behind");
        }
    }
}

/// Serves until `stop`; then `endless` is cancelled, so that answers without an end end, and the rest is drained.
pub(super) async fn serve(
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
            Kind::Tcp(tcp) => {
                let stream = tcp.accept().await?.0;
                // Small answers are the rule; waiting to fill a packet only delays them.
                stream.set_nodelay(true)?;
                self.converse(stream, permit);
            }
        }
        Ok(())
    }

    fn converse<S>(&self, stream: S, permit: tokio::sync::OwnedSemaphorePermit)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_docker_takes() {
        assert_eq!("unix:///run/skep.sock".parse().ok(), Some(Address::Unix("/run/skep.sock".into())));
        assert_eq!("tcp://127.0.0.1:2375".parse().ok(), Some(Address::Tcp("127.0.0.1:2375".into())));
        for text in ["", "unix://run", "tcp://host", "fd://", "/run/skep.sock", "tcp://h:p"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_socket_is_replaced_only_when_nobody_serves_it() {
        let folder = std::env::temp_dir().join(format!("skep-listen-{}", std::process::id()));
        let address = Address::Unix(folder.join("deep/a.sock"));
        let first = Listener::bind(&address).await.expect("the first");
        assert!(matches!(Listener::bind(&address).await, Err(ListenError::Taken(_))));
        std::mem::drop(first);
        // A socket file without a server, as a killed daemon leaves it.
        let path = folder.join("deep/a.sock");
        std::mem::drop(std::os::unix::net::UnixListener::bind(&path).expect("a stale socket"));
        let second = Listener::bind(&address).await.expect("the second");
        assert_eq!(std::fs::metadata(&path).expect("the socket").permissions().mode() & 0o777, SOCKET_MODE);
        drop(second);
        assert!(!path.exists());
        std::fs::remove_dir_all(&folder).expect("the folder is removed");
    }
}
