//! The way in for a target of `fuzz/`: frames without a connection. Not part of the crate's own interface.

use bytes::BytesMut;

use super::logs::{Frame, take_frame};

/// Takes frames off a stream that arrives in pieces; returns them with the number of bytes left over, or why there are none.
pub fn frames(pieces: &[&[u8]]) -> Result<(Vec<Frame>, usize), String> {
    let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        while let Some(frame) = take_frame(&mut buffer).map_err(|error| error.to_string())? {
            frames.push(frame);
        }
    }
    Ok((frames, buffer.len()))
}
