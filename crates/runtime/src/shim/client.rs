//! One connection of a daemon to its shim: a line in, with descriptors attached, and lines out.

use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use crate::protocol::{LINE_BYTES_MAX, Line, Reply, Request};

/// An exec attaches its three streams at most.
const DESCRIPTOR_COUNT_MAX: usize = 3;

/// A connection.
pub(super) struct Client {
    stream: UnixStream,
    input: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

/// What a readable connection held.
pub(super) enum Received {
    /// Not a whole line yet.
    Part,
    /// A request, with what was attached to it.
    Request(Request, Vec<OwnedFd>),
    /// A line this version does not understand.
    Unknown(String),
    /// The other side is gone.
    Gone,
}

impl Client {
    pub(super) fn new(stream: UnixStream) -> io::Result<Client> {
        stream.set_nonblocking(true)?;
        Ok(Client { stream, input: Vec::new(), descriptors: Vec::new() })
    }

    /// Reads once.
    pub(super) fn receive(&mut self) -> Received {
        let mut chunk = [0u8; 16 << 10];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTOR_COUNT_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let count = match recvmsg(&self.stream, &mut [IoSliceMut::new(&mut chunk)], &mut ancillary, flags) {
            Ok(message) if message.bytes > 0 => message.bytes,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Received::Part,
            Ok(_) | Err(_) => return Received::Gone,
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        self.input.extend_from_slice(&chunk[..count]);
        if self.input.len() > LINE_BYTES_MAX || self.descriptors.len() > DESCRIPTOR_COUNT_MAX {
            return Received::Gone;
        }
        let Some(line) = self.input.strip_suffix(b"\n") else { return Received::Part };
        match serde_json::from_slice::<Line<Request>>(line) {
            Ok(line) => Received::Request(line.body, std::mem::take(&mut self.descriptors)),
            Err(error) => Received::Unknown(format!("the shim does not understand the request: {error}")),
        }
    }

    /// Sends a reply with a descriptor attached. Without one, as [`Client::reply`].
    pub(super) fn reply_with(&mut self, reply: Reply, descriptor: Option<&OwnedFd>) {
        let Some(descriptor) = descriptor else { return self.reply(reply) };
        let descriptors = [descriptor.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        // As for `reply`.
        let line = Line::render(reply);
        let _ = sendmsg(&self.stream, &[IoSlice::new(&line)], &mut ancillary, SendFlags::NOSIGNAL);
        self.input = Vec::new();
    }

    /// Sends a reply. A daemon that is gone does not need it, and a reply always fits the socket's empty buffer.
    pub(super) fn reply(&mut self, reply: Reply) {
        let _ = self.stream.write_all(&Line::render(reply));
        self.input = Vec::new();
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
