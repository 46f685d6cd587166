//! A registry inside the test: plain HTTP on a loopback port, content in memory, answers that a test may replace.
//!
//! It speaks just enough HTTP/1.1, one request per connection, because what matters here is to break the rules.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use skep_agent::image::Digest;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use crate::layer::Built;

/// What was asked.
#[derive(Clone, Debug)]
pub struct Request {
    /// Path and query.
    pub path: String,
    /// By lower-case name.
    pub headers: HashMap<String, String>,
}

/// What to answer instead of what is true.
#[derive(Clone, Default)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub ending: Ending,
}

/// How an answer ends.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Ending {
    #[default]
    Properly,
    /// After that many bytes the connection closes.
    Cut(usize),
    /// After that many bytes nothing more comes.
    Stall(usize),
}

type Rule = Box<dyn Fn(&Request, &Reply) -> Option<Reply> + Send + Sync>;

#[derive(Default)]
struct Content {
    /// Manifests by `repository:tag` and `repository@digest`, with their media types.
    manifests: BTreeMap<String, (Vec<u8>, String)>,
    blobs: BTreeMap<Digest, Vec<u8>>,
}

/// The running registry; it ends with this value.
pub struct Registry {
    /// `127.0.0.1:port`.
    pub address: String,
    shared: Arc<Shared>,
    _server: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Shared {
    content: Mutex<Content>,
    requests: Mutex<Vec<Request>>,
    rule: Mutex<Option<Rule>>,
}

impl Registry {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared::default());
        let server = tokio::spawn(serve(listener, Arc::clone(&shared)));
        Self { address, shared, _server: AbortOnDropHandle::new(server) }
    }

    /// Starts a registry that holds one image as `app:1`.
    pub async fn with(built: &Built) -> Self {
        let registry = Self::start().await;
        registry.add("app", "1", built);
        registry
    }

    /// Returns the full name of an image here.
    pub fn name(&self, image: &str) -> String {
        format!("{}/{image}", self.address)
    }

    pub fn add(&self, repository: &str, tag: &str, built: &Built) {
        self.add_manifest(repository, tag, &built.manifest, &built.media_type);
        self.shared.content.lock().unwrap().blobs.extend(built.blobs.clone());
    }

    pub fn add_manifest(&self, repository: &str, tag: &str, bytes: &[u8], media_type: &str) {
        let mut content = self.shared.content.lock().unwrap();
        for name in [format!("{repository}:{tag}"), format!("{repository}@{}", Digest::of(bytes))] {
            content.manifests.insert(name, (bytes.to_vec(), media_type.to_owned()));
        }
    }

    /// Lets `rule` look at every request and its true answer, and replace it.
    pub fn rule(&self, rule: impl Fn(&Request, &Reply) -> Option<Reply> + Send + Sync + 'static) {
        *self.shared.rule.lock().unwrap() = Some(Box::new(rule));
    }

    pub fn behave(&self) {
        *self.shared.rule.lock().unwrap() = None;
    }

    /// Returns the requests whose path contains `part`.
    pub fn requests(&self, part: &str) -> Vec<Request> {
        let requests = self.shared.requests.lock().unwrap();
        requests.iter().filter(|request| request.path.contains(part)).cloned().collect()
    }
}

impl Reply {
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"errors": [{"code": code, "message": message}]});
        Self::new(status, body.to_string())
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // A client that hangs up in the middle is part of many tests.
            let _ = answer(stream, &shared).await;
        });
    }
}

async fn answer(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let Some(request) = read_request(&mut stream).await? else { return Ok(()) };
    shared.requests.lock().unwrap().push(request.clone());
    let truth = shared.content.lock().unwrap().answer(&request);
    let replaced = shared.rule.lock().unwrap().as_ref().and_then(|rule| rule(&request, &truth));
    write_reply(stream.get_mut(), &replaced.unwrap_or(truth)).await
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<Request>> {
    // A TLS client says hello first; what it gets is what it would get from any server without TLS.
    if stream.fill_buf().await?.first() == Some(&0x16) {
        return Ok(None);
    }
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let len = headers.get("content-length").and_then(|len| len.parse().ok()).unwrap_or(0);
    let mut body = vec![0; len];
    stream.read_exact(&mut body).await?;
    headers.insert("body".to_owned(), String::from_utf8_lossy(&body).into_owned());
    Ok(Some(Request { path, headers }))
}

async fn write_reply(stream: &mut TcpStream, reply: &Reply) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} -\r\nConnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", reply.body.len()));
    stream.write_all(head.as_bytes()).await?;
    match reply.ending {
        Ending::Properly => stream.write_all(&reply.body).await?,
        Ending::Cut(len) => stream.write_all(&reply.body[..len]).await?,
        Ending::Stall(len) => {
            stream.write_all(&reply.body[..len]).await?;
            stream.flush().await?;
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    }
    stream.shutdown().await
}

impl Content {
    fn answer(&self, request: &Request) -> Reply {
        let path = request.path.strip_prefix("/v2/").unwrap_or_default();
        if let Some((repository, selector)) = path.split_once("/manifests/") {
            let join = if selector.starts_with("sha256:") { '@' } else { ':' };
            return match self.manifests.get(&format!("{repository}{join}{selector}")) {
                Some((bytes, media_type)) => {
                    Reply::new(200, bytes.clone()).header("Content-Type", media_type)
                }
                None => Reply::error(404, "MANIFEST_UNKNOWN", "manifest unknown"),
            };
        }
        if let Some((_, digest)) = path.split_once("/blobs/") {
            return match digest.parse().ok().and_then(|digest: Digest| self.blobs.get(&digest)) {
                Some(bytes) => Reply::new(200, bytes.clone()),
                None => Reply::error(404, "BLOB_UNKNOWN", "blob unknown to registry"),
            };
        }
        Reply::new(200, "{}")
    }
}
