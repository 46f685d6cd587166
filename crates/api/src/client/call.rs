//! One request and its answer.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;

use super::hijack::Hijacked;
use super::transport::{Connection, Payload};
use super::{Client, ClientError};
use crate::wire::ErrorBody;

/// The longest answer that is read into memory: 10,000 tasks take about 40 MB.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// How long an answer may take. Leaving a swarm stops every container first, so this is generous.
const ANSWER_FOR: Duration = Duration::from_secs(600);

/// A request about to be sent.
#[derive(Debug)]
pub(super) struct Call {
    method: Method,
    path: String,
    query: String,
    auth: Option<String>,
    body: Body,
    versioned: bool,
    patience: Option<Duration>,
}

/// What a request carries.
#[derive(Debug)]
enum Body {
    Json(Bytes),
    /// An archive of a size that nobody knows yet.
    Tar(Payload),
}

impl Call {
    pub(super) fn new(method: Method, path: impl Into<String>) -> Call {
        Call {
            method,
            path: path.into(),
            query: String::new(),
            auth: None,
            body: Body::Json(Bytes::new()),
            versioned: true,
            patience: Some(ANSWER_FOR),
        }
    }

    pub(super) fn get(path: impl Into<String>) -> Call {
        Call::new(Method::GET, path)
    }

    pub(super) fn post<T: Serialize>(path: impl Into<String>, body: &T) -> Call {
        let body = serde_json::to_vec(body).expect("wire types have string keys and no failing serializer");
        Call { body: Body::Json(body.into()), ..Call::new(Method::POST, path) }
    }

    /// Sends an archive while it is read; there is no telling how long that takes.
    pub(super) fn upload(self, archive: Payload) -> Call {
        Call { body: Body::Tar(archive), ..self }.patient()
    }

    /// Waits for the answer as long as it takes.
    pub(super) fn patient(self) -> Call {
        Call { patience: None, ..self }
    }

    /// Leaves the version out of the path.
    pub(super) fn unversioned(self) -> Call {
        Call { versioned: false, ..self }
    }

    /// Adds `key=value` to the query; an empty value adds nothing.
    pub(super) fn query(mut self, key: &str, value: impl AsRef<str>) -> Call {
        if !value.as_ref().is_empty() {
            let separator = if self.query.is_empty() { '?' } else { '&' };
            self.query.push(separator);
            self.query.push_str(key);
            self.query.push('=');
            escape(&mut self.query, value.as_ref(), "");
        }
        self
    }

    /// Adds `key=1` if a flag is set.
    pub(super) fn flag(self, key: &str, is_set: bool) -> Call {
        self.query(key, if is_set { "1" } else { "" })
    }

    /// Adds registry credentials.
    pub(super) fn auth(self, auth: Option<&str>) -> Call {
        Call { auth: auth.map(str::to_owned), ..self }
    }
}

/// The collections whose objects have names with slashes in them.
const WITH_SLASHES: [&str; 2] = ["images", "distribution"];

/// Builds `/kind/<reference><rest>`, refusing an empty reference, which would address the whole collection. Whatever a
/// reference holds, it addresses nothing outside of its collection.
pub(super) fn object(
    collection: &str,
    kind: &'static str,
    reference: &str,
    rest: &str,
) -> Result<String, ClientError> {
    if reference.trim().is_empty() {
        return Err(ClientError::EmptyRef { kind });
    }
    let mut path = format!("/{collection}/");
    let slash = if WITH_SLASHES.contains(&collection) { "/" } else { "%2F" };
    for (at, part) in reference.split('/').enumerate() {
        path.push_str(if at > 0 { slash } else { "" });
        match part {
            // A server takes them for a way through its collections.
            "." | ".." => path.push_str(&"%2E".repeat(part.len())),
            part => escape(&mut path, part, ":@"),
        }
    }
    path.push_str(rest);
    Ok(path)
}

/// Appends `text` percent-encoded, except for unreserved characters and those in `keep`.
fn escape(into: &mut String, text: &str, keep: &str) {
    for byte in text.bytes() {
        let character = char::from(byte);
        if character.is_ascii_alphanumeric() || "-_.~".contains(character) || keep.contains(character) {
            into.push(character);
        } else {
            write!(into, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
}

impl Client {
    /// Sends a request whose answer is JSON.
    pub(super) async fn json<T: DeserializeOwned>(&self, call: Call) -> Result<T, ClientError> {
        let path = call.path.clone();
        let body = self.bytes(call).await?;
        decode(&body).map_err(|source| ClientError::Decode { path, source })
    }

    /// Sends a request whose answer, if it is a success, says nothing more.
    pub(super) async fn done(&self, call: Call) -> Result<(), ClientError> {
        self.bytes(call).await.map(drop)
    }

    /// Sends a request whose answer is wanted as the daemon wrote it.
    pub(super) async fn bytes(&self, call: Call) -> Result<Bytes, ClientError> {
        let (method, path, patience) = (call.method.clone(), call.path.clone(), call.patience);
        let answer = async {
            let (response, connection) = self.send(call).await?;
            let body = collect(&method, &path, response).await?;
            self.transport.release(connection);
            Ok(body)
        };
        within(patience, &method, &path, answer).await
    }

    /// Sends a request whose answer is a stream. The connection lives as long as what it returns.
    pub(super) async fn stream(&self, call: Call) -> Result<(Response<Incoming>, Connection), ClientError> {
        let (method, path, patience) = (call.method.clone(), call.path.clone(), call.patience);
        within(patience, &method, &path, self.send(call)).await
    }

    /// Sends a request after which the connection belongs to the streams of a process.
    pub(super) async fn hijack(&self, call: Call) -> Result<Hijacked, ClientError> {
        let path = call.path.clone();
        let mut request = self.request(call)?;
        request.headers_mut().insert(CONNECTION, "Upgrade".parse().expect("a word is a header"));
        request.headers_mut().insert(UPGRADE, "tcp".parse().expect("a word is a header"));
        let mut connection = self.transport.acquire().await?;
        let broken = |source| ClientError::Broken { method: Method::POST, path: path.clone(), source };
        let answer = async {
            let response = connection.send_request(request).await.map_err(broken)?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                return hyper::upgrade::on(response).await.map_err(broken);
            }
            match response.status().is_success() {
                true => Err(ClientError::NotUpgraded { status: response.status() }),
                false => Err(refusal(&Method::POST, &path, response).await),
            }
        };
        within(Some(ANSWER_FOR), &Method::POST, &path, answer).await.map(Hijacked::new)
    }

    /// Sends a request and reads the head of the answer, turning refusals into errors.
    async fn send(&self, call: Call) -> Result<(Response<Incoming>, Connection), ClientError> {
        let method = call.method.clone();
        let request = self.request(call)?;
        let path = request.uri().to_string();
        let mut connection = self.transport.acquire().await?;
        let response = connection.send_request(request).await.map_err(|source| ClientError::Broken {
            method: method.clone(),
            path: path.clone(),
            source,
        })?;
        if response.status().is_success() {
            return Ok((response, connection));
        }
        let error = refusal(&method, &path, response).await;
        self.transport.release(connection);
        Err(error)
    }

    fn request(&self, call: Call) -> Result<Request<Payload>, ClientError> {
        let Call { method, path, query, auth, body, versioned, patience: _ } = call;
        let prefix = if versioned { format!("/v{}", self.version) } else { String::new() };
        let path = format!("{prefix}{path}{query}");
        let mut request = Request::builder()
            .method(method.clone())
            .uri(&path)
            .header(HOST, "docker")
            .header("User-Agent", concat!("skep/", env!("CARGO_PKG_VERSION")));
        if let Some(auth) = auth {
            request = request.header("X-Registry-Auth", auth);
        }
        let payload = match body {
            Body::Json(json) => {
                if !json.is_empty() {
                    request = request.header(CONTENT_TYPE, "application/json");
                }
                Full::new(json).map_err(|never| match never {}).boxed_unsync()
            }
            Body::Tar(archive) => {
                request = request.header(CONTENT_TYPE, "application/x-tar");
                archive
            }
        };
        request.body(payload).map_err(|source| ClientError::Build { method, path, source })
    }
}

/// Bounds the time of an answer; without patience's end, as long as it takes.
async fn within<T>(
    patience: Option<Duration>,
    method: &Method,
    path: &str,
    answer: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let Some(patience) = patience else { return answer.await };
    let late = |_| ClientError::TimedOut {
        method: method.clone(),
        path: path.to_owned(),
        seconds: patience.as_secs(),
    };
    timeout(patience, answer).await.map_err(late)?
}

/// Reads the daemon's sentence out of an answer that is not a success.
async fn refusal(method: &Method, path: &str, response: Response<Incoming>) -> ClientError {
    let status = response.status();
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "application/json");
    let body = match collect(method, path, response).await {
        Ok(body) => body,
        Err(error) => return error,
    };
    ClientError::Daemon { status, message: sentence(status, path, is_json, &body) }
}

fn sentence(status: StatusCode, path: &str, is_json: bool, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let message = if is_json {
        decode::<ErrorBody>(body).map(|error| error.message).unwrap_or_else(|_| text.clone().into_owned())
    } else {
        text.into_owned()
    };
    match message.trim() {
        "" => format!(
            "request returned {} for API route and version {path}, check if the server supports the requested API version",
            status.canonical_reason().unwrap_or("an error"),
        ),
        message => message.to_owned(),
    }
}

async fn collect(method: &Method, path: &str, response: Response<Incoming>) -> Result<Bytes, ClientError> {
    match Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(ClientError::TooLong { path: path.to_owned(), limit: ANSWER_BYTES_MAX })
        }
        Err(error) => {
            let source = *error.downcast::<hyper::Error>().expect("a limited body fails only with these two");
            Err(ClientError::Broken { method: method.clone(), path: path.to_owned(), source })
        }
    }
}

/// Decodes JSON the way Go does: a `null` is an absent field.
pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
    let mut value = serde_json::from_slice(body)?;
    drop_nulls(&mut value);
    serde_json::from_value(value)
}

/// Recursion is bounded: serde_json refuses documents nested deeper than 128.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_and_paths_are_escaped() {
        let call = Call::get("/x").query("a", "b c&d").query("empty", "").query("e", r#"{"k":1}"#);
        assert_eq!(call.query, "?a=b%20c%26d&e=%7B%22k%22%3A1%7D");
        let path = object("distribution", "image", "host:5000/a b@sha256:1", "/json").expect("builds");
        assert_eq!(path, "/distribution/host:5000/a%20b@sha256:1/json");
        let path = |collection, reference| object(collection, "thing", reference, "").expect("builds");
        assert_eq!(path("skep/v1/rollouts", "../x"), "/skep/v1/rollouts/%2E%2E%2Fx");
        assert_eq!(path("services", ".."), "/services/%2E%2E");
        assert_eq!(path("nodes", "a/../b?c#d"), "/nodes/a%2F%2E%2E%2Fb%3Fc%23d");
        assert_eq!(path("images", "../v1"), "/images/%2E%2E/v1");
        assert!(object("services", "service", " ", "").is_err());
    }

    #[test]
    fn a_refusal_is_never_silent() {
        let say = |json, body: &str| sentence(StatusCode::BAD_GATEWAY, "/v1.50/x", json, body.as_bytes());
        assert_eq!(say(true, "{\"message\":\"no such x\\n\"}"), "no such x");
        assert_eq!(say(false, "plain\n"), "plain");
        assert_eq!(
            say(false, ""),
            "request returned Bad Gateway for API route and version /v1.50/x, check if the server supports the requested API version"
        );
    }
}
