//! The story: one function for each scene, in the order in which they are played.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::asker::Asker;
use super::stage::{Program, Stage};
use crate::engine::{Engine, Task, describe};
use crate::images::{REDIS_NEW, REDIS_OLD, redis as redis_image};
use crate::{Daemon, Docker, Look, Registry, Sandbox};

/// The service of the story.
pub const SERVICE: &str = "redis";

/// A tag that nobody has pushed, until somebody does.
const LATE_TAG: &str = "7.0.15-hotfix";

/// Requests that make "no request failed" worth saying.
const ENOUGH: u64 = 300;

/// `service ps` with the columns that tell why a task failed, in full.
const REASONS: &str = r"table {{.Name}}\t{{.DesiredState}}\t{{.CurrentState}}\t{{.Error}}";

/// Everybody who takes part.
#[derive(Debug)]
pub struct Show<'a> {
    stage: &'a Stage<'a>,
    asker: &'a Asker,
    sandbox: &'a Sandbox,
    registry: &'a Registry,
    daemon: Daemon,
    engine: Engine,
    client: Docker,
    /// How many claims were checked.
    held: usize,
}

impl<'a> Show<'a> {
    /// Brings everybody together.
    pub fn new(
        stage: &'a Stage<'a>,
        asker: &'a Asker,
        sandbox: &'a Sandbox,
        registry: &'a Registry,
        daemon: Daemon,
    ) -> Result<Self> {
        let client = match stage.program() {
            Program::Skep => daemon.skep(sandbox)?,
            Program::Docker => daemon.docker(sandbox)?,
        };
        let engine = daemon.engine()?;
        Ok(Self { stage, asker, sandbox, registry, daemon, engine, client, held: 0 })
    }

    /// Plays every scene; the first claim that does not hold ends the show.
    pub fn play(&mut self) -> Result<()> {
        self.make_cluster()?;
        let old = self.publish(REDIS_OLD, REDIS_OLD)?;
        let new = self.publish(REDIS_NEW, REDIS_NEW)?;
        self.create(&old)?;
        self.update(&new)?;
        self.fail()?;
        self.repair()?;
        self.interrupt_update(&old)?;
        self.roll_back()
    }

    /// Returns the last lines that the daemon logged.
    pub fn daemon_log(&self) -> String {
        self.daemon.log_tail()
    }

    fn make_cluster(&self) -> Result<()> {
        self.stage.prompt(&format!("docker-registry serve {} &", self.registry.config().display()))?;
        self.stage.prompt(&format!("skep {} &", self.daemon.arguments().join(" ")))?;
        self.stage.prompt(&format!("export DOCKER_HOST=unix://{}", self.daemon.socket().display()))?;
        let words: &[&str] = match self.stage.program() {
            Program::Skep => &["init", "--advertise-addr", "127.0.0.1"],
            Program::Docker => &["swarm", "init", "--advertise-addr", "127.0.0.1"],
        };
        self.stage.types(&self.client, words)
    }

    /// Pushes a version of redis under a tag; returns the image's full name.
    fn publish(&self, version: &str, tag: &str) -> Result<String> {
        let name = self.registry.push(self.sandbox, &redis_image(version)?.named(SERVICE, tag))?;
        self.stage.say(&format!("{name} is in the registry: the real redis-server {version}."))?;
        Ok(name)
    }

    fn create(&mut self, image: &str) -> Result<()> {
        self.stage.scene(
            "A service",
            "Three replicas, four seconds between the steps of an update. A step is judged for two seconds.",
        )?;
        self.asker.enter("creation");
        let pace = ["--update-delay", "4s", "--update-monitor", "2s"];
        let pace_back = ["--rollback-delay", "1s", "--rollback-monitor", "2s"];
        let create = ["service", "create", "--name", SERVICE, "--replicas", "3"];
        self.stage.types(&self.client, &[&create[..], &pace, &pace_back, &[image]].concat())?;
        self.shows(&["service", "ls"])?;
        self.shows(&["service", "ps", SERVICE])?;
        self.shows(&["service", "inspect", "--pretty", SERVICE])?;
        self.answers("Each redis answers a client of its own network", |versions| {
            versions == [REDIS_OLD; 3]
        })?;
        self.ask_enough()?;
        self.asker.phase()?.expect_undisturbed(&[REDIS_OLD])?;
        self.held(&format!("three replicas of redis {REDIS_OLD}, and no request failed"))
    }

    fn update(&mut self, image: &str) -> Result<()> {
        self.stage.scene(
            "The rolling update",
            "One replica after the other. An old task is stopped only when the image of its successor is pulled and its \
             container made.",
        )?;
        self.asker.enter("update to 7.0.15");
        let is_over = AtomicBool::new(false);
        let middle = thread::scope(|scope| {
            let onlooker = scope.spawn(|| middle_of_update(self.stage, self.asker, &self.client, &is_over));
            let updated = self.stage.types(&self.client, &["service", "update", "--image", image, SERVICE]);
            is_over.store(true, Ordering::Relaxed);
            let middle = onlooker.join().expect("watching does not panic");
            updated.and(middle)
        })?;
        self.stage.say("Meanwhile, in a second terminal, between the first step and the second:")?;
        self.stage.prompt(&self.stage.line(&["service", "ps", SERVICE]))?;
        self.stage.print(&middle)?;
        for version in [REDIS_OLD, REDIS_NEW] {
            let is_up = |line: &str| line.contains(&format!(":{version} ")) && line.contains("Running  ");
            ensure!(middle.lines().any(is_up), "no {version} runs in the middle of the update");
        }
        self.stage.say("And now:")?;
        self.shows(&["service", "ps", SERVICE])?;
        self.wait_update("completed")?;
        self.answers("All of them are new", |versions| versions == [REDIS_NEW; 3])?;
        self.asker.phase()?.expect_rolling(&[REDIS_OLD, REDIS_NEW])?;
        self.held("both versions answered side by side, and never was more than one replica away")
    }

    fn fail(&mut self) -> Result<()> {
        let image = format!("{}/{SERVICE}:{LATE_TAG}", self.registry.address());
        self.stage.scene(
            "An update that cannot work",
            "The tag does not exist. The update must stop and say why, and nothing that runs may be touched.",
        )?;
        let before = self.running()?;
        self.asker.enter("update to a missing tag, twice");
        self.stage.fails(&self.client, &["service", "update", "--image", &image, SERVICE])?;
        let inspect = self.shows(&["service", "inspect", "--pretty", SERVICE])?;
        let has_reason = inspect.contains("paused") && inspect.contains(&format!("{image} not found"));
        ensure!(has_reason, "`inspect` does not say why the update stopped");
        self.expect_reason(&image, 1)?;
        self.held("the update is paused with exit code 1, its reason stands in `inspect` and in `ps`")?;

        self.stage
            .say("`service update` without a change restarts a paused update. The tag is still missing:")?;
        self.stage.fails(&self.client, &["service", "update", SERVICE])?;
        self.wait_update("paused")?;
        self.expect_reason(&image, 2)?;
        self.held("the restarted update tried again and paused for the same reason")?;

        self.ask_enough()?;
        ensure!(self.running()? == before, "a failed update replaced a running task");
        self.answers("The client has noticed nothing", |versions| versions == [REDIS_NEW; 3])?;
        self.asker.phase()?.expect_undisturbed(&[REDIS_NEW])?;
        self.held("the same three tasks run in the same three processes, and no request failed")
    }

    /// Checks that `service ps` gives the reason for each attempt to run an image that does not exist.
    fn expect_reason(&self, image: &str, attempts: usize) -> Result<()> {
        let ps = self.shows(&["service", "ps", "--no-trunc", "--format", REASONS, SERVICE])?;
        let found = ps.lines().filter(|line| line.contains("Rejected") && line.contains(image)).count();
        ensure!(found == attempts, "`ps` gives the reason {found} times, not {attempts} times");
        Ok(())
    }

    fn repair(&mut self) -> Result<()> {
        self.stage
            .scene("The repair", "Somebody pushes the missing tag, and the same command ends the update.")?;
        let before = self.running()?;
        self.publish(REDIS_NEW, LATE_TAG)?;
        self.asker.enter("the tag appears, restarted");
        self.stage.types(&self.client, &["service", "update", SERVICE])?;
        self.shows(&["service", "ls"])?;
        self.wait_update("completed")?;
        let after = self.running()?;
        let are_replaced = after.iter().all(|task| task.tag() == LATE_TAG && !before.contains(task));
        ensure!(are_replaced, "not every task was replaced: {}", describe(&after));
        self.asker.phase()?.expect_rolling(&[REDIS_NEW])?;
        self.held("`service update redis` took the paused update to its end")
    }

    fn interrupt_update(&mut self, image: &str) -> Result<()> {
        self.stage.scene(
            "The daemon dies in the middle",
            "Somebody deploys the old version by mistake, and the daemon is killed after the first step. The containers \
             live on without it; its successor adopts them and continues where the update was.",
        )?;
        self.asker.enter("update to 6.2.14, first step");
        let began = Instant::now();
        self.stage.types(&self.client, &["service", "update", "--detach", "--image", image, SERVICE])?;
        self.stage.wait("the first step", || self.asker.look(began, are_mixed))?;
        self.shows(&["service", "ps", "--filter", "desired-state=running", SERVICE])?;
        let before = self.running()?;
        self.stage.prompt(&format!("kill -9 {}   # the daemon", self.daemon.id()))?;
        self.daemon.kill()?;
        self.asker.enter("killed: no daemon");
        self.ask_enough()?;
        let alone = self.asker.phase()?;
        alone.expect_undisturbed(&[REDIS_OLD, REDIS_NEW])?;
        self.held(&format!("{} requests without a daemon, and none failed", alone.asked()))?;

        self.asker.enter("a new daemon goes on");
        self.stage.prompt(&format!("skep {} &", self.daemon.arguments().join(" ")))?;
        self.daemon.restart(self.sandbox)?;
        self.wait_update("completed")?;
        self.shows(&["service", "ps", SERVICE])?;
        let after = self.running()?;
        let first = before.iter().find(|task| task.tag() == REDIS_OLD).context("the first step was taken")?;
        ensure!(after.contains(first), "the first step was taken twice");
        self.answers("The update was finished", |versions| versions == [REDIS_OLD; 3])?;
        self.asker.phase()?.expect_rolling(&[REDIS_OLD, REDIS_NEW])?;
        self.held(
            "the update went on with the second replica, one at a time; the first was adopted as it ran",
        )
    }

    fn roll_back(&mut self) -> Result<()> {
        self.stage
            .scene("The rollback", "The mistake is taken back: the specification before it returns.")?;
        self.asker.enter("rollback");
        self.stage.types(&self.client, &["service", "rollback", SERVICE])?;
        self.shows(&["service", "ps", "--filter", "desired-state=running", SERVICE])?;
        self.wait_update("rollback_completed")?;
        self.answers("And the client hears", |versions| versions == [REDIS_NEW; 3])?;
        self.asker.phase()?.expect_rolling(&[REDIS_OLD, REDIS_NEW])?;
        self.held(&format!("`service rollback redis` brought {LATE_TAG} back, one replica at a time"))
    }

    /// Removes the service and stops the daemon; returns how many claims were checked.
    pub fn finish(mut self) -> Result<usize> {
        self.stage
            .scene("The end", "Removing the service stops its containers; SIGTERM stops the daemon.")?;
        self.asker.stop();
        self.stage.types(&self.client, &["service", "rm", SERVICE])?;
        self.stage.wait("every redis to end", || {
            let inmates = self.sandbox.inmates()?;
            let left = inmates.iter().filter(|inmate| inmate.program().starts_with("redis-server")).count();
            Ok(if left == 0 { Look::Done(()) } else { Look::NotYet(format!("{left} redis servers")) })
        })?;
        self.stage.prompt(&format!("kill {}   # the daemon", self.daemon.id()))?;
        self.daemon.stop()?;
        self.held("no redis runs any more, and the daemon stopped cleanly")?;
        Ok(self.held)
    }

    fn shows(&self, words: &[&str]) -> Result<String> {
        self.stage.shows(&self.client, words)
    }

    fn held(&mut self, claim: &str) -> Result<()> {
        self.held += 1;
        self.stage.held(claim)
    }

    /// Shows what each replica answers next, which `accept` must take.
    fn answers(&self, title: &str, accept: impl Fn(&[&str]) -> bool) -> Result<()> {
        let asked_at = Instant::now();
        let replicas = self.stage.wait(title, || self.asker.look(asked_at, &accept))?;
        self.stage.say(&format!("{title}:"))?;
        for (slot, replica) in replicas {
            self.stage.print(&format!("{SERVICE}.{slot} says redis_version:{}\n", replica.version))?;
        }
        Ok(())
    }

    /// Waits until the client has asked often enough in this phase to say something.
    fn ask_enough(&self) -> Result<()> {
        self.stage.wait("the client to ask", || {
            let asked = self.asker.phase()?.asked();
            Ok(if asked >= ENOUGH { Look::Done(()) } else { Look::NotYet(format!("{asked} requests")) })
        })
    }

    /// Waits for a state of the service's update: the client ends with the last task, a moment before it.
    fn wait_update(&mut self, state: &str) -> Result<()> {
        let (stage, engine) = (self.stage, &mut self.engine);
        stage.wait(&format!("the update to be {state}"), || {
            let status = engine.service(SERVICE)?["UpdateStatus"].clone();
            Ok(if status["State"] == state { Look::Done(()) } else { Look::NotYet(status.to_string()) })
        })
    }

    /// Returns the three tasks that run, without what changes while they do.
    fn running(&mut self) -> Result<Vec<Task>> {
        let mut tasks = self.engine.tasks(SERVICE, true)?;
        if tasks.len() != 3 || tasks.iter().any(|task| task.state != "running") {
            bail!("not three running tasks: {}", describe(&tasks));
        }
        tasks.iter_mut().for_each(|task| task.raw = serde_json::Value::Null);
        Ok(tasks)
    }
}

/// Tells whether both versions are among those heard.
fn are_mixed(versions: &[&str]) -> bool {
    [REDIS_OLD, REDIS_NEW].iter().all(|version| versions.contains(version))
}

/// Waits until both versions answer; returns what `service ps` says at that moment.
fn middle_of_update(
    stage: &Stage<'_>,
    asker: &Asker,
    client: &Docker,
    is_over: &AtomicBool,
) -> Result<String> {
    let began = Instant::now();
    stage.wait("both versions to answer", || {
        ensure!(!is_over.load(Ordering::Relaxed), "the update ended before both versions answered");
        asker.look(began, are_mixed)
    })?;
    stage.hears(client, &["service", "ps", SERVICE])
}
