//! Somebody who is attached to the container's output.
//!
//! Nothing is lost between the container and a watcher that keeps up: while one is behind, the container's output is not
//! read. A watcher that takes nothing for too long is cut off, so that it cannot hold up the container for good.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::client::{Client, Received};
use crate::logs::Stream;
use crate::protocol::Attach;

/// How long a watcher may take nothing.
const BEHIND_MAX: Duration = Duration::from_secs(5);

/// One stream on its way to a watcher.
struct Outlet {
    stream: Stream,
    fd: OwnedFd,
    /// What its pipe had no room for: one read of the container's output at most.
    pending: Vec<u8>,
}

/// A connection that gets a copy of the output.
pub(super) struct Watcher {
    client: Client,
    outlets: Vec<Outlet>,
    behind_since: Option<Instant>,
}

impl Watcher {
    /// `descriptors` are the write ends that came with the request; `None` if they are not those it announced.
    pub(super) fn new(
        client: Client,
        wanted: Attach,
        descriptors: Vec<OwnedFd>,
    ) -> io::Result<Option<Watcher>> {
        let streams = [(wanted.stdout, Stream::Stdout), (wanted.stderr, Stream::Stderr)];
        let streams: Vec<Stream> =
            streams.into_iter().filter(|(is_wanted, _)| *is_wanted).map(|(_, s)| s).collect();
        if streams.len() != descriptors.len() {
            return Ok(None);
        }
        for descriptor in &descriptors {
            rustix::io::ioctl_fionbio(descriptor, true)?;
        }
        let outlet = |(stream, fd)| Outlet { stream, fd, pending: Vec::new() };
        let outlets = streams.into_iter().zip(descriptors).map(outlet).collect();
        Ok(Some(Watcher { client, outlets, behind_since: None }))
    }

    /// Returns the connection, whose end is the watcher's.
    pub(super) fn connection(&self) -> BorrowedFd<'_> {
        self.client.as_fd()
    }

    /// Returns whether the other side hung up.
    pub(super) fn has_left(&mut self) -> bool {
        matches!(self.client.receive(), Received::Gone)
    }

    /// Returns the outlets that wait for room.
    pub(super) fn behind(&self) -> impl Iterator<Item = &OwnedFd> {
        self.outlets.iter().filter(|outlet| !outlet.pending.is_empty()).map(|outlet| &outlet.fd)
    }

    /// Returns when the watcher is cut off unless it takes something.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.behind_since.map(|since| since + BEHIND_MAX)
    }

    /// Passes output on.
    pub(super) fn offer(&mut self, stream: Stream, bytes: &[u8]) {
        for outlet in self.outlets.iter_mut().filter(|outlet| outlet.stream == stream) {
            outlet.pending.extend_from_slice(bytes);
        }
        self.push();
    }

    /// Writes what there is room for.
    pub(super) fn push(&mut self) {
        let mut has_progress = false;
        self.outlets.retain_mut(|outlet| {
            while !outlet.pending.is_empty() {
                match rustix::io::write(&outlet.fd, &outlet.pending) {
                    Ok(count) => {
                        outlet.pending.drain(..count);
                        has_progress = true;
                    }
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => break,
                    // Nobody reads it any more.
                    Err(_) => return false,
                }
            }
            true
        });
        self.behind_since = match self.behind_since {
            _ if self.behind().next().is_none() => None,
            Some(since) if !has_progress => Some(since),
            _ => Some(Instant::now()),
        };
    }
}
