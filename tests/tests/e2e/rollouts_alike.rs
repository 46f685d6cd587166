//! The same services put through the same updates by Skep and by dockerd 20.10: each slot must have had the same
//! tasks, in the same order, with the same ends.
//!
//! `skep.profile=swarm` asks Skep for Swarm's own pacing. Times differ, and so does the order in which slots are taken
//! up (Swarm's is random): histories are compared as a set. What fails does so a while after it ran and before the
//! next slot's turn, so that no race decides which slots were touched.
//!
//! Left out because Skep differs on purpose: a pull that fails (it touches no old task for it, `updates.rs` shows
//! that), and the history of slots that were scaled down (Swarm keeps some of it until somebody looks again).

use serde_json::Value;
use skep_tests::cluster::PATIENCE;
use skep_tests::{Look, wait_for};

use super::differential::{Pair, Side};

/// The tasks of one slot, the oldest first: what each ran, what was wanted of it, what became of it.
type History = Vec<(String, String, String)>;

const IMAGE: &str = "127.0.0.1:5000/busybox:1";
/// Ends at once when told to, so that no step takes longer than it must.
const SERVE: &str = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
/// The arguments of what fails within the monitor period of [`FAILING`].
const FAIL: &str = "sh -c 'sleep 1; exit 3'";
/// One slot after the other, each watched before the next has its turn.
const FAILING: [&str; 4] = ["--update-delay", "4s", "--update-monitor", "3s"];

impl Side {
    fn create(&self, name: &str, flags: &[&str], script: &str) {
        let mut words = vec!["service", "create", "-d", "--name", name, "--label", "skep.profile=swarm"];
        words.extend(["--update-monitor", "1s", "--rollback-monitor", "1s", "--restart-condition", "none"]);
        words.extend(flags);
        words.extend([IMAGE, "sh", "-c", script]);
        self.docker.run(&words).unwrap();
    }

    fn update(&self, name: &str, flags: &[&str]) {
        self.docker.run(&[&["service", "update", "-d"], flags, &[name]].concat()).unwrap();
    }

    /// Waits until exactly so many tasks run, and none is wanted that does not.
    fn settled(&mut self, name: &str, count: usize) {
        wait_for("the tasks to run", PATIENCE, || {
            let tasks = self.engine.tasks(name, false)?;
            let runs = |state: &str, desired: &str| (state == "running") == (desired == "running");
            let running = tasks.iter().filter(|task| task.state == "running").count();
            let is_settled = running == count && tasks.iter().all(|task| runs(&task.state, &task.desired));
            Ok(if is_settled { Look::Done(()) } else { Look::NotYet(skep_tests::engine::describe(&tasks)) })
        })
        .unwrap();
    }

    fn ended_as(&mut self, name: &str, state: &str) {
        self.engine.wait_update(name, state, PATIENCE).unwrap();
    }

    /// Returns the slots with a task that runs, in their order.
    fn running_slots(&mut self, name: &str) -> Vec<u64> {
        let tasks = self.engine.tasks(name, false).unwrap();
        let mut slots: Vec<_> =
            tasks.iter().filter(|task| task.state == "running").map(|task| task.slot).collect();
        slots.sort_unstable();
        slots
    }

    /// Waits until so many tasks of a job completed.
    fn completed(&mut self, name: &str, count: usize) {
        wait_for("the job to complete", PATIENCE, || {
            let tasks = self.engine.tasks(name, false)?;
            let completed = tasks.iter().filter(|task| task.state == "complete").count();
            let is_done = completed == count;
            Ok(if is_done { Look::Done(()) } else { Look::NotYet(skep_tests::engine::describe(&tasks)) })
        })
        .unwrap();
    }

    /// Returns the history of each slot, as a set.
    fn histories(&mut self, name: &str) -> Vec<History> {
        let mut tasks = self.engine.tasks(name, false).unwrap();
        let made_at = |raw: &Value| raw["CreatedAt"].as_str().unwrap_or_default().to_owned();
        tasks.sort_by_key(|task| (task.slot, made_at(&task.raw)));
        let mut slots: Vec<History> = Vec::new();
        let mut last = None;
        for task in tasks {
            if last.replace(task.slot) != Some(task.slot) {
                slots.push(Vec::new());
            }
            let container = &task.raw["Spec"]["ContainerSpec"];
            let force = task.raw["Spec"]["ForceUpdate"].as_u64().unwrap_or(0);
            let ran = format!("{} {} {force}", container["Args"], container["Env"]);
            slots.last_mut().expect("a slot was begun").push((ran, task.desired, task.state));
        }
        slots.sort();
        slots
    }
}

#[test]
#[ignore = "needs dockerd: `make compare`"]
fn updates_that_succeed_leave_the_same_histories() {
    let mut pair = Pair::start();
    pair.ask("the first deployment", |side| {
        side.create("web", &["--replicas", "3"], SERVE);
        side.settled("web", 3);
        side.histories("web")
    });
    for (what, flags) in [
        ("one at a time", &["--env-add", "N=1"][..]),
        (
            "two at a time, new ones first",
            &["--env-add", "N=2", "--update-parallelism", "2", "--update-order", "start-first"],
        ),
        ("all at once", &["--env-add", "N=3", "--update-parallelism", "0", "--update-order", "stop-first"]),
        ("by force", &["--force"]),
    ] {
        pair.ask(what, |side| {
            side.update("web", flags);
            side.ended_as("web", "completed");
            side.settled("web", 3);
            side.histories("web")
        });
    }
    pair.ask("a rollback", |side| {
        side.docker.run(&["service", "rollback", "-d", "web"]).unwrap();
        side.ended_as("web", "rollback_completed");
        side.settled("web", 3);
        side.histories("web")
    });
    for replicas in [5, 2] {
        pair.ask(&format!("{replicas} replicas"), |side| {
            side.docker.run(&["service", "scale", "-d", &format!("web={replicas}")]).unwrap();
            side.settled("web", replicas);
            side.running_slots("web")
        });
    }
    pair.finish();
}

#[test]
#[ignore = "needs dockerd: `make compare`"]
fn updates_that_fail_leave_the_same_histories() {
    let mut pair = Pair::start();
    for (name, flags, state, running) in [
        ("pauses", &["--update-failure-action", "pause"][..], "paused", 2),
        ("pauses-late", &["--update-max-failure-ratio", "0.5"], "paused", 1),
        ("pauses-start-first", &["--update-order", "start-first"], "paused", 2),
        ("returns", &["--update-failure-action", "rollback"], "rollback_completed", 3),
        ("goes-on", &["--update-failure-action", "continue"], "completed", 0),
    ] {
        pair.ask(name, |side| {
            side.create(name, &[&["--replicas", "3"], &FAILING[..], flags].concat(), SERVE);
            side.settled(name, 3);
            side.update(name, &["--args", FAIL]);
            side.ended_as(name, state);
            side.settled(name, running);
            side.histories(name)
        });
    }
    pair.finish();
}

#[test]
#[ignore = "needs dockerd: `make compare`"]
fn other_kinds_of_services_leave_the_same_histories() {
    let mut pair = Pair::start();
    pair.ask("global", |side| {
        side.create("everywhere", &["--mode", "global"], SERVE);
        side.settled("everywhere", 1);
        side.update("everywhere", &["--env-add", "N=1"]);
        side.ended_as("everywhere", "completed");
        side.settled("everywhere", 1);
        side.histories("everywhere")
    });
    pair.ask("global, and back", |side| {
        side.docker.run(&["service", "rollback", "-d", "everywhere"]).unwrap();
        side.ended_as("everywhere", "rollback_completed");
        side.settled("everywhere", 1);
        side.histories("everywhere")
    });
    for (name, mode, count) in [
        ("job", &["--mode", "replicated-job", "--replicas", "4", "--max-concurrent", "2"][..], 4),
        ("sweep", &["--mode", "global-job"], 1),
    ] {
        pair.ask(name, |side| {
            let words = ["service", "create", "-d", "--name", name, "--restart-condition", "none"];
            side.docker.run(&[&words, mode, &[IMAGE, "true"]].concat()).unwrap();
            side.completed(name, count);
            side.engine.tasks(name, false).unwrap().len()
        });
    }
    pair.finish();
}
