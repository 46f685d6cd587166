//! An external OCI runtime with runc's command line.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio as ProcessStdio};

use super::oci::{OciRuntime, Stdio};
use crate::protocol::Failure;

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
        let fatal = message.contains("exec: \"") || message.contains("exec format error");
        Err(Failure { fatal, message })
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

impl OciRuntime for Runc {
    fn create(&mut self, stdio: Stdio) -> Result<i32, Failure> {
        let pid_file = self.root.join("init.pid");
        let mut command = self.command();
        command
            .arg("create")
            .arg("--bundle")
            .arg(&self.bundle)
            .arg("--pid-file")
            .arg(&pid_file)
            .arg(&self.id);
        command.stdout(stdio.stdout).stderr(stdio.stderr);
        self.run(command)?;
        fs::read_to_string(&pid_file)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .ok_or_else(|| Failure { fatal: false, message: format!("no pid in {}", pid_file.display()) })
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
