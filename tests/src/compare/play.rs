//! Types a script's commands to one daemon, in a sandbox with a registry, and writes down what it answers.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::{Context, Result};
use regex::Regex;

use super::plain::Names;
use super::script::{Line, Script};
use super::transcript::{Step, Transcript};
use crate::daemon::{self, Daemon};
use crate::docker::Docker;
use crate::engine::Engine;
use crate::images::busybox;
use crate::oracle::Oracle;
use crate::process::{Output, run};
use crate::registry::Registry;
use crate::sandbox::Sandbox;
use crate::wait::{Look, wait_for};

/// Longest time for one command, and for one condition to come true.
const PATIENCE: Duration = Duration::from_secs(60);

/// Spoken by both daemons, whatever else newer ones speak.
const API_VERSION: &str = "1.41";

/// Whom the commands are typed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    Dockerd,
    Skep,
}

/// What the word `docker` means at the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    Docker,
    Skep,
}

/// How the version of the client begins whose words are recorded.
const RECORDED: &str = "Docker version 28.";

impl Client {
    /// Returns docker's client if it is of the version that was recorded, and else `skep`, which speaks as that one.
    pub fn at_hand() -> Result<Self> {
        let version = run(Command::new("docker").arg("--version"), PATIENCE)?.success()?;
        Ok(if version.starts_with(RECORDED) { Self::Docker } else { Self::Skep })
    }
}

/// A prompt in front of one daemon. Fields are dropped in this order: the daemon before its sandbox.
struct Desk {
    docker: Docker,
    engine: Engine,
    folder: PathBuf,
    path: String,
    _daemon: Running,
    _registry: Registry,
    _sandbox: Sandbox,
}

enum Running {
    Dockerd { _oracle: Oracle },
    Skep { _daemon: Daemon },
}

/// Plays a script from its beginning to its end.
pub fn play(script: &Script, host: Host, client: Client) -> Result<Transcript> {
    let mut desk = Desk::open(host, client)?;
    let mut names = Names::new(desk._sandbox.folder());
    let mut steps = Vec::new();
    for line in &script.lines {
        match line {
            Line::Until { wanted, command } => desk.wait(wanted, command)?,
            Line::Typed(command) => {
                let mut output = desk.typed(command)?;
                if client == Client::Skep {
                    output.stderr = as_docker(&output.stderr);
                }
                names.learn(&mut desk.engine).with_context(|| format!("after `{command}`"))?;
                steps.push(Step { command: command.clone(), answer: answer(&names, &output)? });
            }
        }
    }
    Ok(Transcript { name: script.name.clone(), steps })
}

/// The program's name where it is a word of a sentence, and no part of a path.
static NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(^|[ '"])skep\b"#).expect("a pattern of ours is right"));

/// Returns what `skep` says of itself as docker would: by its name, and without the hints that docker has not.
fn as_docker(said: &str) -> String {
    let is_hint = |line: &str| line.starts_with("hint: ");
    let own = |line: &str| match line.contains("Error response from daemon") {
        true => format!("{line}\n"),
        false => format!("{}\n", NAME.replace_all(line, "${1}docker")),
    };
    said.lines().filter(|line| !is_hint(line)).map(own).collect()
}

fn answer(names: &Names, output: &Output) -> Result<Vec<String>> {
    let mut answer = names.lines('|', &output.stdout);
    answer.extend(names.lines('!', &output.stderr));
    match output.code.context("the shell was killed")? {
        0 => {}
        code => answer.push(format!("= {code}")),
    }
    Ok(answer)
}

impl Desk {
    /// Starts a daemon that is no swarm, beside a registry that holds `busybox:1` and `busybox:2`.
    fn open(host: Host, client: Client) -> Result<Self> {
        let sandbox = Sandbox::new()?;
        let registry = Registry::start(&sandbox)?;
        for tag in ["1", "2"] {
            // The label makes each tag an image of its own, as two versions of a program are.
            let image = busybox()?.named("busybox", tag).with("Labels", serde_json::json!({"version": tag}));
            registry.push(&sandbox, &image)?;
        }
        let (daemon, engine, docker) = match host {
            Host::Dockerd => {
                let (oracle, engine) = Oracle::start_alone(&sandbox)?;
                let docker = oracle.docker(&sandbox)?;
                (Running::Dockerd { _oracle: oracle }, engine, docker)
            }
            Host::Skep => {
                let daemon = Daemon::start(&sandbox)?;
                let (engine, docker) = (daemon.engine()?, daemon.docker(&sandbox)?);
                (Running::Skep { _daemon: daemon }, engine, docker)
            }
        };
        let folder = sandbox.folder().join("desk");
        fs::create_dir(&folder).context("cannot make the folder to type in")?;
        let mut path = std::env::var("PATH").context("there is no PATH")?;
        if client == Client::Skep {
            let programs = sandbox.folder().join("programs");
            fs::create_dir(&programs).context("cannot make the folder of programs")?;
            symlink(daemon::binary()?, programs.join("docker")).context("cannot name skep docker")?;
            path = format!("{}:{path}", programs.display());
        }
        Ok(Self { docker, engine, folder, path, _daemon: daemon, _registry: registry, _sandbox: sandbox })
    }

    fn typed(&self, command: &str) -> Result<Output> {
        let mut shell = Command::new("bash");
        shell.args(["-c", command]).current_dir(&self.folder);
        shell.envs(self.docker.environment());
        shell.env("PATH", &self.path).env("HOME", &self.folder).env("DOCKER_API_VERSION", API_VERSION);
        shell.env_remove("DOCKER_CONTEXT");
        run(&mut shell, PATIENCE)
    }

    fn wait(&self, wanted: &str, command: &str) -> Result<()> {
        wait_for(&format!("{wanted:?} from `{command}`"), PATIENCE, || {
            let output = self.typed(command)?;
            Ok(match output.stdout.trim() {
                printed if printed == wanted => Look::Done(()),
                printed => Look::NotYet(format!("{printed} {}", output.stderr)),
            })
        })
    }
}
