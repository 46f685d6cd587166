//! The life of one task on its node: one step per call, one operation at a time.
//!
//! ```text
//! assigned → accepted → preparing → ready → starting → running → complete | failed
//!                          │                                       (or shutdown when asked)
//!                          └→ rejected
//! ```

use std::sync::Arc;
use std::time::Duration;

use skep_model::endpoint::Port;
use skep_model::task::{Desired, TaskState, TaskStatus};
use skep_model::template::Healthcheck;
use skep_model::{Task, TaskId, Timestamp, limits};

use super::health::{self, Health, Monitor, Verdict};
use super::limits::Limits;
use super::said::{Said, exit_text};
use super::{Effect, Exit, Found, FoundState, Outcome};
use crate::message::Told;
use crate::store::earlier;

/// Attempts at a preparation whose failure may pass, such as a registry that does not answer.
const PREPARE_ATTEMPTS_MAX: u32 = 3;
/// Pause before the second attempt of any operation; doubles with each further one.
const RETRY_AFTER: Duration = Duration::from_millis(500);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// One task as the node knows it.
#[derive(Debug)]
pub struct Tracked {
    pub id: TaskId,
    /// `None`: a container was found whose task nobody remembers.
    task: Option<Arc<Task>>,
    said: Said,
    operation: Option<Operation>,
    attempts: u32,
    /// What failed and is to be tried again, and not before when.
    retry: Option<(Operation, Timestamp)>,
    container: Container,
    limits: Limits,
    image_health: Option<Healthcheck>,
    monitor: Option<Monitor>,
    /// The container is being stopped because its health check failed.
    unhealthy: bool,
    /// The managers no longer list the task.
    is_gone: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Prepare { cancelled: bool },
    Limit,
    Start,
    Stop,
    Remove,
}

/// What exists of the task's container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Container {
    None,
    Created,
    Running,
    Exited,
    /// Removed for good; the task can be forgotten.
    Removed,
}

impl Tracked {
    /// Returns a task that was just assigned, or is remembered to have been.
    pub fn assigned(task: Arc<Task>) -> Self {
        Tracked { said: Said::known(task.status.clone()), ..Tracked::new(task.id, Some(task)) }
    }

    /// Returns the holder of a container whose task nobody remembers.
    pub fn unknown(id: TaskId) -> Self {
        Tracked::new(id, None)
    }

    fn new(id: TaskId, task: Option<Arc<Task>>) -> Self {
        Tracked {
            id,
            task,
            said: Said::default(),
            operation: None,
            attempts: 0,
            retry: None,
            container: Container::None,
            limits: Limits::default(),
            image_health: None,
            monitor: None,
            unhealthy: false,
            is_gone: false,
        }
    }

    pub fn task(&self) -> Option<&Arc<Task>> {
        self.task.as_ref()
    }

    /// Returns the task with the status that the node knows, to be remembered.
    pub fn known(&self) -> Option<Arc<Task>> {
        let task = self.task.as_ref()?;
        Some(Arc::new(Task { status: self.status().clone(), ..Task::clone(task) }))
    }

    pub fn status(&self) -> &TaskStatus {
        self.said.status()
    }

    fn state(&self) -> TaskState {
        self.status().state
    }

    /// Returns what is wanted of the task; nothing is wanted of an unknown container.
    pub fn desired(&self) -> Desired {
        self.task.as_ref().map_or(Desired::Ready, |task| task.desired)
    }

    /// Returns what the node was told of the task.
    pub fn told(&self) -> Told {
        self.task.as_ref().map_or(Told { desired: Desired::Ready, revision: 0 }, |task| Told::of(task))
    }

    /// The managers no longer list the task.
    pub fn gone(&mut self) {
        self.is_gone = true;
    }

    pub fn is_removed(&self) -> bool {
        self.container == Container::Removed
    }

    /// Takes a newer definition; what is wanted never goes back.
    pub fn update(&mut self, now: Timestamp, task: Arc<Task>) {
        let was_unknown = self.task.is_none();
        if self.task.as_ref().is_none_or(|known| known.desired <= task.desired) {
            if task.status.state > self.state() && self.is_consistent_with(task.status.state) {
                self.said.take_over(task.status.clone());
                self.resume_health(now);
            }
            self.task = Some(task);
        }
        if was_unknown {
            self.recovered(now);
        }
    }

    /// Returns whether a state that managers remember can be true of the container there is.
    fn is_consistent_with(&self, state: TaskState) -> bool {
        match state {
            TaskState::Starting | TaskState::Running => self.container == Container::Running,
            TaskState::Preparing | TaskState::Ready => self.container <= Container::Created,
            _ => true,
        }
    }

    /// Takes note of a container that outlived the agent.
    pub fn found(&mut self, now: Timestamp, found: Found) {
        self.image_health = found.image_health;
        self.said.contained(found.container_id);
        match found.state {
            FoundState::Created => self.container = Container::Created,
            FoundState::Running { pid, started_at, ports } => {
                self.container = Container::Running;
                self.said.runs(pid, ports);
                self.watch_health(started_at, now);
                self.resume_health(now);
            }
            FoundState::Exited(_) if self.state() > TaskState::Running => {
                self.container = Container::Exited;
            }
            FoundState::Exited(exit) => {
                // It must have been started, even if the start is not remembered.
                self.container = Container::Running;
                self.enter(now, TaskState::Starting, "starting");
                self.exited(now, exit);
            }
        }
    }

    /// Brings the status in line with what was found, after a restart of the agent.
    pub fn recovered(&mut self, now: Timestamp) {
        if self.task.is_none() || self.state() > TaskState::Running {
            return;
        }
        match (self.container, self.state()) {
            (Container::None, TaskState::Starting | TaskState::Running) => {
                let text = "container lost: it was not found after the node or its agent restarted";
                self.end(now, TaskState::Failed, text);
            }
            (Container::Created, state) if state < TaskState::Ready => {
                self.enter(now, TaskState::Ready, "prepared");
            }
            (Container::Running, state) if state < TaskState::Running => {
                self.enter(now, TaskState::Starting, "starting");
                if self.monitor.is_none() {
                    self.enter(now, TaskState::Running, "started");
                }
            }
            _ => {}
        }
    }

    /// Takes the next step, if there is one to take. Returns when to look again.
    pub fn advance(&mut self, now: Timestamp, effects: &mut Vec<Effect>) -> Option<Timestamp> {
        let wake_at = self.step(now, effects);
        // An end cannot be told a second time from what is found, so it is kept before it is reported.
        if self.said.take_ended_just_now()
            && let Some(task) = self.known().filter(|_| !self.is_gone)
        {
            effects.push(Effect::Remember { put: vec![task], forget: Vec::new() });
        }
        wake_at
    }

    fn step(&mut self, now: Timestamp, effects: &mut Vec<Effect>) -> Option<Timestamp> {
        if let Some((operation, at)) = self.retry {
            let is_moot = matches!(operation, Operation::Prepare { .. }) && self.is_unwanted();
            if at > now && !is_moot {
                return Some(at);
            }
            self.retry = None;
        }
        if let Some(operation) = self.operation {
            self.cancel(operation, effects);
        } else if self.is_gone {
            self.begin(Operation::Remove, Effect::Remove(self.id), effects);
        } else if self.task.is_some() && self.state() <= TaskState::Running {
            self.go_on(now, effects);
        } else if self.container == Container::Created {
            self.discard(effects);
        }
        let limit_at = self.limits.wake_at().filter(|at| *at > now);
        earlier(limit_at, self.probe(now, effects))
    }

    fn is_unwanted(&self) -> bool {
        self.is_gone || self.desired() >= Desired::Shutdown
    }

    /// Gives up a preparation that nobody wants any more.
    fn cancel(&mut self, operation: Operation, effects: &mut Vec<Effect>) {
        if operation == (Operation::Prepare { cancelled: false }) && self.is_unwanted() {
            self.operation = Some(Operation::Prepare { cancelled: true });
            effects.push(Effect::CancelPreparation(self.id));
        }
    }

    fn begin(&mut self, operation: Operation, effect: Effect, effects: &mut Vec<Effect>) {
        self.operation = Some(operation);
        effects.push(effect);
    }

    fn go_on(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(task) = self.task.clone() else { return };
        if task.desired >= Desired::Shutdown {
            return match self.container {
                Container::Running => self.stop(&task, effects),
                Container::Created => self.discard(effects),
                _ => self.end(now, TaskState::Shutdown, ""),
            };
        }
        if self.unhealthy && self.container == Container::Running {
            return self.stop(&task, effects);
        }
        if self.state() < TaskState::Preparing {
            self.enter(now, TaskState::Preparing, "preparing");
        }
        if self.limit(now, &task, effects) {
            return;
        }
        match self.state() {
            TaskState::Preparing | TaskState::Ready if self.container == Container::None => {
                self.limits.made_with(&task.spec.resources);
                self.begin(Operation::Prepare { cancelled: false }, Effect::Prepare(task), effects);
            }
            TaskState::Ready if task.is_started() => {
                self.enter(now, TaskState::Starting, "starting");
                self.begin(Operation::Start, Effect::Start(self.id), effects);
            }
            TaskState::Starting if self.container == Container::Created => {
                self.begin(Operation::Start, Effect::Start(self.id), effects);
            }
            _ => {}
        }
    }

    /// Has the container given the limits of its task, if it has others. Returns whether it does.
    fn limit(&mut self, now: Timestamp, task: &Task, effects: &mut Vec<Effect>) -> bool {
        if !matches!(self.container, Container::Created | Container::Running) {
            return false;
        }
        let Some(limits) = self.limits.ask(now, &task.spec.resources) else { return false };
        self.begin(Operation::Limit, Effect::Limit { id: self.id, limits }, effects);
        true
    }

    fn stop(&mut self, task: &Task, effects: &mut Vec<Effect>) {
        let container = &task.spec.container;
        let (signal, grace) = (container.stop_signal.clone(), container.stop_grace());
        self.begin(Operation::Stop, Effect::Stop { id: self.id, signal, grace }, effects);
    }

    /// Ends what was prepared and is not to run. Until then it holds an address, mounts and processes of ours.
    fn discard(&mut self, effects: &mut Vec<Effect>) {
        let (signal, grace) = ("SIGKILL".to_owned(), limits::STOP_GRACE_DEFAULT);
        self.begin(Operation::Stop, Effect::Stop { id: self.id, signal, grace }, effects);
    }

    fn probe(&mut self, now: Timestamp, effects: &mut Vec<Effect>) -> Option<Timestamp> {
        let is_watched = self.container == Container::Running && self.operation.is_none() && !self.unhealthy;
        let monitor = self.monitor.as_mut().filter(|_| is_watched)?;
        if let Some((test, timeout)) = monitor.due(now) {
            effects.push(Effect::Probe { id: self.id, test, timeout });
        }
        monitor.wake_at()
    }

    /// Takes in what became of an operation, or of the container.
    pub fn did(&mut self, now: Timestamp, outcome: Outcome) {
        match outcome {
            Outcome::Prepared { container_id, image_health } => {
                self.finish_operation();
                self.container = Container::Created;
                self.image_health = image_health;
                self.said.contained(container_id);
                self.enter(now, TaskState::Ready, "prepared");
            }
            Outcome::Started { pid, ports } => self.started(now, pid, ports),
            Outcome::Exited(exit) => self.exited(now, exit),
            Outcome::Limited => self.limited(),
            Outcome::Probed { healthy, output } => self.probed(now, healthy, &output),
            Outcome::Removed => {
                self.finish_operation();
                self.container = Container::Removed;
            }
            Outcome::Failed { reason, retryable } => self.failed(now, &reason, retryable),
        }
    }

    fn finish_operation(&mut self) {
        self.operation = None;
        self.attempts = 0;
        self.retry = None;
    }

    fn started(&mut self, now: Timestamp, pid: i32, ports: Vec<Port>) {
        // The exit of a short-lived process may be known before its start is.
        if self.operation != Some(Operation::Start) || self.container != Container::Created {
            return;
        }
        self.finish_operation();
        self.container = Container::Running;
        self.said.runs(pid, ports);
        self.watch_health(now, now);
        if self.monitor.is_none() {
            self.enter(now, TaskState::Running, "started");
        }
    }

    /// Returns what the health checks say, if there are any.
    pub fn health(&self) -> Option<Health> {
        self.monitor.as_ref().map(Monitor::health)
    }

    fn watch_health(&mut self, started_at: Timestamp, now: Timestamp) {
        let own = self.task.as_ref().and_then(|task| task.spec.container.healthcheck.as_ref());
        let check = health::effective(own, self.image_health.as_ref());
        self.monitor = check.map(|check| Monitor::new(check, started_at, now));
    }

    /// A task that is known to run was healthy once, whoever remembers it: the agent or the managers.
    fn resume_health(&mut self, now: Timestamp) {
        let is_running = self.state() == TaskState::Running;
        if let Some(monitor) = self.monitor.as_mut().filter(|_| is_running) {
            monitor.resume(now);
        }
    }

    fn probed(&mut self, now: Timestamp, healthy: bool, output: &str) {
        let Some(monitor) = &mut self.monitor else { return };
        match monitor.probed(now, healthy) {
            Verdict::Healthy if self.state() == TaskState::Starting => {
                self.enter(now, TaskState::Running, "started");
            }
            Verdict::Unhealthy => {
                self.unhealthy = true;
                self.said.remark(format!("unhealthy container: {}", output.trim()));
            }
            Verdict::Healthy | Verdict::Unchanged => {}
        }
    }

    fn exited(&mut self, now: Timestamp, exit: Exit) {
        if matches!(self.operation, Some(Operation::Start | Operation::Stop)) {
            self.finish_operation();
        }
        if matches!(self.container, Container::Exited | Container::Removed) {
            return;
        }
        self.container = Container::Exited;
        let was_prepared_only = self.state() < TaskState::Starting;
        let asked = self.desired() >= Desired::Shutdown;
        if !(asked && was_prepared_only) && self.state() <= TaskState::Running {
            self.said.exited(exit.code);
        }
        let (state, err) = match () {
            () if asked => (TaskState::Shutdown, String::new()),
            () if was_prepared_only => (TaskState::Rejected, exit_text(&exit, None)),
            () if self.unhealthy => {
                (TaskState::Failed, exit_text(&exit, Some("dockerexec: unhealthy container")))
            }
            () if exit.code == 0 && exit.lost.is_none() => (TaskState::Complete, String::new()),
            () => (TaskState::Failed, exit_text(&exit, None)),
        };
        self.end(now, state, &err);
    }

    fn limited(&mut self) {
        self.finish_operation();
        if self.limits.done() && self.state() <= TaskState::Running {
            self.said.complain("");
        }
    }

    /// The container goes on with the limits it has, and its task says so.
    fn not_limited(&mut self, now: Timestamp, reason: &str, retryable: bool) {
        self.finish_operation();
        self.limits.failed(now, retryable);
        if self.state() <= TaskState::Running {
            self.said.complain(&format!("the limits could not be changed: {reason}"));
        }
    }

    fn failed(&mut self, now: Timestamp, reason: &str, retryable: bool) {
        if self.operation == Some(Operation::Limit) {
            return self.not_limited(now, reason, retryable);
        }
        let Some(operation) = self.operation.take() else { return };
        self.attempts += 1;
        let pause = RETRY_AFTER * 2u32.pow((self.attempts - 1).min(6));
        let retry = Some((operation, now + pause.min(RETRY_AFTER_MAX)));
        match operation {
            Operation::Prepare { .. } if self.is_unwanted() => {}
            Operation::Prepare { .. } if retryable && self.attempts < PREPARE_ATTEMPTS_MAX => {
                self.said.complain(reason);
                self.retry = retry;
            }
            Operation::Prepare { .. } => self.end(now, TaskState::Rejected, reason),
            Operation::Start => {
                self.end(now, TaskState::Failed, &format!("starting container failed: {reason}"));
            }
            // What must end or go is tried until it is; the pause between attempts is bounded.
            Operation::Limit | Operation::Stop | Operation::Remove => self.retry = retry,
        }
    }

    fn enter(&mut self, now: Timestamp, state: TaskState, message: &'static str) {
        self.said.enter(now, state, message);
    }

    fn end(&mut self, now: Timestamp, state: TaskState, err: &str) {
        if self.said.end(now, state, err) {
            self.monitor = None;
            self.attempts = 0;
        }
    }

    pub fn is_news(&self) -> bool {
        self.said.is_news() && self.task.is_some()
    }

    pub fn waits_for_acknowledgement(&self) -> bool {
        self.said.waits_for_acknowledgement() && self.task.is_some()
    }

    /// Reports the status even if managers seem to know it.
    pub fn report_anyway(&mut self) {
        self.said.report_anyway();
    }

    /// A new session begins: the leader may not know what an earlier one was told.
    pub fn report_again(&mut self) {
        let known = self.task.as_ref().map(|task| &task.status);
        self.said.report_again(known);
    }

    /// Returns the status to put into the report of this number, if it is not acknowledged.
    pub fn report(&mut self, sequence: u64) -> Option<(TaskId, TaskStatus)> {
        self.task.as_ref()?;
        Some((self.id, self.said.report(sequence)?))
    }

    pub fn acknowledged(&mut self, acknowledged: u64) {
        self.said.acknowledged(acknowledged);
    }
}
