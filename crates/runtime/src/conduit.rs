//! A pipe or a terminal as the daemon holds it: an end of a process's standard streams.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::container::TerminalSize;
use crate::sys::terminal;
use crate::sys::watch;

/// One end. A clone is the same end: it closes with the last clone.
#[derive(Debug, Clone)]
pub struct Conduit {
    /// Absent once it was shut down.
    fd: Option<Arc<AsyncFd<OwnedFd>>>,
}

impl Conduit {
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Conduit> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(Conduit { fd: Some(Arc::new(watch(fd)?)) })
    }

    /// Sets the size of a terminal.
    pub fn resize(&self, size: TerminalSize) -> io::Result<()> {
        let fd = self.fd.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        terminal::resize(fd.get_ref(), size)
    }

    /// Reads what is there, without waiting; `None` if nothing is. An end reads as 0 bytes.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(fd) = &self.fd else { return Ok(Some(0)) };
        match rustix::io::read(fd.get_ref(), buffer) {
            Ok(count) => Ok(Some(count)),
            // A terminal nobody has open any more.
            Err(Errno::IO) => Ok(Some(0)),
            Err(Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl AsyncRead for Conduit {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(fd) = &self.fd else { return Poll::Ready(Ok(())) };
        loop {
            let mut guard = ready!(fd.poll_read_ready(context))?;
            match rustix::io::read(fd.get_ref(), buffer.initialize_unfilled()) {
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(Errno::IO) => return Poll::Ready(Ok(())),
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

impl AsyncWrite for Conduit {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(fd) = &self.fd else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        loop {
            let mut guard = ready!(fd.poll_write_ready(context))?;
            match rustix::io::write(fd.get_ref(), bytes) {
                Ok(count) => return Poll::Ready(Ok(count)),
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes this clone. The reader of a pipe sees the end when the last clone is closed.
    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fd = None;
        Poll::Ready(Ok(()))
    }
}
