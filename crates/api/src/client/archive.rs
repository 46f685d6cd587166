//! Archives: streams of bytes out of the daemon, and into it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

use super::ClientError;
use super::transport::{Connection, Payload};

/// Chunks that may wait between whoever reads a file and whoever sends it.
const CHUNKS_MAX: usize = 8;

/// Bytes that the daemon sends.
#[derive(Debug)]
pub struct Download {
    body: Incoming,
    /// Invariant: lives as long as the body, which ends when it is dropped.
    _connection: Connection,
}

impl Download {
    pub(super) fn new(body: Incoming, connection: Connection) -> Download {
        Download { body, _connection: connection }
    }

    /// The next bytes, or `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|source| ClientError::Stream {
                doing: "read the archive",
                source: io::Error::other(source),
            })?;
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                return Ok(Some(data));
            }
        }
    }
}

/// Bytes for the daemon, from a thread or a task that sends them chunk by chunk. An error ends the request.
#[derive(Debug)]
pub struct Upload {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
}

impl Upload {
    /// An upload, and the end at which its bytes are put in.
    pub fn channel() -> (mpsc::Sender<io::Result<Bytes>>, Upload) {
        let (sender, chunks) = mpsc::channel(CHUNKS_MAX);
        (sender, Upload { chunks })
    }

    /// Uploads what a reader yields.
    pub fn of(reader: impl AsyncRead + Send + Unpin + 'static) -> Upload {
        let (sender, upload) = Upload::channel();
        tokio::spawn(async move { pump(reader, &sender).await });
        upload
    }

    pub(super) fn into_payload(self) -> Payload {
        StreamBody::new(Chunks(self.chunks)).boxed_unsync()
    }
}

async fn pump(mut reader: impl AsyncRead + Unpin, sender: &mpsc::Sender<io::Result<Bytes>>) {
    use tokio::io::AsyncReadExt;
    const CHUNK_BYTES: usize = 64 << 10;
    loop {
        let mut chunk = bytes::BytesMut::with_capacity(CHUNK_BYTES);
        let read = reader.read_buf(&mut chunk).await;
        let is_last = !matches!(read, Ok(1..));
        // Whoever receives is gone when the daemon answered early; there is nobody left to tell.
        if !matches!(read, Ok(0)) && sender.send(read.map(|_| chunk.freeze())).await.is_err() || is_last {
            return;
        }
    }
}

/// A channel as a stream of frames.
struct Chunks(mpsc::Receiver<io::Result<Bytes>>);

impl futures_util::Stream for Chunks {
    type Item = io::Result<Frame<Bytes>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}
