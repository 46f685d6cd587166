//! Running a command inside a container: Skep's own short path.
//!
//! ```text
//! shim --fork--> entrant: cgroup, limits, namespaces --fork as sibling--> command: streams, user, seccomp, capabilities, execve
//! ```
//!
//! The command is a child of the shim, so the shim gets its exit code. It ends up exactly as confined as the container's
//! first process: same cgroup, namespaces, seccomp filter and capability rules. The shim does not touch its streams: they are
//! the daemon's pipes, or a terminal whose master goes to the daemon through a socket.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::process::DumpableBehavior;
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

use super::confine::confine;
use super::launch::launch;
use super::streams::{give_to, take_terminal};
use crate::cgroup::Hierarchies;
use crate::container::{Exec, TerminalSize};
use crate::files::{chain, read_json};
use crate::paths::{Bundle, BundlePaths};
use crate::spec::caps::CapSet;
use crate::spec::process::{ProcessPlan, environment, limits};
use crate::spec::seccomp::Profile;
use crate::spec::user::Accounts;
use crate::sys::exec::describe;
use crate::sys::process::{Fork, cloexec_from, exit_now, fork, fork_sibling, redirect};
use crate::sys::terminal::{Terminal, send_descriptor};

/// Exit code of a helper that failed; its sentence is in the pipe.
const HELPER_FAILED: i32 = 255;
const NAMESPACES: ThreadNameSpaceType = ThreadNameSpaceType::MOUNT
    .union(ThreadNameSpaceType::CONTROL_GROUP)
    .union(ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME)
    .union(ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION)
    .union(ThreadNameSpaceType::PROCESS_ID)
    .union(ThreadNameSpaceType::NETWORK);

/// What an exec needs from the shim.
pub(super) struct Target<'a> {
    pub bundle: &'a BundlePaths,
    pub init: &'a OwnedFd,
}

/// What the daemon attached to a command.
pub(super) enum Streams {
    /// Without standard input, the command reads nothing.
    Pipes { stdout: OwnedFd, stderr: OwnedFd, stdin: Option<OwnedFd> },
    /// Where the master of the terminal goes.
    Terminal { socket: OwnedFd, size: TerminalSize },
}

impl Streams {
    /// Sorts the descriptors of a request; `None` if they do not fit it.
    pub(super) fn of(exec: &Exec, descriptors: Vec<OwnedFd>) -> Option<Streams> {
        let mut descriptors = descriptors.into_iter();
        let streams = match exec.terminal {
            Some(size) => Streams::Terminal { socket: descriptors.next()?, size },
            None => {
                let (stdout, stderr) = (descriptors.next()?, descriptors.next()?);
                Streams::Pipes { stdout, stderr, stdin: descriptors.next() }
            }
        };
        descriptors.next().is_none().then_some(streams)
    }
}

/// What the pipe of a new command says. It ends at the `execve`.
#[derive(Debug, Default)]
pub(super) struct Progress {
    text: Vec<u8>,
}

/// How far a command got.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Still on its way.
    Pending,
    /// Its program runs.
    Running,
    /// It will not run, for this reason.
    Failed(String),
}

/// The line that carries the command's pid.
const PID_PREFIX: &str = "pid ";

impl Progress {
    /// Reads what there is.
    pub(super) fn read(&mut self, pipe: &OwnedFd) -> io::Result<Stage> {
        let mut buffer = [0; 1024];
        loop {
            match rustix::io::read(pipe, &mut buffer) {
                Ok(0) => break,
                Ok(count) if self.text.len() < 8192 => self.text.extend_from_slice(&buffer[..count]),
                Ok(_) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(Stage::Pending),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let text = String::from_utf8_lossy(&self.text);
        let sentence: String = text.lines().filter(|line| !line.starts_with(PID_PREFIX)).collect();
        match (sentence.is_empty(), self.pid()) {
            (true, Some(_)) => Ok(Stage::Running),
            (true, None) => Ok(Stage::Failed("the helper that enters the container was killed".into())),
            (false, _) => Ok(Stage::Failed(sentence)),
        }
    }

    /// Returns the pid of the command, once it exists. It is known before the command can end.
    pub(super) fn pid(&self) -> Option<i32> {
        let text = std::str::from_utf8(&self.text).ok()?;
        let line = text.strip_prefix(PID_PREFIX)?.split_once('\n')?.0;
        line.parse().ok()
    }
}

/// Starts a command; the returned pipe tells its progress.
pub(super) fn spawn(target: &Target<'_>, exec: &Exec, streams: &Streams) -> io::Result<OwnedFd> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&read, true)?;
    match fork()? {
        Fork::Parent(_) => Ok(read),
        Fork::Child => {
            if let Err(sentence) = enter(target, exec, streams, &write) {
                // The shim is the only reader; if it is gone, so is everyone who wants to know.
                let _ = rustix::io::write(&write, sentence.as_bytes());
            }
            exit_now(HELPER_FAILED)
        }
    }
}

/// The entrant. Ends in `exit_now` if the command was started.
fn enter(target: &Target<'_>, exec: &Exec, streams: &Streams, status: &OwnedFd) -> Result<(), String> {
    let what = |what: &'static str| move |error: io::Error| format!("cannot {what}: {error}");
    // In the container's pid namespace this process could be inspected through /proc.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(|errno| what("hide from the container")(errno.into()))?;
    let bundle: Bundle = read_json(&target.bundle.bundle())
        .and_then(|bundle| bundle.ok_or_else(|| io::ErrorKind::NotFound.into()))
        .map_err(what("read the bundle"))?;
    let held = CapSet::held().map_err(what("read own capabilities"))?;
    let caps = CapSet::for_container(&bundle.container.capabilities, held).map_err(|e| chain(&e))?;
    // The filter is the container's even for a privileged command: capabilities are what was asked for.
    let filter = Profile::for_capabilities(caps).program(&bundle.filters).map_err(|e| chain(&e))?;
    let limits = limits(&bundle.container.ulimits).map_err(|e| chain(&e))?;

    Hierarchies::detect().and_then(|h| h.join(&bundle.cgroup)).map_err(|e| chain(&e))?;
    for limit in &limits {
        limit.apply().map_err(what("set a resource limit"))?;
    }
    // Best effort, as for the container's first process.
    let _ = std::fs::write("/proc/self/oom_score_adj", bundle.container.oom_score_adj.to_string());
    move_into_thread_name_spaces(target.init.as_fd(), NAMESPACES)
        .map_err(|errno| what("enter the container's namespaces")(errno.into()))?;

    let (wait, go) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|errno| what("make a pipe")(errno.into()))?;
    match fork_sibling().map_err(what("fork"))? {
        Fork::Parent(pid) => {
            rustix::io::write(status, format!("{PID_PREFIX}{pid}\n").as_bytes())
                .map_err(|errno| what("report the pid")(errno.into()))?;
            // Dropping `go` lets the command run: its pid is known before it can end.
            exit_now(0)
        }
        Fork::Child => {
            drop(go);
            let _ = rustix::io::read(&wait, &mut [0u8; 1]);
            let plan = plan(&bundle, exec, if exec.privileged { held } else { caps })?;
            take_streams(&plan, streams).map_err(what("attach the command"))?;
            enter_directory(&plan.cwd)?;
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
            confine(&plan, &filter).and_then(|()| cloexec_from(3)).map_err(what("confine the command"))?;
            Err(launch(&plan))
        }
    }
}

/// Runs inside the container: looks the user up there.
fn plan(bundle: &Bundle, exec: &Exec, caps: CapSet) -> Result<ProcessPlan, String> {
    let container = &bundle.container;
    let user = exec.user.as_deref().unwrap_or(&container.process.user);
    let accounts = Accounts::here().map_err(|error| chain(&error))?;
    let user = accounts.resolve(user, &container.process.groups).map_err(|error| chain(&error))?;
    let env = environment(container, exec.terminal.is_some(), &[&container.process.env, &exec.env], &user);
    let cwd = exec.cwd.clone().unwrap_or_else(|| container.process.cwd.clone());
    Ok(ProcessPlan {
        args: exec.args.clone(),
        env,
        cwd: if cwd.is_empty() { "/".into() } else { cwd },
        user,
        caps,
        no_new_privileges: container.no_new_privileges,
        limits: Vec::new(),
    })
}

fn take_streams(plan: &ProcessPlan, streams: &Streams) -> io::Result<()> {
    match streams {
        Streams::Terminal { socket, size } => {
            let terminal = Terminal::open(*size)?;
            send_descriptor(socket, &terminal.master)?;
            take_terminal(&terminal.slave, plan.user.uid)
        }
        Streams::Pipes { stdout, stderr, stdin } => {
            rustix::process::setsid()?;
            let null = File::open("/dev/null")?.into();
            for (stream, number) in [(stdin.as_ref().unwrap_or(&null), 0), (stdout, 1), (stderr, 2)] {
                give_to(stream, plan.user.uid)?;
                redirect(stream, number)?;
            }
            Ok(())
        }
    }
}

/// As root, so that a directory the user cannot search is still a valid place to start in.
fn enter_directory(path: &str) -> Result<(), String> {
    let failed =
        |error: &io::Error| format!("chdir to cwd ({path:?}) set in config.json failed: {}", describe(error));
    std::env::set_current_dir(Path::new(path)).map_err(|error| failed(&error))?;
    // A path through /proc/self/fd could lead out (CVE-2024-21626); the kernel marks such a place.
    let found = rustix::process::getcwd(Vec::new()).map_err(|errno| failed(&errno.into()))?;
    match found.to_bytes().starts_with(b"/") {
        true => Ok(()),
        false => Err(format!("the working directory {path:?} is outside the container")),
    }
}
