//! `skep daemon` inside a sandbox: start, stop, kill -9, start again.
//!
//! Its folders, its socket and its control group are the sandbox's, so any number of daemons run beside each
//! other and leave nothing behind.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::docker::Docker;
use crate::engine::Engine;
use crate::sandbox::{Inmate, Program, Sandbox};
use crate::wait::Look;

/// Longest time from the start of the program to its first answer.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Longest time for a clean stop.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Name of the program in the sandbox's logs.
const NAME: &str = "skep";

/// A running daemon, or one that a test has stopped; killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    binary: PathBuf,
    arguments: Vec<String>,
    socket: PathBuf,
    program: Program,
}

impl Daemon {
    /// Starts a daemon that is no cluster yet.
    pub fn start(sandbox: &Sandbox) -> Result<Self> {
        Self::start_with(sandbox, &binary()?, &[])
    }

    /// Starts a daemon that is a cluster of one, and returns a connection to it.
    pub fn start_cluster(sandbox: &Sandbox) -> Result<(Self, Engine)> {
        let daemon = Self::start(sandbox)?;
        let mut engine = daemon.engine()?;
        engine.swarm_init()?;
        Ok((daemon, engine))
    }

    /// Starts another binary or with more flags.
    pub fn start_with(sandbox: &Sandbox, binary: &Path, flags: &[&str]) -> Result<Self> {
        let (arguments, socket) = arguments(sandbox, flags);
        let program = launch(sandbox, binary, &arguments, &socket)?;
        Ok(Self { binary: binary.to_owned(), arguments, socket, program })
    }

    /// Starts the program again after [`kill`](Self::kill) or [`stop`](Self::stop), on the same folders.
    pub fn restart(&mut self, sandbox: &Sandbox) -> Result<()> {
        ensure!(!self.program.is_running()?, "the daemon still runs");
        self.program = launch(sandbox, &self.binary, &self.arguments, &self.socket)?;
        Ok(())
    }

    /// Ends the daemon as a crash or a power cut does, containers excepted.
    pub fn kill(&mut self) -> Result<()> {
        self.program.kill()
    }

    /// Ends the daemon with SIGTERM, which must end it cleanly.
    pub fn stop(&mut self) -> Result<()> {
        self.program.signal(Signal::TERM)?;
        let code = self.program.wait(STOP_LIMIT)?;
        ensure!(code == 0, "the daemon stopped with code {code}\n{}", self.program.log_tail());
        Ok(())
    }

    /// Returns a new connection to the daemon.
    pub fn engine(&self) -> Result<Engine> {
        Engine::connect(&self.socket)
    }

    /// Returns docker's client, bound to the daemon.
    pub fn docker(&self, sandbox: &Sandbox) -> Result<Docker> {
        Docker::new(sandbox, &self.socket)
    }

    /// Returns `skep` as the client, bound to the daemon.
    pub fn skep(&self, sandbox: &Sandbox) -> Result<Docker> {
        Docker::with_program(sandbox, &self.socket, &self.binary)
    }

    /// Returns the daemon's process id, as seen from outside.
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// Returns the words behind the binary's name, `daemon` first.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// Returns the path of the API's socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Returns the last lines that the daemon logged.
    pub fn log_tail(&self) -> String {
        self.program.log_tail()
    }

    /// Lists the shims inside the sandbox: one process for each container.
    pub fn shims(sandbox: &Sandbox) -> Result<Vec<Inmate>> {
        Self::processes(sandbox, "shim")
    }

    /// Lists the processes inside the sandbox that run a subcommand of `skep`.
    pub fn processes(sandbox: &Sandbox, subcommand: &str) -> Result<Vec<Inmate>> {
        let runs_it = |inmate: &Inmate| inmate.arguments.get(1).is_some_and(|word| word == subcommand);
        Ok(sandbox.inmates()?.into_iter().filter(runs_it).collect())
    }
}

/// Runs the daemon where it must refuse to start; returns its exit code and what it said.
pub fn refused(sandbox: &Sandbox, flags: &[&str]) -> Result<(i32, String)> {
    let (arguments, _) = arguments(sandbox, flags);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let binary = binary()?;
    let output = sandbox.run(&binary.to_string_lossy(), &arguments, START_LIMIT)?;
    Ok((output.code.context("the daemon was killed")?, output.stderr))
}

/// Returns the binary under test: `SKEP_BIN`, or the one that was built beside this test program.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("SKEP_BIN") {
        return Ok(path.into());
    }
    let own = std::env::current_exe().context("cannot find this program")?;
    // target/debug/deps/NAME for a test, target/debug/NAME for a program.
    let folder = own.parent().context("a program lies in a folder")?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let path = folder.join("skep");
    ensure!(path.exists(), "{} does not exist: run `cargo build --package skep`", path.display());
    Ok(path)
}

fn arguments(sandbox: &Sandbox, flags: &[&str]) -> (Vec<String>, PathBuf) {
    let folder = sandbox.folder();
    let socket = folder.join("skep.sock");
    let defaults = [
        format!("--data-root={}", folder.join("data").display()),
        format!("--exec-root={}", folder.join("run").display()),
        format!("--host=unix://{}", socket.display()),
        format!("--pidfile={}", folder.join("skep.pid").display()),
        format!("--cgroup-parent=/{}", sandbox.name()),
        "--log-level=debug".to_owned(),
    ];
    // A flag of the caller replaces the one of the same name; `--host` may be given more than once.
    let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
    let replaced = |default: &String| {
        let default = name(default);
        default != "--host" && flags.iter().any(|flag| name(flag) == default)
    };
    let mut arguments = vec!["daemon".to_owned()];
    arguments.extend(defaults.into_iter().filter(|default| !replaced(default)));
    arguments.extend(flags.iter().map(|flag| (*flag).to_owned()));
    (arguments, socket)
}

fn launch(sandbox: &Sandbox, binary: &Path, arguments: &[String], socket: &Path) -> Result<Program> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut program = sandbox.spawn(NAME, &binary.to_string_lossy(), &arguments)?;
    program.wait_ready(START_LIMIT, || {
        Ok(match Engine::connect(socket).and_then(|mut engine| engine.ping()) {
            Ok(()) => Look::Done(()),
            Err(error) => Look::NotYet(format!("{error:#}")),
        })
    })?;
    Ok(program)
}
