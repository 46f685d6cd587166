//! An external OCI runtime with runc's command line.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio as ProcessStdio};

use super::oci::{OciRuntime, Stdio, Waiting};
use crate::files::SocketPath;
use crate::protocol::Failure;
use crate::sys::terminal::receive_descriptor;

/// How much of the runtime's log is searched for the reason of a failure.
const LOG_BYTES_MAX: u64 = 64 << 10;

/// One container of an external runtime.
pub(super) struct Runc {
    pub(super) program: PathBuf,
    pub(super) id: String,
    pub(super) bundle: PathBuf,
    /// The runtime's own directory; also holds its log and pid file.
    pub(super) root: PathBuf,
}

impl Runc {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(&self.root).arg("--log").arg(self.log()).args(["--log-format", "json"]);
        command.stdin(ProcessStdio::null()).stdout(ProcessStdio::null()).stderr(ProcessStdio::null());
        command
    }

    fn log(&self) -> PathBuf {
        self.root.join("log.json")
    }

    fn run(&self, mut command: Command) -> Result<(), Failure> {
        let failed = |what: &str, source: &io::Error| Failure {
            fatal: false,
            message: format!("{what} {}: {source}", self.program.display()),
        };
        let status = command.status().map_err(|error| failed("cannot run", &error))?;
        if status.success() {
            return Ok(());
        }
        let message =
            self.last_error().unwrap_or_else(|| format!("{} failed: {status}", self.program.display()));
        // What is wrong with the program is said in the same words, whoever says it.
        Err(match message.find("exec: \"") {
            Some(begin) => Failure { fatal: true, message: message[begin..].to_owned() },
            None => Failure { fatal: message.contains("exec format error"), message },
        })
    }

    /// Finds the last message of level error in the runtime's log.
    fn last_error(&self) -> Option<String> {
        let mut text = String::new();
        File::open(self.log()).ok()?.take(LOG_BYTES_MAX).read_to_string(&mut text).ok()?;
        let message = |line: &str| {
            let entry: serde_json::Value = serde_json::from_str(line).ok()?;
            (entry["level"] == "error").then(|| entry["msg"].as_str().map(str::to_owned))?
        };
        text.lines().rev().find_map(message)
    }
}

/// Where the runtime sends the terminal's master.
struct ConsoleSocket {
    listener: UnixListener,
    /// Keeps the directory open by which the runtime finds the socket: its full path may be too long for an address.
    directory: File,
}

const CONSOLE: &str = "console.sock";

impl ConsoleSocket {
    fn open(root: &Path) -> io::Result<ConsoleSocket> {
        let listener = UnixListener::bind(SocketPath::open(&root.join(CONSOLE))?.short())?;
        listener.set_nonblocking(true)?;
        Ok(ConsoleSocket { listener, directory: File::open(root)? })
    }

    /// Returns a path that means the socket in other processes too.
    fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}/{CONSOLE}", std::process::id(), self.directory.as_raw_fd()).into()
    }

    /// Called when the runtime has ended, so that it waits for nothing.
    fn receive(&self) -> io::Result<OwnedFd> {
        receive_descriptor(self.listener.accept()?.0)
    }
}

impl OciRuntime for Runc {
    fn create(&mut self, stdio: Stdio) -> Result<Waiting, Failure> {
        let failed =
            |what: &str, error: &io::Error| Failure { fatal: false, message: format!("{what}: {error}") };
        let pid_file = self.root.join("init.pid");
        let mut command = self.command();
        command.arg("create").arg("--bundle").arg(&self.bundle).arg("--pid-file").arg(&pid_file);
        let console = match stdio {
            Stdio::Pipes { stdin, stdout, stderr } => {
                command.stdout(stdout).stderr(stderr);
                if let Some(stdin) = stdin {
                    command.stdin(stdin);
                }
                None
            }
            Stdio::Terminal(_) => {
                let console = ConsoleSocket::open(&self.root);
                let console = console.map_err(|error| failed("cannot listen for the terminal", &error))?;
                command.arg("--console-socket").arg(console.path());
                Some(console)
            }
        };
        command.arg(&self.id);
        self.run(command)?;
        let terminal = console.map(|console| console.receive()).transpose();
        let terminal = terminal.map_err(|error| failed("no terminal of the runtime", &error))?;
        let pid = fs::read_to_string(&pid_file).ok().and_then(|text| text.trim().parse().ok());
        let pid = pid
            .ok_or_else(|| Failure { fatal: false, message: format!("no pid in {}", pid_file.display()) })?;
        Ok(Waiting { pid, terminal })
    }

    fn start(&mut self) -> Result<(), Failure> {
        let mut command = self.command();
        command.arg("start").arg(&self.id);
        self.run(command)
    }

    fn delete(&mut self) -> Result<(), Failure> {
        if !self.root.join(&self.id).exists() {
            return Ok(());
        }
        let mut command = self.command();
        command.args(["delete", "--force"]).arg(&self.id);
        self.run(command)
    }
}
