//! The daemon's end of a shim's socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;

use crate::files::SocketPath;
use crate::protocol::{LINE_BYTES_MAX, Line, Reply, Request};

/// A command's three streams are the most that travels with a request; a reply carries one.
const DESCRIPTOR_COUNT_MAX: usize = 3;

/// A connection with a request on its way.
pub(crate) struct Call {
    stream: UnixStream,
    input: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

impl Call {
    /// Sends a request, with descriptors attached.
    pub(crate) async fn send(
        socket: &Path,
        request: Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> io::Result<Call> {
        let mut stream = UnixStream::connect(SocketPath::open(socket)?.short()).await?;
        let line = Line::render(request);
        // The descriptors travel with the first bytes; a long line needs more writes.
        let sent = stream.async_io(Interest::WRITABLE, || attach(&stream, &line, descriptors)).await?;
        stream.write_all(&line[sent..]).await?;
        Ok(Call { stream, input: Vec::new(), descriptors: Vec::new() })
    }

    /// Reads the next reply. An end without one is an error: the shim is gone.
    pub(crate) async fn reply(&mut self) -> io::Result<Reply> {
        loop {
            if let Some(end) = self.input.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.input.drain(..=end).collect();
                return Ok(serde_json::from_slice::<Line<Reply>>(&line)?.body);
            }
            if self.input.len() > LINE_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a reply without an end"));
            }
            let Call { stream, input, descriptors } = self;
            let count = stream.async_io(Interest::READABLE, || receive(&*stream, input, descriptors)).await?;
            if count == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the shim is gone"));
            }
        }
    }

    /// Returns the descriptor that came with the replies so far.
    pub(crate) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptors.pop()
    }
}

/// Returns whether an error says that there is no shim any more, and so no container that runs.
pub(crate) fn is_shim_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound, UnexpectedEof};
    matches!(error.kind(), NotFound | ConnectionRefused | ConnectionReset | BrokenPipe | UnexpectedEof)
}

/// Sends a request and returns its only reply.
pub(crate) async fn call(socket: &Path, request: Request) -> io::Result<Reply> {
    Call::send(socket, request, &[]).await?.reply().await
}

fn attach(stream: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTOR_COUNT_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "more descriptors than a request can carry"));
    }
    Ok(sendmsg(stream, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?)
}

fn receive(stream: &UnixStream, input: &mut Vec<u8>, descriptors: &mut Vec<OwnedFd>) -> io::Result<usize> {
    let mut chunk = [0u8; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTOR_COUNT_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let message =
        recvmsg(stream, &mut [IoSliceMut::new(&mut chunk)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            descriptors.extend(received);
        }
    }
    input.extend_from_slice(&chunk[..message.bytes]);
    Ok(message.bytes)
}
