//! Waiting for a log to change: inotify on its directory, which sees writes and rotations alike.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::unix::AsyncFd;

use crate::sys::watch;

/// A watch on the directory of a log.
pub(super) struct Watch {
    events: AsyncFd<OwnedFd>,
}

impl Watch {
    pub(super) fn new(path: &Path) -> io::Result<Watch> {
        let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        inotify::add_watch(
            &events,
            directory,
            WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO,
        )?;
        Ok(Watch { events: watch(events)? })
    }

    /// Returns when something in the directory has changed since the last call.
    pub(super) async fn changed(&self) -> io::Result<()> {
        let mut guard = self.events.readable().await?;
        let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
        let mut reader = inotify::Reader::new(self.events.get_ref(), &mut buffer);
        // Which file changed does not matter: the reader looks for itself.
        loop {
            match reader.next() {
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN) => {
                    guard.clear_ready();
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
