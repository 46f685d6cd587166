#![forbid(unsafe_code)]
//! `make demo`: a rolling update of a real redis, with a failure, its repair and a rollback, as typed by hand.
//!
//! Everything happens in a sandbox (network, mounts and processes of its own) and a temporary folder, so the
//! machine is left as it was. Each claim is checked, not only shown: the exit code is 0 when all of them held.
//! `demo skep` types `skep` in place of `docker`.

use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use skep_tests::cluster::PATIENCE;
use skep_tests::images::{REDIS_NEW, REDIS_OLD, redis as redis_image};
use skep_tests::{Cluster, Daemon, Docker, Look, redis, wait_for};

/// Longest time for one command of the demo.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

fn main() -> Result<()> {
    let started = Instant::now();
    let typed = std::env::args().nth(1).unwrap_or_else(|| "docker".into());
    ensure!(matches!(typed.as_str(), "docker" | "skep"), "usage: demo [docker|skep]");
    say(
        "A daemon and a registry in a sandbox of their own, and two different real redis-servers as images.",
    )?;
    let cluster = Cluster::start().context("cannot start the demo (it needs root)")?;
    let folder = cluster.sandbox.folder().to_owned();
    let client = match typed.as_str() {
        "skep" => cluster.daemon.skep(&cluster.sandbox)?,
        _ => cluster.docker.clone(),
    };
    let mut demo = Demo { cluster, client, typed, seen: Vec::new() };
    demo.play()?;
    let seen = demo.finish()?;
    ensure!(!folder.exists(), "{} was left behind", folder.display());
    say(&format!("Summary, after {:.0} s:", started.elapsed().as_secs_f64()))?;
    for line in seen.iter().map(String::as_str).chain(["nothing was left behind"]) {
        println!("  - {line}");
    }
    Ok(())
}

struct Demo {
    cluster: Cluster,
    client: Docker,
    /// What a person types in front of every command.
    typed: String,
    seen: Vec<String>,
}

impl Demo {
    fn play(&mut self) -> Result<()> {
        let old = self.cluster.push(&redis_image(REDIS_OLD)?)?;
        let new = self.cluster.push(&redis_image(REDIS_NEW)?)?;
        self.create(&old)?;
        self.update(&new)?;
        let missing = format!("{new}-r2");
        self.fail(&missing)?;
        self.repair(&missing)?;
        self.roll_back(&old)
    }

    fn create(&mut self, image: &str) -> Result<()> {
        say("Three replicas, and three seconds between the steps of an update.")?;
        self.shows(&[
            "service",
            "create",
            "--replicas",
            "3",
            "--name",
            "redis",
            "--update-delay",
            "3s",
            "--update-monitor",
            "2s",
            "--rollback-monitor",
            "2s",
            image,
        ])?;
        self.shows(&["service", "ls"])?;
        self.shows(&["service", "ps", "redis"])?;
        self.shows(&["service", "inspect", "--pretty", "redis"])?;
        self.expect_versions(&[REDIS_OLD; 3])?;
        self.seen.push(format!("three replicas of redis {REDIS_OLD} answered their clients"));
        Ok(())
    }

    fn update(&mut self, image: &str) -> Result<()> {
        say(&format!("The rolling update, from {REDIS_OLD} to {REDIS_NEW}."))?;
        let started = Instant::now();
        self.shows(&["service", "update", "--detach", "--image", image, "redis"])?;
        let engine = &mut self.cluster.engine;
        wait_for("one new task beside the old ones", PATIENCE, || {
            let tasks = engine.tasks("redis", true)?;
            let runs = |tag: &str| tasks.iter().any(|task| task.state == "running" && task.tag() == tag);
            let both = runs(REDIS_OLD) && runs(REDIS_NEW);
            Ok(if both { Look::Done(()) } else { Look::NotYet(skep_tests::engine::describe(&tasks)) })
        })?;
        say("In the middle of it, both versions answer:")?;
        self.shows(&["service", "ps", "redis"])?;
        let middle = self.versions()?;
        let both = [REDIS_OLD, REDIS_NEW].iter().all(|version| middle.iter().any(|found| found == version));
        ensure!(both, "one version only in the middle of the update: {middle:?}");
        self.cluster.engine.wait_update("redis", "completed", PATIENCE)?;
        say("And afterwards:")?;
        self.shows(&["service", "ps", "redis"])?;
        self.expect_versions(&[REDIS_NEW; 3])?;
        let lasted = started.elapsed().as_secs_f64();
        self.seen.push(format!(
            "updated to redis {REDIS_NEW} one task at a time in {lasted:.1} s, both versions in between"
        ));
        Ok(())
    }

    fn fail(&mut self, image: &str) -> Result<()> {
        say("An update to a tag that does not exist.")?;
        let before = self.running()?;
        let status = self.types(&["service", "update", "--image", image, "redis"])?;
        ensure!(status.code() == Some(1), "the client ended with {status} and not with 1");
        self.shows(&["service", "inspect", "--pretty", "redis"])?;
        self.shows(&["service", "ps", "--no-trunc", "redis"])?;
        self.cluster.engine.wait_update("redis", "paused", PATIENCE)?;
        ensure!(self.running()? == before, "the failed update touched a running task");
        self.expect_versions(&[REDIS_NEW; 3])?;
        self.seen.push("a tag that does not exist paused the update and touched no running task".into());
        Ok(())
    }

    fn repair(&mut self, image: &str) -> Result<()> {
        say("The tag is pushed, and the update restarted with the command that Docker's manual names.")?;
        let (_, tag) = image.rsplit_once(':').context("an image has a tag")?;
        self.cluster.push(&redis_image(REDIS_NEW)?.named("redis", tag))?;
        self.shows(&["service", "update", "redis"])?;
        self.cluster.running_tag("redis", 3, tag)?;
        self.seen.push("`service update redis` restarted the paused update and finished it".into());
        Ok(())
    }

    fn roll_back(&mut self, image: &str) -> Result<()> {
        say(&format!("Somebody deploys {REDIS_OLD} by mistake, all at once, and takes it back."))?;
        self.shows(&["service", "update", "--update-parallelism", "0", "--image", image, "redis"])?;
        self.expect_versions(&[REDIS_OLD; 3])?;
        self.shows(&["service", "rollback", "redis"])?;
        self.expect_versions(&[REDIS_NEW; 3])?;
        self.seen.push(format!("`service rollback redis` brought {REDIS_NEW} back"));
        Ok(())
    }

    /// Removes the service and checks that its containers are gone, then ends the daemon and the sandbox.
    fn finish(self) -> Result<Vec<String>> {
        self.shows(&["service", "rm", "redis"])?;
        wait_for("every container to end", PATIENCE, || {
            let shims = Daemon::shims(&self.cluster.sandbox)?.len();
            Ok(if shims == 0 { Look::Done(()) } else { Look::NotYet(format!("{shims} shims")) })
        })?;
        let Self { mut cluster, seen, .. } = self;
        cluster.daemon.stop()?;
        Ok(seen)
    }

    /// Types a command that must succeed; its output goes straight to the terminal.
    fn shows(&self, words: &[&str]) -> Result<()> {
        let status = self.types(words)?;
        ensure!(status.success(), "{} {} ended with {status}", self.typed, words.join(" "));
        Ok(())
    }

    fn types(&self, words: &[&str]) -> Result<ExitStatus> {
        println!("\n$ {} {}", self.typed, words.join(" "));
        std::io::stdout().flush().context("cannot write to the terminal")?;
        let mut command = self.client.command(words);
        if !std::io::stdout().is_terminal() {
            command.stdout(Stdio::piped());
        }
        let mut child = command.spawn().context("cannot start the client")?;
        let printer = child.stdout.take().map(|output| std::thread::spawn(move || print_changes(output)));
        let ended = wait_for("the client to end", COMMAND_LIMIT, || {
            Ok(match child.try_wait().context("cannot wait for the client")? {
                Some(status) => Look::Done(status),
                None => Look::NotYet("it runs".into()),
            })
        });
        if ended.is_err() {
            child.kill().and_then(|()| child.wait()).context("cannot end the client")?;
        }
        if let Some(printer) = printer {
            printer.join().expect("printing does not panic")?;
        }
        ended
    }

    /// Asks every running redis for its version, and shows the answers.
    fn versions(&mut self) -> Result<Vec<String>> {
        let mut versions = Vec::new();
        println!();
        for task in self.cluster.engine.tasks("redis", true)?.iter().filter(|task| task.state == "running") {
            let version = redis::version(&self.cluster.sandbox, task)?;
            println!("redis.{} answers: version {version}", task.slot);
            versions.push(version);
        }
        Ok(versions)
    }

    fn expect_versions(&mut self, expected: &[&str]) -> Result<()> {
        let versions = self.versions()?;
        if versions != expected {
            bail!("the redis servers answer {versions:?} and not {expected:?}");
        }
        Ok(())
    }

    /// Returns the tasks that run, by id and process.
    fn running(&mut self) -> Result<Vec<(String, u64)>> {
        let tasks = self.cluster.running("redis", 3)?;
        Ok(tasks.into_iter().map(|task| (task.id, task.process)).collect())
    }
}

/// Prints each line once: away from a terminal, docker's client repeats its progress five times a second.
fn print_changes(output: impl Read) -> Result<()> {
    let mut last = String::new();
    for line in BufReader::new(output).lines() {
        let line = line.context("cannot read what the client prints")?;
        if line != last || line.is_empty() {
            println!("{line}");
        }
        last = line;
    }
    Ok(())
}

/// Says what comes next, set off from what the commands print.
fn say(text: &str) -> Result<()> {
    println!("\n=== {text}");
    std::io::stdout().flush().context("cannot write to the terminal")
}
