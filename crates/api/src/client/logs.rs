//! Log streams: frames of an 8-byte header and one line each, or the raw bytes of a terminal.

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::call::{Call, object};
use super::transport::Connection;
use super::{Client, ClientError};

/// The longest frame accepted. Daemons split lines at 16 KiB; a raw line of a terminal may be longer.
const FRAME_BYTES_MAX: usize = 16 << 20;

/// Bytes of a frame header: the stream, three zeroes, the length in network order.
const HEADER_BYTES: usize = 8;

/// What part of the logs is wanted. Both streams always are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Goes on with new lines.
    pub follow: bool,
    /// Begins each line with its time.
    pub timestamps: bool,
    /// Begins each line with where it comes from.
    pub details: bool,
    /// Unix seconds, perhaps with a fraction; empty for the beginning.
    pub since: String,
    /// The same for the end; only logs of containers know it.
    pub until: String,
    /// `all`, or lines per task from the end.
    pub tail: String,
}

/// Where a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, or a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of log: one line with its end, unless it comes from a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it was written.
    pub stream: Stream,
    /// The bytes.
    pub payload: Bytes,
}

/// An open log stream.
#[derive(Debug)]
pub struct LogStream {
    body: Incoming,
    framed: bool,
    buffer: BytesMut,
    path: String,
    /// Invariant: lives as long as the body, which ends when it is dropped.
    _connection: Connection,
}

impl Client {
    /// Opens the logs of a service. `framed` is false for services that run on a terminal.
    pub async fn service_logs(
        &self,
        id: &str,
        query: &LogQuery,
        framed: bool,
    ) -> Result<LogStream, ClientError> {
        self.logs(object("services", "service", id, "/logs")?, query, framed).await
    }

    /// Opens the logs of a task.
    pub async fn task_logs(
        &self,
        id: &str,
        query: &LogQuery,
        framed: bool,
    ) -> Result<LogStream, ClientError> {
        self.logs(object("tasks", "task", id, "/logs")?, query, framed).await
    }

    /// Opens the logs of a container.
    pub async fn container_logs(
        &self,
        reference: &str,
        query: &LogQuery,
        framed: bool,
    ) -> Result<LogStream, ClientError> {
        self.logs(super::container::path(reference, "/logs")?, query, framed).await
    }

    async fn logs(&self, path: String, query: &LogQuery, framed: bool) -> Result<LogStream, ClientError> {
        let flag = |wanted: bool| if wanted { "1" } else { "" };
        let call = Call::get(path.clone())
            .query("details", flag(query.details))
            .query("follow", flag(query.follow))
            .query("since", &query.since)
            .query("stderr", "1")
            .query("stdout", "1")
            .query("tail", &query.tail)
            .query("timestamps", flag(query.timestamps))
            .query("until", &query.until);
        let (response, connection) = self.stream(call).await?;
        Ok(LogStream {
            body: response.into_body(),
            framed,
            buffer: BytesMut::new(),
            path,
            _connection: connection,
        })
    }
}

impl LogStream {
    /// The next piece, or `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Frame>, ClientError> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(Some(frame));
            }
            match self.body.frame().await {
                Some(Ok(chunk)) => {
                    if let Ok(data) = chunk.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(source)) => {
                    return Err(ClientError::Cut { path: std::mem::take(&mut self.path), source });
                }
                None if self.buffer.is_empty() => return Ok(None),
                None => return Err(ClientError::Frame { reason: "it ends within a frame" }),
            }
        }
    }

    fn take(&mut self) -> Result<Option<Frame>, ClientError> {
        if self.framed {
            return take_frame(&mut self.buffer);
        }
        let payload = self.buffer.split().freeze();
        Ok((!payload.is_empty()).then_some(Frame { stream: Stream::Stdout, payload }))
    }
}

/// Takes one whole frame off the front of a buffer.
pub(super) fn take_frame(buffer: &mut BytesMut) -> Result<Option<Frame>, ClientError> {
    let Some(&[kind, _, _, _, a, b, c, d]) = buffer.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length > FRAME_BYTES_MAX {
        return Err(ClientError::Frame { reason: "a frame is longer than 16 MiB" });
    }
    if buffer.len() < HEADER_BYTES + length {
        return Ok(None);
    }
    buffer.advance(HEADER_BYTES);
    let payload = buffer.split_to(length).freeze();
    match kind {
        0 | 1 => Ok(Some(Frame { stream: Stream::Stdout, payload })),
        2 => Ok(Some(Frame { stream: Stream::Stderr, payload })),
        3 => {
            let message = String::from_utf8_lossy(&payload).trim_end().to_owned();
            Err(ClientError::InStream { message })
        }
        _ => Err(ClientError::Frame { reason: "a frame belongs to no known stream" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_arrive_in_pieces() {
        let mut buffer = BytesMut::new();
        buffer.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 6, b'h', b'e']);
        assert!(take_frame(&mut buffer).expect("incomplete is no error").is_none());
        buffer.extend_from_slice(b"llo\n\x02\0\0\0\0\0\0\x01x");
        let frame = take_frame(&mut buffer).expect("whole").expect("there");
        assert_eq!((frame.stream, &frame.payload[..]), (Stream::Stdout, &b"hello\n"[..]));
        let frame = take_frame(&mut buffer).expect("whole").expect("there");
        assert_eq!((frame.stream, &frame.payload[..]), (Stream::Stderr, &b"x"[..]));
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_daemon_reports_failures_in_band() {
        let mut buffer = BytesMut::from(&b"\x03\0\0\0\0\0\0\x05oops\n"[..]);
        let error = take_frame(&mut buffer).expect_err("type 3");
        assert_eq!(error.to_string(), "error from daemon in stream: oops");
        let mut buffer = BytesMut::from(&b"\x01\0\0\0\xff\xff\xff\xff"[..]);
        assert!(take_frame(&mut buffer).is_err());
    }
}
