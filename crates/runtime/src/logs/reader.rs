//! Reading a log: all of it, its tail, or its future.
//!
//! The scanning is blocking and runs on Tokio's blocking threads, one chunk at a time. While the log is rotated under the
//! reader's hands, it finishes the file it has open before it goes on to the next younger one, so nothing is lost or doubled.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use thiserror::Error;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use super::files::{inode, open_all, successor};
use super::follow::Watch;
use super::record::{Record, decode};

/// How much is read at once.
const CHUNK_BYTES: usize = 64 << 10;
/// A line beyond this is not one of ours and is skipped.
const LINE_BYTES_MAX: usize = 1 << 20;

/// A log that cannot be read.
#[derive(Debug, Error)]
pub enum LogError {
    /// A file of the log cannot be read.
    #[error("cannot read log {path}")]
    Read {
        /// The current file of the log.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// Changes of the log cannot be watched.
    #[error("cannot watch log {path}")]
    Watch {
        /// The current file of the log.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
}

/// Which records are wanted.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Leaves out records before this instant.
    pub since: Option<SystemTime>,
    /// Leaves out records after this instant, and ends there.
    pub until: Option<SystemTime>,
    /// Starts with the last so many records.
    pub tail: Option<usize>,
    /// Waits for more until this says `true` (the container has ended) or its sender is gone.
    pub follow: Option<watch::Receiver<bool>>,
}

/// An open log.
pub struct Reader {
    path: PathBuf,
    query: Query,
    scan: Option<Scan>,
    /// A chunk being read, which has `scan` with it. Kept here so that a dropped call loses nothing.
    reading: Option<JoinHandle<io::Result<Chunk>>>,
    ready: VecDeque<Record>,
    watch: Option<Watch>,
    /// The container had ended before the last chunk was read, so that the next end of the file is the last.
    is_last: bool,
}

impl Reader {
    /// Opens the log whose current file is `path`. A log that does not exist yet is empty.
    pub async fn open(path: impl Into<PathBuf>, query: Query) -> Result<Reader, LogError> {
        let path = path.into();
        // The watch comes first, or a line written in between would wait for the one after it.
        let watch = match &query.follow {
            Some(_) => {
                Some(Watch::new(&path).map_err(|source| LogError::Watch { path: path.clone(), source })?)
            }
            None => None,
        };
        let (scanned, tail) = (path.clone(), query.tail);
        let scan = joined(tokio::task::spawn_blocking(move || Scan::open(&scanned, tail)).await);
        let scan = Some(scan.map_err(|source| LogError::Read { path: path.clone(), source })?);
        Ok(Reader { path, query, scan, reading: None, ready: VecDeque::new(), watch, is_last: false })
    }

    /// Returns the next record, or `None` at the end. A dropped call loses nothing.
    pub async fn next(&mut self) -> Result<Option<Record>, LogError> {
        loop {
            while let Some(record) = self.ready.pop_front() {
                if self.query.since.is_some_and(|since| record.time < since) {
                    continue;
                }
                if self.query.until.is_some_and(|until| record.time > until) {
                    self.scan = None;
                    self.ready.clear();
                    return Ok(None);
                }
                return Ok(Some(record));
            }
            match self.chunk().await? {
                Some(records) => self.ready.extend(records),
                None if self.scan.is_none() => return Ok(None),
                None if self.is_last => self.scan = None,
                None => self.wait().await?,
            }
        }
    }

    /// Reads the next records; `None` if there are no more now, or if this reader is done.
    async fn chunk(&mut self) -> Result<Option<Vec<Record>>, LogError> {
        if let Some(mut scan) = self.scan.take() {
            // Asked before the read: what was written before the end is read after it.
            let follow = self.query.follow.as_ref();
            self.is_last = follow.is_none_or(|ended| *ended.borrow() || ended.has_changed().is_err());
            let follow = follow.is_some();
            self.reading = Some(tokio::task::spawn_blocking(move || {
                let records = scan.chunk(follow)?;
                Ok(Chunk { scan, records })
            }));
        }
        let Some(reading) = &mut self.reading else { return Ok(None) };
        let result = joined(reading.await);
        self.reading = None;
        let chunk = result.map_err(|source| LogError::Read { path: self.path.clone(), source })?;
        self.scan = Some(chunk.scan);
        Ok(chunk.records)
    }

    /// Waits until the log changes or the container has ended.
    async fn wait(&mut self) -> Result<(), LogError> {
        let (Some(watch), Some(ended)) = (&self.watch, &mut self.query.follow) else { return Ok(()) };
        tokio::select! {
            changed = watch.changed() => changed.map_err(|source| LogError::Watch { path: self.path.clone(), source }),
            // The sender's end counts as the container's.
            _ = ended.wait_for(|ended| *ended) => Ok(()),
        }
    }
}

fn joined<T>(result: Result<io::Result<T>, JoinError>) -> io::Result<T> {
    result.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// What a blocking thread brings back.
struct Chunk {
    scan: Scan,
    records: Option<Vec<Record>>,
}

/// The position in a log.
struct Scan {
    path: PathBuf,
    /// Files still to read, oldest first; the first is being read.
    files: VecDeque<File>,
    /// The beginning of a line whose rest is not there yet.
    partial: Vec<u8>,
}

impl Scan {
    fn open(path: &Path, tail: Option<usize>) -> io::Result<Scan> {
        let mut files: VecDeque<File> = open_all(path)?.into();
        if let Some(count) = tail {
            skip_to_tail(&mut files, count)?;
        }
        Ok(Scan { path: path.to_owned(), files, partial: Vec::new() })
    }

    /// Reads the next records; `None` if there are no more now.
    fn chunk(&mut self, follow: bool) -> io::Result<Option<Vec<Record>>> {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let Some(file) = self.files.front_mut() else {
                match follow.then(|| open_all(&self.path)).transpose()? {
                    Some(files) if !files.is_empty() => self.files = files.into(),
                    _ => return Ok(None),
                }
                continue;
            };
            let count = file.read(&mut buffer)?;
            if count > 0 {
                return Ok(Some(self.split(&buffer[..count])));
            }
            if self.files.len() > 1 {
                self.files.pop_front();
                self.partial.clear();
            } else if !follow || !advance(&self.path, &mut self.files)? {
                return Ok(None);
            }
        }
    }

    fn split(&mut self, bytes: &[u8]) -> Vec<Record> {
        let mut records = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.partial.len() + line.len() <= LINE_BYTES_MAX {
                self.partial.extend_from_slice(line);
            }
            if line.ends_with(b"\n") {
                records.extend(decode(self.partial.trim_ascii_end()));
                self.partial.clear();
            }
        }
        records
    }
}

/// At the end of the only file: finds out whether the log goes on elsewhere. Returns whether to read again.
fn advance(path: &Path, files: &mut VecDeque<File>) -> io::Result<bool> {
    let Some(current) = files.front_mut() else { return Ok(false) };
    if current.metadata()?.len() < current.stream_position()? {
        // Started over in place, as a log of a single file does.
        current.seek(SeekFrom::Start(0))?;
        return Ok(true);
    }
    match successor(path, inode(current)?)? {
        // The old file may have grown between our read and the rotation, so it is read once more before it is left.
        Some(next) => {
            files.push_back(next);
            Ok(true)
        }
        None => Ok(false),
    }
}

/// Positions the files so that `count` lines remain.
fn skip_to_tail(files: &mut VecDeque<File>, count: usize) -> io::Result<()> {
    let mut wanted = count;
    let mut kept = 0;
    for file in files.iter_mut().rev() {
        kept += 1;
        let (offset, found) = tail_offset(file, wanted)?;
        file.seek(SeekFrom::Start(offset))?;
        wanted -= found;
        if wanted == 0 {
            break;
        }
    }
    files.drain(..files.len() - kept);
    Ok(())
}

/// Returns where the last `count` lines of a file begin, and how many there are.
fn tail_offset(file: &mut File, count: usize) -> io::Result<(u64, usize)> {
    let mut end = file.seek(SeekFrom::End(0))?;
    if count == 0 {
        return Ok((end, 0));
    }
    let mut newline_count = 0;
    let mut buffer = vec![0; CHUNK_BYTES];
    while end > 0 {
        let start = end.saturating_sub(CHUNK_BYTES as u64);
        let chunk = &mut buffer[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(chunk)?;
        for (index, _) in chunk.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            // The newline before the first wanted line ends the one before it.
            if newline_count == count {
                return Ok((start + index as u64 + 1, count));
            }
            newline_count += 1;
        }
        end = start;
    }
    Ok((0, newline_count))
}
