//! The last step of every process that enters a container: from our code to the user's.
//!
//! libcontainer's own executor insists on a search path and on world-executable files, keeps SIGPIPE ignored, and has no
//! way to say why `execve` failed. This one speaks Docker's sentences through a pipe that the exec itself closes.

use std::collections::HashMap;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use libcontainer::workload::{Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError};
use oci_spec::runtime::Spec;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::confine::confine;
use super::init;
use super::streams::{bind_console, take_terminal};
use crate::container::TerminalSize;
use crate::spec::process::{ProcessPlan, search_path};
use crate::sys::exec::{describe, execve, find_program};
use crate::sys::signal::reset_for_exec;
use crate::sys::terminal::{Terminal, send_descriptor};

/// How long `execve` may take: a slow disk has to deliver the first pages of the program.
const EXEC_WAIT_MAX: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };
/// The longest sentence that is read back.
const SENTENCE_BYTES_MAX: u64 = 4096;

/// Runs the planned program; returns only on failure, with a sentence for the user.
pub(super) fn launch(plan: &ProcessPlan) -> String {
    let name = plan.args.first().map_or("", String::as_str);
    let program = match find_program(name, search_path(&plan.env)) {
        Ok(program) => program,
        Err(sentence) => return sentence,
    };
    if let Err(error) = reset_for_exec() {
        return format!("exec: \"{name}\": cannot reset signals: {error}");
    }
    let error = execve(&program, &plan.args, &plan.env);
    format!("exec {}: {}", program.display(), describe(&error))
}

/// The pipe that tells whether a process reached its program: end of file, or a sentence.
pub(super) struct LaunchStatus(OwnedFd);

impl LaunchStatus {
    /// Makes the pipe; the second half goes to the process.
    pub(super) fn pipe() -> std::io::Result<(LaunchStatus, OwnedFd)> {
        let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        Ok((LaunchStatus(read), write))
    }

    /// Returns the sentence of a process that has already failed.
    pub(super) fn complaint(&self) -> Option<String> {
        self.wait_for(Duration::ZERO).and_then(Result::err)
    }

    /// Waits until the program runs, or returns why it does not.
    pub(super) fn wait(&self) -> Result<(), String> {
        let longest = Duration::from_secs(EXEC_WAIT_MAX.tv_sec as u64);
        self.wait_for(longest).unwrap_or_else(|| Err("the program did not start within 30 s".into()))
    }

    /// Returns `None` if nothing happened in time.
    fn wait_for(&self, longest: Duration) -> Option<Result<(), String>> {
        let timeout = Timespec::try_from(longest).ok()?;
        let mut polled = [PollFd::new(&self.0, PollFlags::IN)];
        loop {
            match poll(&mut polled, Some(&timeout)) {
                Ok(0) => return None,
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return None,
            }
        }
        let mut sentence = String::new();
        let file = std::fs::File::from(self.0.try_clone().ok()?);
        // The writer ends after its sentence, or at its exec; a failed read leaves what arrived before.
        let _ = file.take(SENTENCE_BYTES_MAX).read_to_string(&mut sentence);
        Some(if sentence.is_empty() { Ok(()) } else { Err(sentence) })
    }
}

/// What the first process runs, and how confined.
pub(super) struct Payload {
    pub plan: ProcessPlan,
    /// The compiled system call filter.
    pub filter: Vec<u8>,
    /// Stays as the program's init.
    pub init: bool,
}

/// The terminal that the first process gets, and where its master goes.
#[derive(Clone)]
pub(super) struct Console {
    pub socket: Rc<OwnedFd>,
    pub size: TerminalSize,
}

/// libcontainer's hook around [`confine`] and [`launch`].
#[derive(Clone)]
pub(super) struct Launcher {
    payload: Rc<Payload>,
    status: Rc<OwnedFd>,
    console: Option<Console>,
}

impl Launcher {
    /// `status` is the write end of a [`LaunchStatus`].
    pub(super) fn new(payload: Rc<Payload>, status: OwnedFd, console: Option<Console>) -> Launcher {
        Launcher { payload, status: Rc::new(status), console }
    }

    fn complain(&self, sentence: &str) {
        // Without a reader there is nobody left to tell.
        let _ = rustix::io::write(&*self.status, sentence.as_bytes());
    }
}

impl Console {
    /// Makes a terminal, sends its master away and puts its other end where programs look for it.
    fn enter(&self, uid: u32) -> std::io::Result<()> {
        let terminal = Terminal::open(self.size)?;
        send_descriptor(&self.socket, &terminal.master)?;
        bind_console(&terminal.slave)?;
        take_terminal(&terminal.slave, uid)
    }
}

impl Executor for Launcher {
    fn exec(&self, _: &Spec) -> Result<(), ExecutorError> {
        let sentence = match self.payload.init {
            true => init::run(&self.payload.plan),
            false => launch(&self.payload.plan),
        };
        self.complain(&sentence);
        Err(ExecutorError::Other(sentence))
    }

    /// Called when the process is in all its namespaces, before it waits for its start.
    fn validate(&self, _: &Spec) -> Result<(), ExecutorValidationError> {
        let plan = &self.payload.plan;
        let failed = |what: &str, error: std::io::Error| {
            ExecutorValidationError::ArgValidationError(format!("cannot {what}: {error}"))
        };
        if let Some(console) = &self.console {
            console.enter(plan.user.uid).map_err(|error| failed("take the terminal", error))?;
        }
        confine(plan, &self.payload.filter).map_err(|error| failed("confine", error))?;
        let name = plan.args.first().map_or("", String::as_str);
        find_program(name, search_path(&plan.env)).map(|_| ()).map_err(|sentence| {
            self.complain(&sentence);
            ExecutorValidationError::ArgValidationError(sentence)
        })
    }

    /// The environment goes to `execve` as it is; this process keeps its own until then.
    fn setup_envs(&self, _: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        Ok(())
    }
}
