//! The unmodified docker client, with a configuration of its own and a time limit on every command.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::process::{Output, run};
use crate::sandbox::Sandbox;

/// Longest time for one command, an attached update of a few tasks included.
const LIMIT: Duration = Duration::from_secs(120);

/// A client bound to one daemon: docker's, or `skep` in its place.
#[derive(Debug, Clone)]
pub struct Docker {
    program: PathBuf,
    host: String,
    config: PathBuf,
    limit: Duration,
}

impl Docker {
    /// Binds docker's client to the daemon behind a unix socket.
    pub fn new(sandbox: &Sandbox, socket: &Path) -> Result<Self> {
        Self::with_program(sandbox, socket, Path::new("docker"))
    }

    /// Binds another program with docker's grammar.
    pub fn with_program(sandbox: &Sandbox, socket: &Path, program: &Path) -> Result<Self> {
        let config = sandbox.folder().join("docker-config");
        std::fs::create_dir_all(&config).context("cannot make the client's folder")?;
        let host = format!("unix://{}", socket.display());
        Ok(Self { program: program.to_owned(), host, config, limit: LIMIT })
    }

    /// Gives each command another time limit.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs a command to its end, however it ends.
    pub fn try_run(&self, arguments: &[&str]) -> Result<Output> {
        run(self.command(arguments).env_remove("DOCKER_CONTEXT"), self.limit)
    }

    /// Runs a command that must succeed and returns what it printed.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = self.try_run(arguments)?;
        output.success().with_context(|| format!("docker {}", arguments.join(" ")))
    }

    /// Runs a command that must fail and returns what it said, with its exit code.
    pub fn refused(&self, arguments: &[&str]) -> Result<(i32, String)> {
        let output = self.try_run(arguments)?;
        match output.code {
            Some(code) if code != 0 => Ok((code, output.stderr)),
            code => anyhow::bail!("docker {} ended with {code:?}: {}", arguments.join(" "), output.stdout),
        }
    }

    /// Returns the command for a caller that starts it by itself.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).envs(self.environment());
        command
    }

    /// Returns what binds any client to the daemon, for a shell in which one is typed.
    pub fn environment(&self) -> [(&'static str, OsString); 5] {
        [
            ("DOCKER_HOST", self.host.clone().into()),
            ("DOCKER_CONFIG", self.config.clone().into()),
            ("LC_ALL", "C.UTF-8".into()),
            ("TZ", "UTC".into()),
            ("NO_COLOR", "1".into()),
        ]
    }
}
