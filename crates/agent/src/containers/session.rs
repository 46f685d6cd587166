//! A process in somebody's hands: what it writes as a stream, what it reads as a sink.
//!
//! The pump behind a session outlives it. When nobody takes the output any more, it is discarded, and the process goes on.

use std::future::Future;
use std::io;
use std::pin::Pin;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use skep_runtime::Conduit;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;

use crate::engine::logs::LogSource;

/// How much is read at once.
const CHUNK_BYTES: usize = 32 << 10;
/// Chunks on their way to a reader; beyond that the process waits.
const CHUNKS_MAX: usize = 16;
/// Reads after the end of a process. A pipe holds less, unless somebody still writes into it.
const LAST_READS_MAX: usize = 64;

/// Some bytes that a process wrote. With a terminal, all of them count as standard output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub source: LogSource,
    pub bytes: Bytes,
}

/// What a process reads. Shutting it down ends the process's standard input.
pub type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// A running process that a client talks to.
pub struct Session {
    /// What it writes, as it comes. Ends when nothing more will come.
    pub output: BoxStream<'static, io::Result<Chunk>>,
    /// `None` if the client does not write.
    pub input: Option<Input>,
}

/// The outputs of a process that are still open.
pub(super) struct Outputs(Vec<Output>);

struct Output {
    source: LogSource,
    conduit: Conduit,
    /// Read, but not wanted.
    is_discarded: bool,
}

impl Outputs {
    /// Both outputs with whether each is wanted.
    pub(super) fn new(stdout: Option<Conduit>, stderr: Option<Conduit>, wanted: (bool, bool)) -> Outputs {
        let output =
            |source, is_wanted: bool| move |conduit| Output { source, conduit, is_discarded: !is_wanted };
        let stdout = stdout.map(output(LogSource::Stdout, wanted.0));
        let stderr = stderr.map(output(LogSource::Stderr, wanted.1));
        Outputs(stdout.into_iter().chain(stderr).collect())
    }

    /// Waits for output; `None` when all outputs have ended.
    async fn next(&mut self) -> Option<Result<Chunk, io::Error>> {
        while !self.0.is_empty() {
            let mut buffer = Vec::with_capacity(CHUNK_BYTES);
            let (index, read) = std::future::poll_fn(|context| {
                for (index, output) in self.0.iter_mut().enumerate() {
                    let mut space = ReadBuf::uninit(buffer.spare_capacity_mut());
                    if let std::task::Poll::Ready(read) =
                        Pin::new(&mut output.conduit).poll_read(context, &mut space)
                    {
                        let bytes = Bytes::copy_from_slice(space.filled());
                        return std::task::Poll::Ready((index, read.map(|()| bytes)));
                    }
                }
                std::task::Poll::Pending
            })
            .await;
            buffer.clear();
            match read {
                Ok(bytes) if bytes.is_empty() => drop(self.0.remove(index)),
                Ok(_) if self.0[index].is_discarded => {}
                Ok(bytes) => return Some(Ok(Chunk { source: self.0[index].source, bytes })),
                Err(error) => {
                    self.0.remove(index);
                    return Some(Err(error));
                }
            }
            // Fair to the other output, which a busy one must not keep from being read.
            self.0.reverse();
        }
        None
    }

    /// Reads what is there without waiting: after the end of its process, that is all there will be.
    fn rest(&self) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        let mut buffer = vec![0; CHUNK_BYTES];
        for output in &self.0 {
            for _ in 0..LAST_READS_MAX {
                match output.conduit.try_read(&mut buffer) {
                    Ok(Some(count)) if count > 0 && !output.is_discarded => {
                        let bytes = Bytes::copy_from_slice(&buffer[..count]);
                        chunks.push(Chunk { source: output.source, bytes });
                    }
                    Ok(Some(count)) if count > 0 => {}
                    // An end, nothing more, or an error after the end of the process, which is as good.
                    _ => break,
                }
            }
        }
        chunks
    }
}

/// What a session ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    /// The end of the process.
    End,
    /// The end of its outputs.
    Output,
}

/// Starts passing output on until `end` is there and the rest is read. With `Last::End` the stream lasts until then even if
/// the outputs have ended before.
pub(super) fn pump(
    mut outputs: Outputs,
    end: impl Future<Output = ()> + Send + 'static,
    last: Last,
) -> BoxStream<'static, io::Result<Chunk>> {
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    tokio::spawn(async move {
        let mut end = Box::pin(end);
        loop {
            let next = tokio::select! {
                next = outputs.next() => next,
                () = &mut end => {
                    for chunk in outputs.rest() {
                        // Nobody reads any more: the rest goes nowhere.
                        let _ = sender.send(Ok(chunk)).await;
                    }
                    return;
                }
            };
            match next {
                // Whoever took it may have gone; the process must not notice.
                Some(chunk) => drop(sender.send(chunk).await),
                None if last == Last::End => return end.await,
                None => return,
            }
        }
    });
    stream::unfold(
        receiver,
        |mut receiver| async move { receiver.recv().await.map(|chunk| (chunk, receiver)) },
    )
    .boxed()
}
