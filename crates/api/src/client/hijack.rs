//! A connection that was taken over by the streams of a process: its input one way, its output the other.
//!
//! Without a terminal, output comes in the frames of `logs`; with one, as it is. Closing the input leaves the output
//! open: a process that reads to the end of its input can still answer.

use bytes::BytesMut;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use super::ClientError;
use super::logs::{Frame, Stream, take_frame};

/// How much is read at a time.
const CHUNK_BYTES: usize = 32 << 10;

/// Both directions.
#[derive(Debug)]
pub struct Hijacked {
    /// What the process writes.
    pub output: Output,
    /// What the process reads.
    pub input: Input,
}

/// What a process writes.
#[derive(Debug)]
pub struct Output {
    stream: ReadHalf<TokioIo<Upgraded>>,
    buffer: BytesMut,
}

/// What a process reads.
#[derive(Debug)]
pub struct Input {
    stream: WriteHalf<TokioIo<Upgraded>>,
}

impl Hijacked {
    pub(super) fn new(upgraded: Upgraded) -> Hijacked {
        let (reader, writer) = tokio::io::split(TokioIo::new(upgraded));
        Hijacked {
            output: Output { stream: reader, buffer: BytesMut::new() },
            input: Input { stream: writer },
        }
    }
}

impl Output {
    /// The next piece, or `None` at the end. `framed` is false for processes on a terminal.
    pub async fn next(&mut self, framed: bool) -> Result<Option<Frame>, ClientError> {
        loop {
            if framed {
                if let Some(frame) = take_frame(&mut self.buffer)? {
                    return Ok(Some(frame));
                }
            } else if !self.buffer.is_empty() {
                return Ok(Some(Frame { stream: Stream::Stdout, payload: self.buffer.split().freeze() }));
            }
            self.buffer.reserve(CHUNK_BYTES);
            let read = self.stream.read_buf(&mut self.buffer).await;
            match read.map_err(|source| ClientError::Stream { doing: "read the output", source })? {
                0 if self.buffer.is_empty() => return Ok(None),
                0 => return Err(ClientError::Frame { reason: "it ends within a frame" }),
                _ => {}
            }
        }
    }
}

impl Input {
    /// Sends bytes to the process.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ClientError> {
        let written = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        written.await.map_err(|source| ClientError::Stream { doing: "write the input", source })
    }

    /// Tells the process that its input is over; its output goes on.
    pub async fn close(&mut self) -> Result<(), ClientError> {
        let closed = self.stream.shutdown().await;
        closed.map_err(|source| ClientError::Stream { doing: "close the input", source })
    }
}
