//! A blocking HTTP client over a unix socket or loopback TCP, one connection kept alive.
//!
//! hyper speaks the protocol; this only hides the runtime, so that tests read as a list of steps. Every
//! request has a time limit.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Runtime;

/// Longest time for one whole request.
const LIMIT: Duration = Duration::from_secs(60);

/// Bodies beyond this are a fault of the server under test.
const BODY_LIMIT: usize = 64 << 20;

/// Where a server listens.
#[derive(Debug, Clone)]
pub enum Endpoint {
    Unix(PathBuf),
    /// `address:port`, in whichever network the calling thread is.
    Tcp(String),
}

/// A connection to one server, made at the first request and again after the server closed it.
#[derive(Debug)]
pub struct Http {
    runtime: Runtime,
    endpoint: Endpoint,
    connection: Option<Connection>,
}

type Connection = SendRequest<Full<Bytes>>;

/// A whole answer.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: hyper::HeaderMap,
    pub body: Bytes,
}

impl Http {
    /// Connects over a unix socket.
    pub fn unix(path: &Path) -> Result<Self> {
        Self::new(Endpoint::Unix(path.to_owned()))
    }

    /// Connects over TCP.
    pub fn tcp(address: &str) -> Result<Self> {
        Self::new(Endpoint::Tcp(address.to_owned()))
    }

    fn new(endpoint: Endpoint) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self { runtime: runtime.context("cannot make a runtime")?, endpoint, connection: None })
    }

    /// Sends one request and returns the answer, whatever its status.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response> {
        let mut request = Request::builder().method(method).uri(path).header("host", "skep");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).context("not a valid request")?;
        // A connection that was kept may belong to a daemon that a test has killed since.
        if let Some(kept) = self.connection.take()
            && let Ok(response) = self.exchange(Some(kept), request.clone())
        {
            return Ok(response);
        }
        self.exchange(None, request).with_context(|| format!("{method} {path}"))
    }

    fn exchange(&mut self, kept: Option<Connection>, request: Request<Full<Bytes>>) -> Result<Response> {
        let exchange = exchange(&self.endpoint, kept, request);
        let outcome = self.runtime.block_on(async { tokio::time::timeout(LIMIT, exchange).await });
        let (connection, response) = outcome.with_context(|| format!("no answer within {LIMIT:?}"))??;
        self.connection = Some(connection);
        Ok(response)
    }

    /// Reads an answer piece by piece until `take` has enough, the server ends it, or nothing comes for `patience`. The
    /// connection is closed then.
    pub fn stream(
        &mut self,
        path: &str,
        patience: Duration,
        take: impl FnMut(&[u8]) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let request = Request::get(path).header("host", "skep").body(Full::default());
        let request = request.context("not a valid request")?;
        let reading = stream(&self.endpoint, request, patience, take);
        self.runtime.block_on(reading).with_context(|| format!("GET {path}"))
    }

    /// Sends JSON, or nothing, and returns JSON: `null` for an empty answer, an error for a refusal.
    pub fn json(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let text = body.map(Value::to_string).unwrap_or_default();
        let headers: &[(&str, &str)] =
            if body.is_some() { &[("content-type", "application/json")] } else { &[] };
        let response = self.send(method, path, headers, text.as_bytes())?;
        ensure!(response.status < 400, "{method} {path}: {} {}", response.status, response.text().trim());
        response.json()
    }
}

impl Response {
    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON, `null` when it is empty.
    pub fn json(&self) -> Result<Value> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.text()))
    }

    /// Returns a header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

async fn exchange(
    endpoint: &Endpoint,
    kept: Option<Connection>,
    request: Request<Full<Bytes>>,
) -> Result<(Connection, Response)> {
    let mut connection = match kept {
        Some(open) => open,
        None => connect(endpoint).await?,
    };
    connection.ready().await.context("the connection was closed")?;
    let response = connection.send_request(request).await.context("no answer")?;
    let (head, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(frame) = stream.frame().await {
        if let Ok(data) = frame.context("the answer broke off")?.into_data() {
            body.extend_from_slice(&data);
        }
        if body.len() > BODY_LIMIT {
            bail!("the answer is longer than {BODY_LIMIT} bytes");
        }
    }
    let response = Response { status: head.status.as_u16(), headers: head.headers, body: body.into() };
    Ok((connection, response))
}

async fn stream(
    endpoint: &Endpoint,
    request: Request<Full<Bytes>>,
    patience: Duration,
    mut take: impl FnMut(&[u8]) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let mut connection = connect(endpoint).await?;
    let answer = tokio::time::timeout(LIMIT, connection.send_request(request)).await;
    let mut answer = answer.with_context(|| format!("no answer within {LIMIT:?}"))?.context("no answer")?;
    ensure!(answer.status().is_success(), "status {}", answer.status());
    while let Ok(Some(frame)) = tokio::time::timeout(patience, answer.frame()).await {
        if let Ok(data) = frame.context("the answer broke off")?.into_data()
            && take(&data)?.is_break()
        {
            break;
        }
    }
    Ok(())
}

async fn connect(endpoint: &Endpoint) -> Result<Connection> {
    match endpoint {
        Endpoint::Unix(path) => {
            let stream = UnixStream::connect(path).await;
            open(stream.with_context(|| format!("cannot connect to {}", path.display()))?).await
        }
        Endpoint::Tcp(address) => {
            let stream = TcpStream::connect(address).await;
            open(stream.with_context(|| format!("cannot connect to {address}"))?).await
        }
    }
}

async fn open<S>(stream: S) -> Result<Connection>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await.context("cannot open HTTP")?;
    // The loop ends with the connection; what went wrong shows in the request that it breaks.
    tokio::spawn(connection);
    Ok(sender)
}
