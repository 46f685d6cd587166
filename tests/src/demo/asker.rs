//! A client that asks every redis for its version without a break, on a new connection each time.
//!
//! One thread follows which tasks run and where; one thread per replica asks whoever serves its slot. While
//! a daemon is away nobody can say where tasks are, so the last known addresses are asked. What was heard
//! goes to the [`Tally`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::tally::{Phase, Replica, Tally};
use crate::engine::{Engine, Task};
use crate::redis;
use crate::sandbox::Sandbox;
use crate::wait::Look;

/// The replicas that are asked, by slot.
const SLOTS: [u64; 3] = [1, 2, 3];

/// Pause between two requests to one replica.
const ASK_PAUSE: Duration = Duration::from_millis(20);

/// Pause between two looks at the list of tasks.
const FOLLOW_PAUSE: Duration = Duration::from_millis(40);

/// The client, shared by its threads and by whoever wants to know what it heard.
#[derive(Debug)]
pub struct Asker {
    socket: PathBuf,
    service: &'static str,
    is_over: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    targets: BTreeMap<u64, Target>,
    tally: Tally,
    /// Why a thread ended that should not have.
    fault: Option<String>,
}

/// The task that serves a slot, and where it listens.
#[derive(Debug, Clone)]
struct Target {
    task: String,
    address: SocketAddr,
}

/// Ends the asking when dropped.
#[derive(Debug)]
pub struct Asking<'a>(&'a Asker);

impl Asker {
    /// Prepares a client of one service of the daemon behind `socket`.
    pub fn new(socket: &Path, service: &'static str) -> Self {
        let socket = socket.to_owned();
        Self { socket, service, is_over: AtomicBool::new(false), state: Mutex::default() }
    }

    /// Starts asking, in the sandbox's network; as long as the service does not exist, nobody is asked.
    pub fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        sandbox: &'scope Sandbox,
    ) -> Asking<'scope> {
        scope.spawn(|| self.note_fault(self.follow(sandbox)));
        for slot in SLOTS {
            scope.spawn(move || self.note_fault(sandbox.in_network(|| self.ask(slot))));
        }
        Asking(self)
    }

    /// Begins a phase of the story.
    pub fn enter(&self, phase: &'static str) {
        self.lock().tally.enter(phase, Instant::now());
    }

    /// Returns the phase that goes on, as far as it went.
    pub fn phase(&self) -> Result<Phase> {
        self.phases().pop().context("no phase was entered")
    }

    /// Returns all phases.
    pub fn phases(&self) -> Vec<Phase> {
        let mut state = self.lock();
        if !self.is_over() {
            state.tally.close(Instant::now());
        }
        state.tally.phases().to_vec()
    }

    /// Ends the last phase and the asking.
    pub fn stop(&self) {
        let mut state = self.lock();
        if !self.is_over() {
            state.tally.close(Instant::now());
            self.is_over.store(true, Ordering::Relaxed);
        }
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Looks whether every replica has answered since `since`, and `accept` takes what they said.
    pub fn look(
        &self,
        since: Instant,
        accept: impl Fn(&[&str]) -> bool,
    ) -> Result<Look<BTreeMap<u64, Replica>>> {
        let state = self.lock();
        if let Some(fault) = &state.fault {
            bail!("the client stopped asking: {fault}");
        }
        let replicas = state.tally.replicas();
        let versions: Vec<&str> = replicas.values().map(|replica| replica.version.as_str()).collect();
        let are_fresh =
            replicas.len() == SLOTS.len() && replicas.values().all(|replica| replica.answered_at >= since);
        let is_done = are_fresh && accept(&versions);
        Ok(if is_done { Look::Done(replicas.clone()) } else { Look::NotYet(format!("{versions:?}")) })
    }

    /// Keeps the targets up to date until the end.
    fn follow(&self, sandbox: &Sandbox) -> Result<()> {
        let mut engine = Engine::connect(&self.socket)?;
        while !self.is_over() {
            // No service yet, or no daemon for a while: both are parts of the story, and the last known
            // addresses remain.
            for task in engine.tasks(self.service, true).unwrap_or_default() {
                self.learn(sandbox, &task);
            }
            thread::sleep(FOLLOW_PAUSE);
        }
        Ok(())
    }

    /// Notes where a task listens, once it runs.
    fn learn(&self, sandbox: &Sandbox, task: &Task) {
        let is_known = self.lock().targets.get(&task.slot).is_some_and(|target| target.task == task.id);
        if is_known || task.state != "running" || !SLOTS.contains(&task.slot) {
            return;
        }
        // A task that ends between the two looks has no address any more; its successor will be in the next.
        if let Ok(address) = redis::address(sandbox, task) {
            self.lock().targets.insert(task.slot, Target { task: task.id.clone(), address });
        }
    }

    /// Asks whoever serves a slot, until the end.
    fn ask(&self, slot: u64) -> Result<()> {
        while !self.is_over() {
            let target = self.lock().targets.get(&slot).cloned();
            if let Some(target) = target {
                let outcome = redis::version_at(target.address).map_err(|error| format!("{error:#}"));
                let mut state = self.lock();
                if !self.is_over() {
                    state.tally.record(slot, Instant::now(), outcome);
                }
            }
            thread::sleep(ASK_PAUSE);
        }
        Ok(())
    }

    fn note_fault(&self, ended: Result<()>) {
        if let Err(error) = ended {
            self.lock().fault = Some(format!("{error:#}"));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds what the client heard")
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}
