//! Logs: frames on the wire, lines on disk.

use skep_api::client::{self, Stream};
use skep_runtime::logs;

/// What a daemon sends to a client: pieces of a stream of frames. Whether it arrives whole or byte by byte is one.
pub fn frames(input: &[u8]) {
    let whole = client::fuzz::frames(&[input]);
    let pieces: Vec<&[u8]> = input.chunks(3).collect();
    assert_eq!(whole, client::fuzz::frames(&pieces));
    if let Ok((frames, rest)) = whole {
        let taken: usize = frames.iter().map(|frame| frame.payload.len() + 8).sum();
        assert_eq!(taken + rest, input.len());
        assert!(frames.iter().all(|frame| matches!(frame.stream, Stream::Stdout | Stream::Stderr)));
    }
}

/// What a process writes is in its log, as text, and comes back; what else stands in a log file is passed over.
pub fn log(input: &[u8]) {
    drop(logs::fuzz::decode(input));
    let text = String::from_utf8_lossy(input);
    let line = logs::fuzz::encode(input);
    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1, "one record, one line");
    let record = logs::fuzz::decode(&line).expect("what was written can be read");
    assert_eq!(record.line.strip_suffix('\n'), Some(&*text));
}
