//! From the container's pipes, or its terminal, to its log and to whoever is attached.
//!
//! Lines are cut as Docker cuts them: at newlines, and after 16 KiB. Text without a newline waits for more, or for the end.

use std::io;
use std::os::fd::OwnedFd;

use crate::logs::{Stream, Writer};
use crate::sys::terminal::open_slave;

/// The longest piece of a line; a longer line becomes several records, of which only the last ends it.
const PIECE_BYTES_MAX: usize = 16 << 10;
/// How much is read at once.
const READ_BYTES: usize = 32 << 10;

/// One of the two outputs.
struct Source {
    fd: OwnedFd,
    stream: Stream,
    /// The beginning of a line, less than a piece.
    pending: Vec<u8>,
}

/// The outputs and the log.
pub(super) struct Copier {
    sources: Vec<Source>,
    writer: Writer,
    buffer: Vec<u8>,
    /// A terminal's other end. Without it, a moment in which the container has its terminal closed would look like the end.
    slave: Option<OwnedFd>,
}

/// Where the output of a container comes from.
pub(super) enum Output {
    /// Read ends.
    Pipes { stdout: OwnedFd, stderr: OwnedFd },
    /// The master. All of it counts as standard output.
    Terminal(OwnedFd),
}

impl Copier {
    pub(super) fn new(output: Output, writer: Writer) -> io::Result<Copier> {
        let source = |fd, stream| Source { fd, stream, pending: Vec::new() };
        let (sources, slave) = match output {
            Output::Pipes { stdout, stderr } => {
                (vec![source(stdout, Stream::Stdout), source(stderr, Stream::Stderr)], None)
            }
            Output::Terminal(master) => {
                let slave = open_slave(&master)?;
                (vec![source(master, Stream::Stdout)], Some(slave))
            }
        };
        for source in &sources {
            rustix::io::ioctl_fionbio(&source.fd, true)?;
        }
        Ok(Copier { sources, writer, buffer: Vec::new(), slave })
    }

    /// Tells that the container has ended: what is left to read ends by itself.
    pub(super) fn close(&mut self) {
        self.slave = None;
    }

    /// Returns the outputs that are still open.
    pub(super) fn open(&self) -> impl Iterator<Item = &OwnedFd> {
        self.sources.iter().map(|source| &source.fd)
    }

    /// Copies what is there, up to one buffer per output, and forgets outputs that have ended. `watch` sees it first.
    pub(super) fn pump(&mut self, mut watch: impl FnMut(Stream, &[u8])) {
        self.buffer.resize(READ_BYTES, 0);
        let time = jiff::Timestamp::now().to_string();
        let Copier { sources, writer, buffer, .. } = self;
        sources.retain_mut(|source| match rustix::io::read(&source.fd, &mut *buffer) {
            // A terminal ends with EIO, when nobody has its other end.
            Ok(0) | Err(rustix::io::Errno::IO) => {
                note(source.finish(writer, &time));
                false
            }
            Ok(count) => {
                watch(source.stream, &buffer[..count]);
                note(source.take(&buffer[..count], writer, &time));
                true
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => true,
            Err(error) => {
                note(Err(error.into()));
                false
            }
        });
        note(self.writer.flush());
    }
}

impl Source {
    fn take(&mut self, bytes: &[u8], writer: &mut Writer, time: &str) -> io::Result<()> {
        let mut result = Ok(());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = line.strip_suffix(b"\n").map_or((line, false), |text| (text, true));
            result = result.and(self.piece(text, ends, writer, time));
        }
        result
    }

    /// Adds a part of a line, and passes on what is complete.
    fn piece(&mut self, mut text: &[u8], ends: bool, writer: &mut Writer, time: &str) -> io::Result<()> {
        let mut result = Ok(());
        while self.pending.len() + text.len() >= PIECE_BYTES_MAX {
            // A line of exactly one piece is whole if its newline is already here.
            if ends && self.pending.len() + text.len() == PIECE_BYTES_MAX {
                break;
            }
            let (now, later) = text.split_at(PIECE_BYTES_MAX - self.pending.len());
            self.pending.extend_from_slice(now);
            result = result.and(writer.append(self.stream, &self.pending, false, time));
            self.pending.clear();
            text = later;
        }
        if !ends {
            self.pending.extend_from_slice(text);
            return result;
        }
        if self.pending.is_empty() {
            return result.and(writer.append(self.stream, text, true, time));
        }
        self.pending.extend_from_slice(text);
        let pending = std::mem::take(&mut self.pending);
        result.and(writer.append(self.stream, &pending, true, time))
    }

    /// Passes on the last line of an output that ended without a newline.
    fn finish(&mut self, writer: &mut Writer, time: &str) -> io::Result<()> {
        if self.pending.is_empty() {
            Ok(())
        } else {
            writer.append(self.stream, &std::mem::take(&mut self.pending), true, time)
        }
    }
}

/// Notes a failure of the log in `shim.log`. The container goes on: losing lines is better than stopping it.
fn note(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::error!(%error, "output of the container lost");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::LogLimits;

    fn records(chunks: &[&[u8]]) -> Vec<(usize, bool)> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        let mut writer = Writer::open(&path, &LogLimits::default()).expect("a log");
        let fd = rustix::pipe::pipe().expect("a pipe").0;
        let mut source = Source { fd, stream: Stream::Stdout, pending: Vec::new() };
        for chunk in chunks {
            source.take(chunk, &mut writer, "t").expect("taken");
        }
        source.finish(&mut writer, "t").expect("finished");
        writer.flush().expect("flushed");
        let text = std::fs::read_to_string(path).expect("a log");
        let log =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["log"].to_string();
        let piece = |line: &str| {
            let log = log(line);
            (log.trim_matches('"').trim_end_matches("\\n").len(), log.ends_with("\\n\""))
        };
        text.lines().map(piece).collect()
    }

    #[test]
    fn lines_are_cut_like_dockers() {
        let long = vec![b'x'; 40_000];
        assert_eq!(
            records(&[b"a\nbc\n", b"d", b"e\n", b"end"]),
            [(1, true), (2, true), (2, true), (3, true)]
        );
        assert_eq!(records(&[&long, b"\n"]), [(16384, false), (16384, false), (7232, true)]);
        assert_eq!(records(&[&long[..16384], b"\n"]), [(16384, false), (0, true)]);
        let exact = [&long[..16384], b"\n"].concat();
        assert_eq!(records(&[&exact]), [(16384, true)]);
        assert_eq!(records(&[b"\n\n"]), [(0, true), (0, true)]);
    }
}
