//! Connections to one daemon: opened when needed, kept for the next request.
//!
//! A connection carries one request at a time. It returns to the idle ones when its answer was read to the end; a
//! stream that is dropped half-way closes its connection instead.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::tls::Tls;
use super::{ClientError, Endpoint, ssh};

/// Connections kept open between requests. A command needs one, and one more beside a log stream.
const IDLE_MAX: usize = 4;

/// How long a TCP connection may take to open.
const DIAL_FOR: Duration = Duration::from_secs(30);

/// The body of a request.
pub(super) type Payload = UnsyncBoxBody<Bytes, io::Error>;

/// A connection that carries one request at a time.
pub(super) type Connection = SendRequest<Payload>;

/// The two directions of a connection.
pub type Halves = (Box<dyn AsyncRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>);

impl Endpoint {
    /// Opens a bare connection to whoever listens there, without TLS.
    pub async fn dial(&self) -> Result<Halves, ClientError> {
        let refused = |source| refused(self, source);
        Ok(match self {
            Endpoint::Unix(path) => halves(dial_unix(path).await.map_err(refused)?),
            Endpoint::Tcp { host, port } => halves(dial_tcp(host, *port).await.map_err(refused)?),
            Endpoint::Ssh(destination) => halves(ssh::dial(destination).map_err(refused)?),
        })
    }
}

fn halves(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Halves {
    let (reader, writer) = tokio::io::split(stream);
    (Box::new(reader), Box::new(writer))
}

/// The connections to one daemon.
#[derive(Debug)]
pub(super) struct Transport {
    endpoint: Endpoint,
    tls: Option<Tls>,
    idle: Mutex<Vec<Connection>>,
}

impl Transport {
    /// Opens nothing yet.
    pub(super) fn new(endpoint: Endpoint, tls: Option<Tls>) -> Transport {
        Transport { endpoint, tls, idle: Mutex::new(Vec::new()) }
    }

    /// Where the daemon listens.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Takes an idle connection that is still alive, or opens one.
    pub(super) async fn acquire(&self) -> Result<Connection, ClientError> {
        for _ in 0..IDLE_MAX {
            let Some(mut connection) = self.pop() else { break };
            if connection.ready().await.is_ok() {
                return Ok(connection);
            }
        }
        self.open().await
    }

    /// Keeps a connection whose answer was read to the end.
    pub(super) fn release(&self, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !connection.is_closed() {
            idle.push(connection);
        }
    }

    fn pop(&self) -> Option<Connection> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    async fn open(&self) -> Result<Connection, ClientError> {
        match &self.endpoint {
            Endpoint::Unix(path) => self.start(dial_unix(path).await).await,
            Endpoint::Tcp { host, port } => match (dial_tcp(host, *port).await, &self.tls) {
                (Ok(stream), Some(tls)) => {
                    let secured = tls.connect(bare(host), stream).await;
                    let endpoint = self.endpoint.clone();
                    let secured = secured.map_err(|source| ClientError::Handshake { endpoint, source })?;
                    self.start(Ok(secured)).await
                }
                (dialled, _) => self.start(dialled).await,
            },
            Endpoint::Ssh(destination) => self.start(ssh::dial(destination)).await,
        }
    }

    async fn start<S>(&self, dialled: io::Result<S>) -> Result<Connection, ClientError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let stream = dialled.map_err(|source| self.refused(source))?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|source| self.refused(io::Error::other(source)))?;
        // The driver ends by itself when the sender is dropped or the daemon hangs up; what broke reaches the sender.
        tokio::spawn(connection.with_upgrades());
        Ok(sender)
    }

    fn refused(&self, source: io::Error) -> ClientError {
        refused(&self.endpoint, source)
    }
}

fn refused(endpoint: &Endpoint, source: io::Error) -> ClientError {
    let endpoint = endpoint.clone();
    match source.kind() {
        io::ErrorKind::PermissionDenied => ClientError::Forbidden { endpoint, source },
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound | io::ErrorKind::TimedOut => {
            ClientError::Unreachable { endpoint, source }
        }
        _ => ClientError::Dial { endpoint, source },
    }
}

#[cfg(unix)]
async fn dial_unix(path: &str) -> io::Result<tokio::net::UnixStream> {
    tokio::net::UnixStream::connect(path).await
}

#[cfg(not(unix))]
async fn dial_unix(_path: &str) -> io::Result<TcpStream> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "unix sockets need a unix system"))
}

/// A host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

async fn dial_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let dial = TcpStream::connect((bare(host), port));
    let stream = tokio::time::timeout(DIAL_FOR, dial).await.map_err(|_| io::ErrorKind::TimedOut)??;
    stream.set_nodelay(true)?;
    Ok(stream)
}
