//! The answer that becomes another protocol: frames, or a terminal's bytes, out; plain bytes in.
//!
//! A client that asks for an upgrade gets 101 and both directions. One that does not gets 200 and the output only, without
//! a length and not in chunks: it ends with the connection, as in Docker. Failures after the first byte are told in the
//! stream.

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};
use hyper::ext::ReasonPhrase;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use super::Context;
use super::error::Error;
use super::facts::{Chunk, Fault, LogStream, Session};
use super::logs::{RAW_STREAM, frame, media_type};
use crate::convert::gate::Minor;

/// Bytes of a client's input that are passed on at a time.
const INPUT_BYTES: usize = 32 * 1024;

/// A connection that may leave HTTP.
pub(super) struct Hijack(Option<OnUpgrade>);

impl<S: Sync> FromRequestParts<S> for Hijack {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let asked = parts.headers.contains_key(header::UPGRADE);
        Ok(Hijack(parts.extensions.remove::<OnUpgrade>().filter(|_| asked)))
    }
}

/// What begins the session; it is awaited only when the head of the answer is out.
pub(super) type Begin = BoxFuture<'static, Result<Session, Fault>>;

impl Hijack {
    /// Answers with a session. With `tty` its bytes are not framed.
    pub(super) fn answer(
        self,
        context: &Context,
        minor: Minor,
        tty: bool,
        begin: Begin,
    ) -> Result<Response, Error> {
        let stop = context.stop.clone();
        let Some(upgrade) = self.0 else { return Ok(output_only(tty, begin, stop)) };
        let busy = "too many sessions are open; close one and try again";
        let permit = context.sessions.clone().try_acquire_owned();
        let permit = permit.map_err(|_| Error::new(StatusCode::SERVICE_UNAVAILABLE, busy))?;
        tokio::spawn(async move {
            match upgrade.await {
                Ok(io) => converse(TokioIo::new(io), tty, begin, stop).await,
                Err(error) => tracing::debug!(%error, "a client went away before its session began"),
            }
            drop(permit);
        });
        let head = [
            (header::CONTENT_TYPE, HeaderValue::from_static(media_type(minor, tty))),
            (header::CONNECTION, const { HeaderValue::from_static("Upgrade") }),
            (header::UPGRADE, const { HeaderValue::from_static("tcp") }),
        ];
        let mut response = (StatusCode::SWITCHING_PROTOCOLS, head).into_response();
        // Compat: some clients look for these very words.
        response.extensions_mut().insert(ReasonPhrase::from_static(b"UPGRADED"));
        Ok(response)
    }
}

/// Answers without an upgrade.
fn output_only(tty: bool, begin: Begin, stop: CancellationToken) -> Response {
    let output = stream::once(begin).flat_map(move |session| match session {
        Ok(session) => session.output,
        Err(fault) => stream::iter([Ok(refusal(&fault))]).boxed(),
    });
    let frames = output.map(move |chunk| Ok::<Bytes, std::convert::Infallible>(encode(tty, chunk)));
    let body = Body::from_stream(frames.take_until(stop.cancelled_owned()));
    let head = [
        (header::CONTENT_TYPE, const { HeaderValue::from_static(RAW_STREAM) }),
        (header::CONNECTION, const { HeaderValue::from_static("close") }),
    ];
    let mut response = (head, body).into_response();
    // An answer of the older version is not cut into chunks; its end is the connection's.
    *response.version_mut() = Version::HTTP_10;
    response
}

/// Talks to the client until the session has said everything, the client is gone, or the daemon stops.
async fn converse<T>(io: T, tty: bool, begin: Begin, stop: CancellationToken)
where
    T: AsyncRead + AsyncWrite + Send + 'static,
{
    let (read, mut write) = tokio::io::split(io);
    let session = async {
        let session = match begin.await {
            Ok(session) => session,
            Err(fault) => {
                let text = encode(tty, Ok(refusal(&fault)));
                return write.write_all(&text).await;
            }
        };
        let Session { mut output, input } = session;
        let feed = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(feed(read, input)));
        while let Some(chunk) = output.next().await {
            write.write_all(&encode(tty, chunk)).await?;
        }
        drop(feed);
        Ok(())
    };
    if let Some(Err(error)) = stop.run_until_cancelled(session).await {
        tracing::debug!(%error, "a client went away in the middle of a session");
    }
    // The client reads to the end before it looks at anything else.
    let _ = write.shutdown().await;
}

/// Passes on what the client types; its end is the end of the input, not of the session.
async fn feed(mut read: impl AsyncRead + Unpin, input: Option<std::pin::Pin<Box<dyn AsyncWrite + Send>>>) {
    let mut buffer = vec![0; INPUT_BYTES];
    let mut input = input;
    while let Ok(count @ 1..) = read.read(&mut buffer).await {
        // A process that no longer reads is no reason to stop listening: the client would think us gone.
        if let Some(open) = &mut input
            && open.write_all(&buffer[..count]).await.is_err()
        {
            input = None;
        }
    }
    if let Some(mut open) = input {
        let _ = open.shutdown().await;
    }
}

fn encode(tty: bool, chunk: Result<Chunk, Fault>) -> Bytes {
    match chunk {
        Ok(chunk) if tty => chunk.bytes,
        Ok(chunk) => frame::chunk(chunk.stream, &chunk.bytes),
        Err(fault) => frame::failure(tty, &fault.message),
    }
}

/// Returns what cannot begin, as the process itself would have said it.
fn refusal(fault: &Fault) -> Chunk {
    Chunk { stream: LogStream::Stdout, bytes: format!("{}\r\n", fault.message).into() }
}
