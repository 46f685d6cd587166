//! Ways in for a target of `fuzz/`: one line of a log file, without the file. Not part of the crate's own interface.

use super::record::{self, Record, Stream};

/// Returns the line for what a process wrote, a newline not included.
pub fn encode(text: &[u8]) -> Vec<u8> {
    let mut line = Vec::new();
    record::encode(&mut line, Stream::Stdout, text, true, b"", "2026-01-02T03:04:05.6Z");
    line
}

/// Reads a line back; `None` for one that is torn or not ours.
pub fn decode(line: &[u8]) -> Option<Record> {
    record::decode(line)
}
