//! One line as one frame: `[stream, 0, 0, 0, length]`, then the line with what was asked for before it.

use bytes::{BufMut as _, Bytes, BytesMut};
use skep_model::{NodeId, ServiceId, TaskId};

use super::super::facts::{LogLine, LogStream};
use crate::convert::time;

const STDOUT: u8 = 1;
const STDERR: u8 = 2;
/// Becomes an error in the client: the text is its message.
const SYSTEM_ERROR: u8 = 3;

/// What stands before each line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Layout {
    pub timestamps: bool,
    pub details: bool,
}

/// Where a line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub task_id: TaskId,
    pub service_id: ServiceId,
    /// `None` until the task is placed; a line cannot come before that.
    pub node_id: Option<NodeId>,
}

impl Origin {
    /// Returns what stands for it among the details of a line.
    pub fn details(&self) -> String {
        let node = self.node_id.map(|id| id.to_string()).unwrap_or_default();
        format!(
            "com.docker.swarm.node.id={node},com.docker.swarm.service.id={},com.docker.swarm.task.id={}",
            self.service_id, self.task_id
        )
    }
}

/// Encodes a line: as a frame, or bare if it comes from a terminal. The client splits what it reads at frames, so a
/// frame is always a whole line.
pub(in super::super) fn line(layout: Layout, details: &str, tty: bool, line: &LogLine) -> Bytes {
    let mut before = String::new();
    if layout.timestamps {
        // Nine digits always: clients cut the line at a fixed column.
        before.push_str(&format!("{:.9} ", time(line.at).0));
    }
    if layout.details {
        before.push_str(details);
        before.push(' ');
    }
    let parts: [&[u8]; 3] = [before.as_bytes(), &line.line, b"\n"];
    match tty {
        true => parts.concat().into(),
        false => frame(number(line.stream), &parts),
    }
}

/// Frames some bytes of a process.
pub(in super::super) fn chunk(stream: LogStream, bytes: &[u8]) -> Bytes {
    frame(number(stream), &[bytes])
}

/// Encodes a failure that happened after the answer had begun.
pub(in super::super) fn failure(tty: bool, message: &str) -> Bytes {
    let text = format!("Error grabbing logs: {message}\n");
    match tty {
        true => text.into(),
        false => frame(SYSTEM_ERROR, &[text.as_bytes()]),
    }
}

fn number(stream: LogStream) -> u8 {
    match stream {
        LogStream::Stdout => STDOUT,
        LogStream::Stderr => STDERR,
    }
}

fn frame(stream: u8, parts: &[&[u8]]) -> Bytes {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut frame = BytesMut::with_capacity(8 + length);
    frame.put_slice(&[stream, 0, 0, 0]);
    frame.put_u32(u32::try_from(length).expect("what is read at a time is bounded far below 4 GiB"));
    parts.iter().for_each(|part| frame.put_slice(part));
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_model::{Id, Timestamp};

    #[test]
    fn frames_are_the_bytes_of_the_specification() {
        let origin = Origin {
            task_id: TaskId::from_number(3),
            service_id: ServiceId::from_number(2),
            node_id: Some(NodeId::from_number(1)),
        };
        let hello = LogLine {
            stream: LogStream::Stdout,
            at: Timestamp(1_767_323_045_123_000_000),
            line: Bytes::from_static(b"hello"),
        };
        assert_eq!(&line(Layout::default(), "", false, &hello)[..], b"\x01\0\0\0\0\0\0\x06hello\n");
        let full = line(Layout { timestamps: true, details: true }, &origin.details(), false, &hello);
        assert_eq!(
            String::from_utf8_lossy(&full[8..]),
            "2026-01-02T03:04:05.123000000Z com.docker.swarm.node.id=0000000000000000000000001,\
             com.docker.swarm.service.id=0000000000000000000000002,\
             com.docker.swarm.task.id=0000000000000000000000003 hello\n"
        );
        assert_eq!(&failure(false, "x")[..8], b"\x03\0\0\0\0\0\0\x17");
        assert_eq!(&line(Layout::default(), "", true, &hello)[..], b"hello\n");
        assert_eq!(&chunk(LogStream::Stderr, b"ab")[..], b"\x02\0\0\0\0\0\0\x02ab");
    }
}
