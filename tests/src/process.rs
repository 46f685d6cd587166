//! Child processes that cannot outlive the test, and commands with a time limit.
//!
//! A long-lived child is started under `setpriv --pdeathsig KILL`, so the kernel ends it even when the test
//! program is killed. That signal follows the *thread* that started the child, and a test's thread may end
//! early, so one keeper thread starts them all.

use std::fs::File;
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, Mutex, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::wait::{Look, wait_for};

/// What a command printed and how it ended.
#[derive(Debug, Clone)]
pub struct Output {
    pub stdout: String,
    pub stderr: String,
    /// The exit code, or nothing after a signal.
    pub code: Option<i32>,
}

impl Output {
    /// Returns what was printed, or an error with everything there is to know when the command failed.
    pub fn success(self) -> Result<String> {
        match self.code {
            Some(0) => Ok(self.stdout),
            code => {
                bail!("exit code {code:?}\nstdout: {}\nstderr: {}", self.stdout.trim(), self.stderr.trim())
            }
        }
    }
}

/// Runs a command to its end, at most for `limit`; output goes to files, so no full pipe can stall it.
pub fn run(command: &mut Command, limit: Duration) -> Result<Output> {
    let mut stdout = tempfile::tempfile().context("cannot make a file for standard output")?;
    let mut stderr = tempfile::tempfile().context("cannot make a file for standard error")?;
    command
        .stdin(Stdio::null())
        .stdout(stdout.try_clone().context("cannot share a file")?)
        .stderr(stderr.try_clone().context("cannot share a file")?);
    let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    let status = match wait_child(&mut child, limit)? {
        Some(status) => status,
        None => {
            end(&mut child)?;
            let (stdout, stderr) = (content(&mut stdout)?, content(&mut stderr)?);
            bail!("{command:?} did not end within {limit:?}\nstdout: {stdout}\nstderr: {stderr}");
        }
    };
    Ok(Output { stdout: content(&mut stdout)?, stderr: content(&mut stderr)?, code: status.code() })
}

fn content(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).context("cannot read a command's output")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A long-lived child with its output in a file; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts `program` so that it dies with this test program; both streams are appended to `log`.
    pub fn spawn(name: &str, program: &str, arguments: &[&str], log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log);
        let file = file.with_context(|| format!("cannot open {}", log.display()))?;
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", program])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("cannot share the log")?)
            .stderr(file);
        let child = keeper_spawn(command).with_context(|| format!("cannot start {name}"))?;
        Ok(Self { child, name: name.to_owned(), log: log.to_owned() })
    }

    /// Returns the id of the child.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns how the child ended, or nothing while it runs.
    pub fn exit(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot ask for the state of {}", self.name))
    }

    /// Waits for the child to end.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        match wait_child(&mut self.child, limit)? {
            Some(status) => Ok(status),
            None => bail!("{} did not end within {limit:?}\n{}", self.name, self.log_tail()),
        }
    }

    /// Waits until `look` says done; ends early, with the log, when the child dies first.
    pub fn wait_ready<T>(&mut self, limit: Duration, mut look: impl FnMut() -> Result<Look<T>>) -> Result<T> {
        let what = format!("{} to be ready", self.name);
        let (child, name) = (&mut self.child, &self.name);
        let ready = wait_for(&what, limit, || {
            if let Some(status) = child.try_wait().context("cannot ask for a child's state")? {
                bail!("{name} ended with {status}");
            }
            look()
        });
        ready.with_context(|| format!("log of {}:\n{}", self.name, self.log_tail()))
    }

    /// Returns the last lines of the log.
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be done about a failure here; the death signal still ends the child with this program.
        if let Err(error) = end(&mut self.child) {
            eprintln!("cannot end {}: {error:#}", self.name);
        }
    }
}

/// Returns the last lines of a log file, for error messages.
pub fn tail(log: &Path) -> String {
    const LINES: usize = 40;
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let text = text.unwrap_or_else(|error| format!("(no log: {error})"));
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// Returns the first child of a process, once there is one.
pub fn first_child(parent: u32, limit: Duration) -> Result<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    wait_for(&format!("a child of process {parent}"), limit, || {
        let children = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        match children.split_whitespace().next() {
            Some(child) => Ok(Look::Done(child.parse().context("a process id is a number")?)),
            None => Ok(Look::NotYet("none".into())),
        }
    })
}

fn end(child: &mut Child) -> Result<()> {
    child.kill().context("cannot kill a child")?;
    child.wait().context("cannot wait for a killed child")?;
    Ok(())
}

/// Waits for a child; nothing when `limit` passed first.
fn wait_child(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    const PAUSE: Duration = Duration::from_millis(5);
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for a child")? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(PAUSE);
    }
}

type Order = (Command, mpsc::SyncSender<std::io::Result<Child>>);

/// Starts a child on the thread that lives as long as the program.
fn keeper_spawn(command: Command) -> std::io::Result<Child> {
    static KEEPER: LazyLock<Mutex<mpsc::Sender<Order>>> = LazyLock::new(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        std::thread::spawn(move || {
            for (mut command, answer) in inbox {
                // Nobody waits any more when this fails; the child's guard is dropped and ends it.
                drop(answer.send(command.spawn()));
            }
        });
        Mutex::new(orders)
    });
    let (answer, result) = mpsc::sync_channel(1);
    let orders = KEEPER.lock().expect("nothing panics while it holds the keeper");
    orders.send((command, answer)).expect("the keeper never ends");
    result.recv().expect("the keeper answers every order")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_code_are_captured() {
        let output =
            run(Command::new("sh").args(["-c", "echo a; echo b >&2; exit 3"]), Duration::from_secs(5));
        let output = output.unwrap();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str(), output.code), ("a\n", "b\n", Some(3)));
        assert!(output.success().unwrap_err().to_string().contains("exit code Some(3)"));
    }

    #[test]
    fn a_command_that_hangs_is_ended() {
        let error = run(Command::new("sleep").arg("60"), Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("did not end within 50ms"), "{error}");
    }

    #[test]
    fn a_process_dies_with_its_guard() {
        let folder = tempfile::tempdir().unwrap();
        let process = Process::spawn("sleep", "sleep", &["60"], &folder.path().join("log")).unwrap();
        let path = format!("/proc/{}", process.id());
        assert!(Path::new(&path).exists());
        drop(process);
        assert!(!Path::new(&path).exists());
    }
}
