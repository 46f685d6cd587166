//! The shim's side of the log: collects encoded lines and writes them in large pieces, rotating at the bound.
//!
//! A full disk must not stop a container: lines that cannot be written are dropped, and a half-written one is cut off again,
//! so that the file always consists of whole lines.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::files::rotated;
use super::record::{Stream, encode, encode_attributes};
use crate::container::LogLimits;

/// Collected bytes beyond which a write is due.
const BATCH_BYTES: usize = 32 << 10;

/// An open log.
pub(crate) struct Writer {
    path: PathBuf,
    file: File,
    size: u64,
    size_max: Option<u64>,
    file_count_max: u32,
    batch: Vec<u8>,
    /// Encoded; empty if there are none.
    attributes: Vec<u8>,
    discard: bool,
}

impl Writer {
    /// Opens or creates the log at `path`.
    pub(crate) fn open(path: &Path, limits: &LogLimits) -> io::Result<Writer> {
        let file = append(path)?;
        let size = file.metadata()?.len();
        Ok(Writer {
            path: path.to_owned(),
            file,
            size,
            size_max: limits.max_size_bytes,
            file_count_max: limits.max_files.max(1),
            batch: Vec::new(),
            attributes: encode_attributes(&limits.attributes),
            discard: limits.discard,
        })
    }

    /// Adds one piece of output.
    pub(crate) fn append(
        &mut self,
        stream: Stream,
        text: &[u8],
        ends_line: bool,
        time: &str,
    ) -> io::Result<()> {
        if self.discard {
            return Ok(());
        }
        if self.size_max.is_some_and(|max| self.size + self.batch.len() as u64 >= max) {
            self.flush()?;
            self.rotate()?;
        }
        encode(&mut self.batch, stream, text, ends_line, &self.attributes, time);
        if self.batch.len() >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes what was collected.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(&self.batch);
        match &written {
            Ok(()) => self.size += self.batch.len() as u64,
            Err(_) => self.file.set_len(self.size)?,
        }
        self.batch.clear();
        // A burst must not leave a large buffer behind in every shim.
        self.batch.shrink_to(BATCH_BYTES);
        written
    }

    fn rotate(&mut self) -> io::Result<()> {
        if self.file_count_max == 1 {
            self.file.set_len(0)?;
        } else {
            for index in (1..self.file_count_max - 1).rev() {
                match fs::rename(rotated(&self.path, index), rotated(&self.path, index + 1)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
            fs::rename(&self.path, rotated(&self.path, 1))?;
            self.file = append(&self.path)?;
        }
        self.size = 0;
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(limits: LogLimits, count: usize) -> (tempfile::TempDir, Vec<usize>) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("x-json.log");
        let mut writer = Writer::open(&path, &limits).expect("a log");
        for index in 0..count {
            writer.append(Stream::Stdout, format!("line {index}").as_bytes(), true, "t").expect("appended");
        }
        writer.flush().expect("flushed");
        let lines = |index| {
            let path = if index == 0 { path.clone() } else { rotated(&path, index) };
            fs::read_to_string(path).map_or(0, |text| text.lines().count())
        };
        let counts = (0..4).map(lines).collect();
        (directory, counts)
    }

    #[test]
    fn rotation_keeps_the_bound_on_size_and_number() {
        // One line is 47 bytes: the third one reaches the bound.
        let limits = LogLimits { max_size_bytes: Some(100), max_files: 3, ..LogLimits::default() };
        assert_eq!(write(limits, 10).1, [1, 3, 3, 0]);
    }

    #[test]
    fn a_single_file_starts_over() {
        let limits = LogLimits { max_size_bytes: Some(100), max_files: 1, ..LogLimits::default() };
        assert_eq!(write(limits, 5).1, [2, 0, 0, 0]);
    }

    #[test]
    fn what_is_to_be_discarded_leaves_no_line() {
        let limits = LogLimits { discard: true, ..LogLimits::default() };
        assert_eq!(write(limits, 100).1, [0, 0, 0, 0]);
    }

    #[test]
    fn without_a_bound_nothing_rotates() {
        assert_eq!(write(LogLimits::default(), 5000).1, [5000, 0, 0, 0]);
    }
}
