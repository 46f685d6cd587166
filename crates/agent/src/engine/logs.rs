//! The log of one task's container, as a stream of whole lines.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use skep_model::{TaskId, Timestamp};
use skep_runtime::logs::{LogError, Query, Reader, Record, Stream};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::{Engine, Known, timestamp};

/// Longest line that is put together again from its pieces, in bytes; a longer one is passed on in parts.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Which lines are wanted.
pub struct LogQuery {
    /// Only the last so many lines.
    pub tail: Option<u64>,
    /// Only lines of this instant and later.
    pub since: Option<Timestamp>,
    pub stdout: bool,
    pub stderr: bool,
    /// Go on with lines to come until the container ends. The future resolves when the task is over; a
    /// container that does not exist by then will not come.
    pub follow: Option<BoxFuture<'static, ()>>,
}

/// One line, without its line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    pub source: LogSource,
    pub at: Timestamp,
    pub line: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSource {
    Stdout,
    Stderr,
}

/// An open log and what is needed to go on with it.
struct Tail {
    reader: Reader,
    stdout: bool,
    stderr: bool,
    /// Pieces of a long line, by stream.
    pieces: [BytesMut; 2],
    /// Tells the reader that the container ended.
    _watcher: Option<AbortOnDropHandle<()>>,
}

impl Engine {
    /// Reads the log of a task's container. A task without one has no lines.
    pub fn logs(
        self: Arc<Self>,
        id: TaskId,
        query: LogQuery,
    ) -> BoxStream<'static, Result<LogRecord, LogError>> {
        let opening = async move {
            match self.open_log(id, query).await {
                Ok(Some(tail)) => stream::unfold(Some(tail), next).boxed(),
                Ok(None) => stream::empty().boxed(),
                Err(error) => stream::iter([Err(error)]).boxed(),
            }
        };
        stream::once(opening).flatten().boxed()
    }

    async fn open_log(&self, id: TaskId, query: LogQuery) -> Result<Option<Tail>, LogError> {
        let follows = query.follow.is_some();
        let Some(known) = self.await_container(id, query.follow).await else { return Ok(None) };
        let (watcher, ended) = match follows {
            true => {
                let (watcher, ended) = watch_end(known.clone());
                (Some(watcher), Some(ended))
            }
            false => (None, None),
        };
        let wanted = Query {
            since: query.since.map(system_time),
            until: None,
            tail: query.tail.map(|lines| usize::try_from(lines).unwrap_or(usize::MAX)),
            follow: ended,
        };
        let reader = Reader::open(known.handle.log_path(), wanted).await?;
        let pieces = [BytesMut::new(), BytesMut::new()];
        Ok(Some(Tail { reader, stdout: query.stdout, stderr: query.stderr, pieces, _watcher: watcher }))
    }

    /// Returns the task's container; with `until`, waits for it to come.
    async fn await_container(&self, id: TaskId, until: Option<BoxFuture<'static, ()>>) -> Option<Known> {
        let Some(mut until) = until else { return self.find(id).ok() };
        let mut comings = self.comings.subscribe();
        loop {
            if let Ok(known) = self.find(id) {
                return Some(known);
            }
            tokio::select! {
                changed = comings.changed() => changed.ok()?,
                () = &mut until => return self.find(id).ok(),
            }
        }
    }
}

/// Returns a flag that is set when the container ends, and the task that watches for it.
fn watch_end(known: Known) -> (AbortOnDropHandle<()>, watch::Receiver<bool>) {
    let (set, ended) = watch::channel(false);
    let watching = tokio::spawn(async move {
        known.handle.wait().await;
        set.send_replace(true);
    });
    (AbortOnDropHandle::new(watching), ended)
}

async fn next(tail: Option<Tail>) -> Option<(Result<LogRecord, LogError>, Option<Tail>)> {
    let mut tail = tail?;
    loop {
        let record = match tail.reader.next().await {
            Ok(record) => record?,
            Err(error) => return Some((Err(error), None)),
        };
        if let Some(line) = tail.take(record) {
            return Some((Ok(line), Some(tail)));
        }
    }
}

impl Tail {
    /// Adds a record; returns the line that it completes, if that is wanted.
    fn take(&mut self, record: Record) -> Option<LogRecord> {
        let (source, wanted, index) = match record.stream {
            Stream::Stdout => (LogSource::Stdout, self.stdout, 0),
            Stream::Stderr => (LogSource::Stderr, self.stderr, 1),
        };
        if !wanted {
            return None;
        }
        let pieces = &mut self.pieces[index];
        pieces.extend_from_slice(record.line.trim_end_matches('\n').as_bytes());
        if !record.line.ends_with('\n') && pieces.len() < LINE_BYTES_MAX {
            return None;
        }
        Some(LogRecord { source, at: timestamp(record.time), line: pieces.split().freeze() })
    }
}

fn system_time(at: Timestamp) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(at.0).unwrap_or(0))
}
