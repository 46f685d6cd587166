//! The life of a shim: one poll loop over the container's output, its children and the daemon's requests.
//!
//! It ends with the container: logs drained, OOM counted, cgroup removed, `exit.json` on disk, then the process. A daemon that waits for
//! the shim's end therefore finds everything in place, and a shim that ends without `exit.json` was killed.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::client::{Client, Received};
use super::create::{Created, Setting};
use super::exec::{Streams, Target, spawn};
use super::run::Run;
use super::watcher::Watcher;
use crate::container::Exec;
use crate::exit::{Ended, Exit};
use crate::files::{Durability, chain, write_json};
use crate::protocol::{Attach, Failure, Reply, Request};
use crate::sys::memory::trim_heap;
use crate::sys::process::reap;

/// Connections at once; more are turned away.
const CLIENT_COUNT_MAX: usize = 64;
/// Attached at once, a terminal that is being resized included.
const WATCHER_COUNT_MAX: usize = 16;
/// Commands at once.
const EXEC_COUNT_MAX: usize = 64;
/// How long the shim reads on after the container's end. All its processes are dead then, so the pipes end at once, unless
/// somebody outside has a copy.
const DRAIN_MAX: std::time::Duration = std::time::Duration::from_secs(2);

/// A descriptor of the loop.
#[derive(Clone, Copy)]
enum Token {
    Children,
    Listener,
    Output,
    Client(usize),
    Watcher(usize),
    /// A watcher has room again.
    Outlet,
    RunProgress,
    RunClient(usize),
}

pub(super) struct Serve<'a> {
    setting: &'a Setting,
    container: Created,
    clients: Vec<Client>,
    watchers: Vec<Watcher>,
    runs: Vec<Run>,
}

impl<'a> Serve<'a> {
    pub(super) fn new(setting: &'a Setting, container: Created) -> Serve<'a> {
        Serve { setting, container, clients: Vec::new(), watchers: Vec::new(), runs: Vec::new() }
    }

    /// Serves until the container has ended, and leaves `exit.json` behind.
    pub(super) fn run(mut self) -> io::Result<()> {
        let ended = loop {
            if let Some(ended) = self.reap()? {
                break ended;
            }
            for token in self.wait()? {
                self.handle(token)?;
            }
            self.cut_off();
        };
        self.finish(ended)
    }

    fn wait(&self) -> io::Result<Vec<Token>> {
        let mut tokens = vec![Token::Children, Token::Listener];
        let mut polled = vec![
            PollFd::new(&self.container.children, PollFlags::IN),
            PollFd::new(&self.container.listener, PollFlags::IN),
        ];
        let behind: Vec<&OwnedFd> = self.watchers.iter().flat_map(Watcher::behind).collect();
        for outlet in &behind {
            tokens.push(Token::Outlet);
            polled.push(PollFd::new(*outlet, PollFlags::OUT));
        }
        for output in self.container.copier.open().filter(|_| behind.is_empty()) {
            tokens.push(Token::Output);
            polled.push(PollFd::new(output, PollFlags::IN));
        }
        for (index, watcher) in self.watchers.iter().enumerate() {
            tokens.push(Token::Watcher(index));
            polled.push(PollFd::from_borrowed_fd(watcher.connection(), PollFlags::IN));
        }
        for (index, client) in self.clients.iter().enumerate() {
            tokens.push(Token::Client(index));
            polled.push(PollFd::from_borrowed_fd(client.as_fd(), PollFlags::IN));
        }
        for (index, run) in self.runs.iter().enumerate() {
            if let Some(client) = run.listener() {
                tokens.push(Token::RunClient(index));
                polled.push(PollFd::from_borrowed_fd(client, PollFlags::IN));
            }
            if let Some(pipe) = run.pipe() {
                tokens.push(Token::RunProgress);
                polled.push(PollFd::new(pipe, PollFlags::IN));
            }
        }
        match poll(&mut polled, self.patience()?.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let mut ready: Vec<Token> =
            polled.iter().zip(&tokens).filter(|(fd, _)| is_ready(fd)).map(|(_, token)| *token).collect();
        // Handling a client may remove it, so later ones go first.
        ready.reverse();
        Ok(ready)
    }

    /// Returns how long to wait for anything: without somebody who is behind, for ever.
    fn patience(&self) -> io::Result<Option<Timespec>> {
        let Some(deadline) = self.watchers.iter().filter_map(Watcher::deadline).min() else {
            return Ok(None);
        };
        let left = deadline.saturating_duration_since(Instant::now());
        Timespec::try_from(left).map(Some).map_err(io::Error::other)
    }

    fn pump(&mut self) {
        let Serve { container, watchers, .. } = self;
        container.copier.pump(|stream, bytes| {
            for watcher in &mut *watchers {
                watcher.offer(stream, bytes);
            }
        });
    }

    /// Forgets the watchers that take nothing.
    fn cut_off(&mut self) {
        let now = Instant::now();
        self.watchers.retain(|watcher| watcher.deadline().is_none_or(|deadline| deadline > now));
    }

    fn handle(&mut self, token: Token) -> io::Result<()> {
        match token {
            // Reaping follows at the top of the loop.
            Token::Children => self.container.children.drain()?,
            Token::Output => self.pump(),
            Token::Outlet => self.watchers.iter_mut().for_each(Watcher::push),
            Token::Watcher(index) => {
                if self.watchers[index].has_left() {
                    self.watchers.swap_remove(index);
                }
            }
            Token::Listener => self.accept(),
            Token::Client(index) => self.receive(index),
            // Settled at the top of the loop.
            Token::RunProgress => {}
            Token::RunClient(index) => self.runs[index].hear(),
        }
        Ok(())
    }

    fn accept(&mut self) {
        match self.container.listener.accept().and_then(|(stream, _)| Client::new(stream)) {
            Ok(client) if self.clients.len() < CLIENT_COUNT_MAX => self.clients.push(client),
            Ok(mut client) => client.reply(refused("too many connections")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => tracing::error!(%error, "connection not accepted"),
        }
    }

    fn receive(&mut self, index: usize) {
        let (request, descriptors) = match self.clients[index].receive() {
            Received::Part => return,
            Received::Gone => {
                self.clients.swap_remove(index);
                return;
            }
            Received::Unknown(message) => {
                self.clients.swap_remove(index).reply(refused(&message));
                return;
            }
            Received::Request(request, descriptors) => (request, descriptors),
        };
        let mut client = self.clients.swap_remove(index);
        match request {
            Request::Start => {
                let reply = self.start();
                client.reply(reply);
            }
            Request::Exec(exec) => self.exec(client, &exec, descriptors),
            Request::Attach(wanted) => self.attach(client, wanted, descriptors),
        }
    }

    fn start(&mut self) -> Reply {
        if let Err(failure) = self.container.oci.start() {
            return Reply::Refused(failure);
        }
        trim_heap();
        let started_at = SystemTime::now();
        self.container.record.started_at = Some(started_at);
        match self.setting.write_record(&self.container.record) {
            Ok(()) => Reply::Started(started_at),
            Err(failure) => Reply::Refused(failure),
        }
    }

    fn attach(&mut self, mut client: Client, wanted: Attach, descriptors: Vec<OwnedFd>) {
        if self.watchers.len() >= WATCHER_COUNT_MAX {
            return client.reply(refused("too many are attached to this container"));
        }
        let input = &self.container.input;
        client.reply_with(Reply::Attached(input.kind()), input.descriptor());
        match Watcher::new(client, wanted, descriptors) {
            Ok(Some(watcher)) => self.watchers.push(watcher),
            // Hanging up is the answer.
            Ok(None) => tracing::error!("an attachment without its descriptors"),
            Err(error) => tracing::error!(%error, "not attached"),
        }
    }

    fn exec(&mut self, mut client: Client, exec: &Exec, descriptors: Vec<OwnedFd>) {
        if self.runs.len() >= EXEC_COUNT_MAX {
            return client.reply(refused("too many commands run in this container"));
        }
        let Some(streams) = Streams::of(exec, descriptors) else {
            return client.reply(refused("a command without its streams"));
        };
        let target = Target { bundle: &self.setting.paths, init: &self.container.init };
        match spawn(&target, exec, &streams) {
            Ok(pipe) => {
                self.runs.push(Run::new(client, pipe, exec.outlives_daemon));
            }
            Err(error) => client.reply(refused(&format!("cannot start the command: {error}"))),
        }
    }

    /// Collects ended children; returns the end of the container's first process.
    fn reap(&mut self) -> io::Result<Option<Ended>> {
        let mut init_ended = None;
        // The pid of a command is in its pipe before it can end.
        self.runs.iter_mut().try_for_each(Run::settle)?;
        while let Some((pid, ended)) = reap()? {
            if self.container.record.init.is_some_and(|init| init.pid == pid) {
                init_ended = Some(ended);
            } else if let Some(run) = self.runs.iter_mut().find(|run| run.pid() == Some(pid)) {
                run.end(ended)?;
            }
        }
        self.runs.retain(|run| !run.is_over());
        Ok(init_ended)
    }

    fn finish(mut self, ended: Ended) -> io::Result<()> {
        self.drain()?;
        let oom_kills =
            self.setting.hierarchies.oom_kills(&self.setting.bundle.cgroup).unwrap_or_else(|error| {
                tracing::error!(error = chain(&error), "OOM kills not counted");
                0
            });
        let oom_killed = oom_kills > 0 && ended == Ended::Signal(libc::SIGKILL);
        if let Err(failure) = self.container.oci.delete() {
            tracing::error!(message = failure.message, "state of the OCI runtime not removed");
        }
        // Its processes are gone with its first one. The kernel has room for some tens of thousands of groups with memory of
        // their own, and what has ended may be shown for long. A group that is busy goes with the container.
        if let Err(error) = self.setting.hierarchies.remove_empty(&self.setting.bundle.cgroup) {
            tracing::error!(error = chain(&error), "cgroup not removed");
        }
        let exit = Exit::observed(ended, oom_killed, self.container.record.started_at);
        // After a reboot this is all there is. A power failure may take it along, and then the container was lost with it.
        if let Err(error) = write_json(&self.setting.paths.exit(), &exit, Durability::UntilReboot) {
            tracing::error!(%error, "exit not kept for after a reboot");
        }
        write_json(&self.setting.state.exit(), &exit, Durability::Durable)
    }

    fn drain(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + DRAIN_MAX;
        self.container.copier.close();
        loop {
            let behind = self.watchers.iter().flat_map(Watcher::behind);
            let mut polled: Vec<PollFd<'_>> = behind.map(|fd| PollFd::new(fd, PollFlags::OUT)).collect();
            let is_behind = !polled.is_empty();
            let open = self.container.copier.open().filter(|_| !is_behind);
            polled.extend(open.map(|fd| PollFd::new(fd, PollFlags::IN)));
            let left = deadline.saturating_duration_since(Instant::now());
            if polled.is_empty() || left.is_zero() {
                return Ok(());
            }
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut polled, Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            drop(polled);
            match is_behind {
                true => self.watchers.iter_mut().for_each(Watcher::push),
                false => self.pump(),
            }
        }
    }
}

fn refused(message: &str) -> Reply {
    Reply::Refused(Failure { fatal: false, message: message.to_owned() })
}
