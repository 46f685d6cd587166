//! The life of a shim: one poll loop over the container's output, its children and the daemon's requests.
//!
//! It ends with the container: logs drained, OOM counted, `exit.json` on disk, then the process. A daemon that waits for
//! the shim's end therefore finds everything in place, and a shim that ends without `exit.json` was killed.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::client::{Client, Received};
use super::create::{Created, Setting};
use super::exec::{Outputs, Progress, Stage, Target, spawn};
use crate::container::Exec;
use crate::exit::{Ended, Exit};
use crate::files::{Durability, chain, write_json};
use crate::protocol::{Failure, Reply, Request};
use crate::sys::process::{kill_group, reap, trim_heap};

/// Connections at once; more are turned away.
const CLIENT_COUNT_MAX: usize = 64;
/// Commands at once.
const EXEC_COUNT_MAX: usize = 64;
/// How long the shim reads on after the container's end. All its processes are dead then, so the pipes end at once, unless
/// somebody outside has a copy.
const DRAIN_MAX: std::time::Duration = std::time::Duration::from_secs(2);

/// A command inside the container. It is over when it has failed, or when its program has run and ended.
struct Run {
    client: Client,
    progress: Progress,
    /// Present until the command runs or has failed.
    pipe: Option<OwnedFd>,
    is_running: bool,
    /// Its end may be seen before the end of `pipe`, of which the helper has a copy for an instant more.
    ended: Option<Ended>,
    /// The daemon has hung up.
    is_abandoned: bool,
}

impl Run {
    fn is_over(&self) -> bool {
        self.pipe.is_none() && !self.is_running
    }

    /// Passes on what has become known.
    fn settle(&mut self) -> io::Result<()> {
        if let Some(pipe) = &self.pipe {
            match self.progress.read(pipe)? {
                Stage::Pending => {}
                Stage::Running => {
                    self.pipe = None;
                    self.is_running = true;
                    self.client.reply(Reply::ExecStarted);
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

/// A descriptor of the loop.
#[derive(Clone, Copy)]
enum Token {
    Children,
    Listener,
    Output,
    Client(usize),
    RunProgress,
    RunClient(usize),
}

pub(super) struct Serve<'a> {
    setting: &'a Setting,
    container: Created,
    clients: Vec<Client>,
    runs: Vec<Run>,
}

impl<'a> Serve<'a> {
    pub(super) fn new(setting: &'a Setting, container: Created) -> Serve<'a> {
        Serve { setting, container, clients: Vec::new(), runs: Vec::new() }
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
        };
        self.finish(ended)
    }

    fn wait(&self) -> io::Result<Vec<Token>> {
        let mut tokens = vec![Token::Children, Token::Listener];
        let mut polled = vec![
            PollFd::new(&self.container.children, PollFlags::IN),
            PollFd::new(&self.container.listener, PollFlags::IN),
        ];
        for output in self.container.copier.open() {
            tokens.push(Token::Output);
            polled.push(PollFd::new(output, PollFlags::IN));
        }
        for (index, client) in self.clients.iter().enumerate() {
            tokens.push(Token::Client(index));
            polled.push(PollFd::from_borrowed_fd(client.as_fd(), PollFlags::IN));
        }
        for (index, run) in self.runs.iter().enumerate() {
            if !run.is_abandoned {
                tokens.push(Token::RunClient(index));
                polled.push(PollFd::from_borrowed_fd(run.client.as_fd(), PollFlags::IN));
            }
            if let Some(pipe) = &run.pipe {
                tokens.push(Token::RunProgress);
                polled.push(PollFd::new(pipe, PollFlags::IN));
            }
        }
        match poll(&mut polled, None) {
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

    fn handle(&mut self, token: Token) -> io::Result<()> {
        match token {
            // Reaping follows at the top of the loop.
            Token::Children => self.container.children.drain()?,
            Token::Output => self.container.copier.pump(),
            Token::Listener => self.accept(),
            Token::Client(index) => self.receive(index),
            // Settled at the top of the loop.
            Token::RunProgress => {}
            Token::RunClient(index) => self.hear(index),
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

    fn exec(&mut self, mut client: Client, exec: &Exec, descriptors: Vec<OwnedFd>) {
        let outputs = match <[OwnedFd; 2]>::try_from(descriptors) {
            Ok([stdout, stderr]) if self.runs.len() < EXEC_COUNT_MAX => Outputs { stdout, stderr },
            Ok(_) => return client.reply(refused("too many commands run in this container")),
            Err(_) => return client.reply(refused("an exec needs two descriptors")),
        };
        let target = Target { bundle: &self.setting.paths, init: &self.container.init };
        match spawn(&target, exec, &outputs) {
            Ok(pipe) => {
                self.runs.push(Run {
                    client,
                    progress: Progress::default(),
                    pipe: Some(pipe),
                    is_running: false,
                    ended: None,
                    is_abandoned: false,
                });
            }
            Err(error) => client.reply(refused(&format!("cannot start the command: {error}"))),
        }
    }

    /// A command's daemon has nothing more to say; if it hangs up (a timeout, or its own end), the command ends too.
    fn hear(&mut self, index: usize) {
        let run = &mut self.runs[index];
        run.is_abandoned = matches!(run.client.receive(), Received::Gone);
    }

    /// Collects ended children; returns the end of the container's first process.
    fn reap(&mut self) -> io::Result<Option<Ended>> {
        let mut init_ended = None;
        // The pid of a command is in its pipe before it can end.
        self.runs.iter_mut().try_for_each(Run::settle)?;
        while let Some((pid, ended)) = reap()? {
            if self.container.record.init.is_some_and(|init| init.pid == pid) {
                init_ended = Some(ended);
            } else if let Some(run) = self.runs.iter_mut().find(|run| run.progress.pid() == Some(pid)) {
                run.ended = Some(ended);
                run.settle()?;
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
        write_json(&self.setting.state.exit(), &Exit::observed(ended, oom_killed), Durability::Durable)
    }

    fn drain(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + DRAIN_MAX;
        loop {
            let copier = &mut self.container.copier;
            let mut polled: Vec<PollFd<'_>> =
                copier.open().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
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
            copier.pump();
        }
    }
}

fn refused(message: &str) -> Reply {
    Reply::Refused(Failure { fatal: false, message: message.to_owned() })
}
