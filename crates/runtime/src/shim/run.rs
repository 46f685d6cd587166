//! A command that runs in a container, from the request for it to the word on its end.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::client::{Client, Received};
use super::exec::{Progress, Stage};
use crate::exit::Ended;
use crate::protocol::{Failure, Reply};
use crate::sys::process::kill_group;

/// A command inside the container. It is over when it has failed, or when its program has run and ended.
pub(super) struct Run {
    client: Client,
    progress: Progress,
    /// Present until the command runs or has failed.
    pipe: Option<OwnedFd>,
    is_running: bool,
    /// Its end may be seen before the end of `pipe`, of which the helper has a copy for an instant more.
    ended: Option<Ended>,
    outlives_daemon: bool,
    /// The daemon has not hung up.
    has_listener: bool,
    /// The daemon has hung up, and the command ends with that.
    is_abandoned: bool,
}

impl Run {
    /// `pipe` tells the progress of the command.
    pub(super) fn new(client: Client, pipe: OwnedFd, outlives_daemon: bool) -> Run {
        Run {
            client,
            progress: Progress::default(),
            pipe: Some(pipe),
            is_running: false,
            ended: None,
            outlives_daemon,
            has_listener: true,
            is_abandoned: false,
        }
    }

    /// Returns the connection, as long as anybody is there.
    pub(super) fn listener(&self) -> Option<BorrowedFd<'_>> {
        self.has_listener.then(|| self.client.as_fd())
    }

    pub(super) fn pipe(&self) -> Option<&OwnedFd> {
        self.pipe.as_ref()
    }

    pub(super) fn pid(&self) -> Option<i32> {
        self.progress.pid()
    }

    /// The daemon has nothing more to say; if it hangs up (a timeout, or its own end), the command ends too, unless it may
    /// outlive its daemon.
    pub(super) fn hear(&mut self) {
        self.has_listener = !matches!(self.client.receive(), Received::Gone);
        self.is_abandoned = !self.has_listener && !self.outlives_daemon;
    }

    /// Notes the end of the command's process.
    pub(super) fn end(&mut self, ended: Ended) -> io::Result<()> {
        self.ended = Some(ended);
        self.settle()
    }

    pub(super) fn is_over(&self) -> bool {
        self.pipe.is_none() && !self.is_running
    }

    /// Passes on what has become known.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        if let Some(pipe) = &self.pipe {
            match self.progress.read(pipe)? {
                Stage::Pending => {}
                Stage::Running => {
                    self.pipe = None;
                    self.is_running = true;
                    self.client.reply(Reply::ExecStarted(self.progress.pid().unwrap_or_default()));
                }
                Stage::Failed(message) => {
                    self.pipe = None;
                    self.client.reply(Reply::Refused(Failure { fatal: true, message }));
                }
            }
        }
        if self.is_running
            && let Some(ended) = self.ended
        {
            self.is_running = false;
            self.client.reply(Reply::ExecEnded(ended));
        }
        // Once is not enough: the command may not yet lead its process group.
        match self.progress.pid() {
            Some(pid) if self.is_abandoned && self.ended.is_none() => kill_group(pid),
            _ => Ok(()),
        }
    }
}
