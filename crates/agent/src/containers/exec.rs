//! Commands that people run in containers: created, started once, asked about until they are forgotten.
//!
//! They live in this daemon's memory, as Docker's do. A command that runs on after its daemon goes on without a record.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use skep_runtime::{Conduit, Exec, Handle, TerminalSize};
use tokio::sync::watch;

use super::session::{Input, Last, Outputs, Session, pump};
use super::{ContainerError, Containers, ExecSpec, ExecView};
use crate::engine::{Engine, ExecHappened, Happened};

/// Commands that are remembered for one container, ended ones included.
const EXECS_MAX: usize = 1000;
/// How long an ended command can still be asked about, as in Docker.
const ENDED_KEPT_FOR: Duration = Duration::from_secs(300);
/// How long a resize waits for a command that is just being started: clients send it at once.
const START_WAIT_MAX: Duration = Duration::from_secs(5);

/// All commands, by id.
#[derive(Default)]
pub(super) struct Execs(Mutex<BTreeMap<String, Arc<Command>>>);

/// One command.
struct Command {
    id: String,
    container_id: String,
    spec: ExecSpec,
    progress: watch::Sender<Progress>,
}

#[derive(Clone, Default)]
enum Progress {
    #[default]
    Created,
    Starting,
    Running {
        pid: i32,
        terminal: Option<Conduit>,
    },
    Ended {
        pid: i32,
        exit_code: i32,
        at: Instant,
    },
}

impl Execs {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Command>>> {
        // Entries are replaced whole, so a panic elsewhere cannot have left one half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: &str) -> Result<Arc<Command>, ContainerError> {
        self.all().get(id).cloned().ok_or_else(|| ContainerError::NoSuchExec(id.to_owned()))
    }

    /// Adds a command, and forgets those that nobody will ask about again.
    fn add(&self, command: Command, engine: &Engine) -> Result<(), ContainerError> {
        let mut all = self.all();
        let is_stale = |progress: &Progress| matches!(progress, Progress::Ended { at, .. } if at.elapsed() > ENDED_KEPT_FOR);
        let is_kept = |command: &Command| {
            !is_stale(&command.progress.borrow()) && engine.container(&command.container_id).is_some()
        };
        all.retain(|_, command| is_kept(command));
        if all.values().filter(|other| other.container_id == command.container_id).count() >= EXECS_MAX {
            return Err(ContainerError::TooManyExecs(EXECS_MAX, command.container_id));
        }
        all.insert(command.id.clone(), Arc::new(command));
        Ok(())
    }
}

impl Command {
    fn view(&self) -> ExecView {
        let (running, exit_code, pid) = match &*self.progress.borrow() {
            Progress::Created | Progress::Starting => (false, None, 0),
            Progress::Running { pid, .. } => (true, None, *pid),
            Progress::Ended { pid, exit_code, .. } => (false, Some(*exit_code), *pid),
        };
        let (id, container_id) = (self.id.clone(), self.container_id.clone());
        ExecView { id, container_id, spec: self.spec.clone(), running, exit_code, pid }
    }

    fn check(&self, progress: &Progress) -> Result<(), ContainerError> {
        match progress {
            Progress::Created => Ok(()),
            Progress::Starting | Progress::Running { .. } => Err(ContainerError::ExecRuns(self.id.clone())),
            Progress::Ended { .. } => Err(ContainerError::ExecRan(self.id.clone())),
        }
    }

    /// Of two that start it, one does.
    fn claim(&self) -> Result<(), ContainerError> {
        let mut checked = Ok(());
        self.progress.send_if_modified(|progress| {
            checked = self.check(progress);
            let is_claimed = checked.is_ok();
            if is_claimed {
                *progress = Progress::Starting;
            }
            is_claimed
        });
        checked
    }

    fn end(&self, pid: i32, exit_code: i32) {
        self.progress.send_replace(Progress::Ended { pid, exit_code, at: Instant::now() });
    }

    fn request(&self, size: Option<TerminalSize>) -> Exec {
        let spec = &self.spec;
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        Exec {
            args: spec.command.clone(),
            env: spec.env.clone(),
            user: given(&spec.user),
            cwd: given(&spec.working_dir),
            privileged: spec.privileged,
            terminal: spec.tty.then(|| size.or(spec.size).unwrap_or_default()),
            outlives_daemon: true,
        }
    }
}

impl Containers {
    /// Notes a command to run in a running container; returns its id.
    pub fn exec_create(&self, container_id: &str, spec: ExecSpec) -> Result<String, ContainerError> {
        self.running(container_id)?;
        if spec.command.first().is_none_or(String::is_empty) {
            return Err(ContainerError::NoCommand);
        }
        let id = super::random_id()?;
        let progress = watch::channel(Progress::default()).0;
        let happened = ExecHappened { exec_id: id.clone(), command: spec.command.clone() };
        self.execs.add(
            Command { id: id.clone(), container_id: container_id.to_owned(), spec, progress },
            &self.engine,
        )?;
        self.engine.tell(container_id, Happened::ExecCreated(happened));
        Ok(id)
    }

    /// Returns why a command cannot be started, if that is known beforehand.
    pub fn exec_check(&self, id: &str) -> Result<(), ContainerError> {
        let command = self.execs.find(id)?;
        command.check(&command.progress.borrow())?;
        self.running(&command.container_id).map(|_| ())
    }

    /// Starts a command and joins its streams; returns when its program runs.
    pub async fn exec_start(&self, id: &str, size: Option<TerminalSize>) -> Result<Session, ContainerError> {
        self.launch(id, size, true).await
    }

    /// Starts a command without anybody at its streams: it reads nothing, and what it writes is discarded.
    pub async fn exec_start_detached(&self, id: &str) -> Result<(), ContainerError> {
        self.launch(id, None, false).await.map(drop)
    }

    async fn launch(
        &self,
        id: &str,
        size: Option<TerminalSize>,
        is_attached: bool,
    ) -> Result<Session, ContainerError> {
        let command = self.execs.find(id)?;
        let handle = self.running(&command.container_id)?;
        command.claim()?;
        // A caller who stops waiting must not leave a command behind that nobody watches.
        let starting = tokio::spawn(start(self.engine.clone(), command.clone(), handle, size, is_attached));
        match starting.await {
            Ok(started) => started,
            Err(error) => Err(ContainerError::runtime("run a command in", &command.container_id, error)),
        }
    }

    /// Sets the size of a command's terminal; waits shortly for one that is just being started.
    pub async fn exec_resize(&self, id: &str, size: TerminalSize) -> Result<(), ContainerError> {
        let command = self.execs.find(id)?;
        let mut progress = command.progress.subscribe();
        let begun = progress
            .wait_for(|progress| matches!(progress, Progress::Running { .. } | Progress::Ended { .. }));
        let terminal = match tokio::time::timeout(START_WAIT_MAX, begun).await {
            Ok(Ok(progress)) => match &*progress {
                Progress::Running { terminal, .. } => terminal.clone(),
                _ => return Err(ContainerError::ExecRan(id.to_owned())),
            },
            _ => return Err(ContainerError::ExecNotStarted(id.to_owned())),
        };
        let terminal = terminal.ok_or_else(|| ContainerError::NoTerminal(id.to_owned()))?;
        terminal
            .resize(size)
            .map_err(|error| ContainerError::runtime("resize a terminal in", &command.container_id, error))
    }

    /// Returns a command and what became of it. It is gone with its container.
    pub fn exec(&self, id: &str) -> Result<ExecView, ContainerError> {
        let command = self.execs.find(id)?;
        match self.engine.container(&command.container_id) {
            Some(_) => Ok(command.view()),
            None => Err(ContainerError::NoSuchExec(id.to_owned())),
        }
    }

    /// Returns the ids of a container's commands that have not ended.
    pub fn execs_of(&self, container_id: &str) -> Vec<String> {
        let all = self.execs.all();
        let is_wanted = |command: &&Arc<Command>| {
            command.container_id == container_id
                && !matches!(*command.progress.borrow(), Progress::Ended { .. })
        };
        all.values().filter(is_wanted).map(|command| command.id.clone()).collect()
    }
}

/// Starts a claimed command and begins to watch it.
async fn start(
    engine: Arc<Engine>,
    command: Arc<Command>,
    handle: Handle,
    size: Option<TerminalSize>,
    is_attached: bool,
) -> Result<Session, ContainerError> {
    let spec = &command.spec;
    let session = match handle.exec_session(&command.request(size), spec.stdin && is_attached).await {
        Ok(session) => session,
        Err(error) => {
            let error = ContainerError::exec(&command.container_id, error);
            let code =
                if let ContainerError::CannotExec { exit_code, .. } = &error { *exit_code } else { 126 };
            command.end(0, code);
            return Err(error);
        }
    };
    let terminal = session.stderr.is_none().then(|| session.stdout.clone());
    command.progress.send_replace(Progress::Running { pid: session.running.pid(), terminal });
    let happened = ExecHappened { exec_id: command.id.clone(), command: spec.command.clone() };
    engine.tell(&command.container_id, Happened::ExecStarted(happened));
    let wanted = (is_attached && (spec.stdout || spec.tty), is_attached && spec.stderr);
    let outputs = Outputs::new(Some(session.stdout), session.stderr, wanted);
    let input: Option<Input> = match session.input.filter(|_| spec.stdin && is_attached) {
        Some(input) => Some(Box::pin(input)),
        None => None,
    };
    let output = pump(outputs, watch_end(engine, command, session.running), Last::End);
    Ok(Session { output, input })
}

/// Waits for a command's end and notes it.
async fn watch_end(engine: Arc<Engine>, command: Arc<Command>, mut running: skep_runtime::RunningExec) {
    let exit_code = match running.wait().await {
        Ok(code) => code,
        // The container ended, and took the command and the shim along.
        Err(error) => {
            tracing::debug!(exec.id = command.id, error = %crate::chain(&error), "end of a command not seen");
            137
        }
    };
    command.end(running.pid(), exit_code);
    let happened = Happened::ExecDied { exec_id: command.id.clone(), exit_code };
    engine.tell(&command.container_id, happened);
}
