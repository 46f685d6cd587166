//! The daemon's end of a shim's socket.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::UnixStream;

use crate::files::SocketPath;
use crate::protocol::{LINE_BYTES_MAX, Line, Reply, Request};

/// A connection with a request on its way.
pub(crate) struct Call {
    stream: BufReader<UnixStream>,
}

impl Call {
    /// Sends a request, with up to two descriptors attached.
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
        Ok(Call { stream: BufReader::new(stream) })
    }

    /// Reads the next reply. An end without one is an error: the shim is gone.
    pub(crate) async fn reply(&mut self) -> io::Result<Reply> {
        let mut line = Vec::new();
        (&mut self.stream).take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the shim is gone"));
        }
        Ok(serde_json::from_slice::<Line<Reply>>(&line)?.body)
    }
}

/// Sends a request and returns its only reply.
pub(crate) async fn call(socket: &Path, request: Request) -> io::Result<Reply> {
    Call::send(socket, request, &[]).await?.reply().await
}

fn attach(stream: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "more descriptors than a request can carry"));
    }
    Ok(sendmsg(stream, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)?)
}
