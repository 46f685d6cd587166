//! Successful answers: one JSON value, or a list that is encoded while it is sent.

use std::convert::Infallible;
use std::iter;
use std::sync::Arc;
use std::task::Poll;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use serde::Serialize;

use super::backend::View;

/// Bytes encoded before they are handed on. A list that fits is sent with its length.
const CHUNK_BYTES: usize = 64 * 1024;

/// Answers one value with status 200.
pub fn json(value: &impl Serialize) -> Response {
    json_with(StatusCode::OK, value)
}

/// Answers one value with this status.
pub fn json_with(status: StatusCode, value: &impl Serialize) -> Response {
    let mut text = Vec::with_capacity(1024);
    encode(&mut text, value);
    text.push(b'\n');
    (status, [(header::CONTENT_TYPE, JSON)], text).into_response()
}

/// Answers 200 without a body.
pub fn empty() -> Response {
    StatusCode::OK.into_response()
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

fn encode(text: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(text, value).expect("wire types have text keys and encode into memory");
}

/// Answers 204.
pub fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// Returns one value as a line of a stream.
pub fn line(value: &impl Serialize) -> Bytes {
    let mut text = Vec::with_capacity(256);
    encode(&mut text, value);
    text.push(b'\n');
    text.into()
}

/// Answers lines of JSON as they come; the head goes out before the first.
pub fn lines(lines: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    stream("application/json", lines.map(Ok::<Bytes, Infallible>))
}

/// Answers bytes as they come.
pub fn stream(
    media: &'static str,
    bytes: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static,
) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static(media))], Body::from_stream(bytes)).into_response()
}

/// Joins pieces that are there at the same time: a log that grows by 100,000 lines a second is sent in a few hundred pieces.
/// Nothing waits for company.
pub fn joined(pieces: impl Stream<Item = Bytes> + Send) -> impl Stream<Item = Bytes> + Send {
    let mut pieces = Box::pin(pieces.fuse());
    futures_util::stream::poll_fn(move |context| {
        let mut joined = BytesMut::new();
        while joined.len() < CHUNK_BYTES {
            match pieces.poll_next_unpin(context) {
                Poll::Ready(Some(piece)) => joined.extend_from_slice(&piece),
                Poll::Ready(None) if joined.is_empty() => return Poll::Ready(None),
                Poll::Pending if joined.is_empty() => return Poll::Pending,
                // Either comes again: an end is remembered, and what is pending has a waker.
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(Some(joined.freeze()))
    })
}

/// Answers a list of objects by their ids. The view stays as it is while the client reads, however slow it is.
pub fn list<I, T>(
    view: Arc<dyn View>,
    ids: Vec<I>,
    show: impl Fn(&dyn View, I) -> Option<T> + Send + 'static,
) -> Response
where
    I: Send + 'static,
    T: Serialize + 'static,
{
    array(ids.into_iter().filter_map(move |id| show(&*view, id)))
}

/// Answers an array whose rows are made as they are needed.
pub fn array<T: Serialize + 'static>(rows: impl Iterator<Item = T> + Send + 'static) -> Response {
    let mut chunks = chunks(rows).peekable();
    let first = chunks.next().unwrap_or_default();
    let body = if chunks.peek().is_none() {
        Body::from(first)
    } else {
        let all = iter::once(first).chain(chunks);
        Body::from_stream(futures_util::stream::iter(all.map(Ok::<Bytes, Infallible>)))
    };
    ([(header::CONTENT_TYPE, JSON)], body).into_response()
}

fn chunks<T: Serialize>(mut rows: impl Iterator<Item = T>) -> impl Iterator<Item = Bytes> {
    let mut separator = b'[';
    let mut ended = false;
    iter::from_fn(move || {
        if ended {
            return None;
        }
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK_BYTES {
            let Some(row) = rows.next() else {
                ended = true;
                if separator == b'[' {
                    chunk.push(b'[');
                }
                chunk.extend_from_slice(b"]\n");
                break;
            };
            chunk.push(separator);
            encode(&mut chunk, &row);
            separator = b',';
        }
        Some(Bytes::from(chunk))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(rows: impl Iterator<Item = u64>) -> (usize, String) {
        let chunks: Vec<Bytes> = chunks(rows).collect();
        (chunks.len(), String::from_utf8(chunks.concat()).expect("text"))
    }

    #[test]
    fn pieces_that_are_there_travel_together_and_wait_for_nobody() {
        use futures_util::FutureExt as _;

        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
        let mut joined = joined(futures_util::stream::poll_fn(move |context| receiver.poll_recv(context)));
        for piece in ["a", "b", "c"] {
            sender.send(Bytes::from(piece)).expect("sent");
        }
        assert_eq!(joined.next().now_or_never().flatten().as_deref(), Some(&b"abc"[..]));
        assert_eq!(joined.next().now_or_never(), None);
        sender.send(Bytes::from(vec![b'x'; CHUNK_BYTES])).expect("sent");
        sender.send(Bytes::from("d")).expect("sent");
        drop(sender);
        assert_eq!(joined.next().now_or_never().flatten().map(|piece| piece.len()), Some(CHUNK_BYTES));
        assert_eq!(joined.next().now_or_never().flatten().as_deref(), Some(&b"d"[..]));
        assert_eq!(joined.next().now_or_never(), Some(None));
    }

    #[test]
    fn a_list_is_an_array_at_any_length() {
        assert_eq!(text(0..0), (1, "[]\n".to_owned()));
        assert_eq!(text(0..3), (1, "[0,1,2]\n".to_owned()));
        let (count, long) = text(0..100_000);
        assert!(count > 5, "{count}");
        let rows: Vec<u64> = serde_json::from_str(&long).expect("an array");
        assert_eq!(rows.len(), 100_000);
    }
}
