//! What the node has: container runtime, bridge, image store, and its own small database.
//!
//! The engine is opened with the daemon and outlives membership in a cluster. Its methods are the
//! effects of [`skep_core::worker::Effect`], one each; they may be called again after a failure, and
//! what a failed one began it also ended.

mod events;
mod images;
mod life;
pub mod logs;
mod mounts;
mod ports;
mod prepare;
mod recover;
mod view;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use skep_core::worker::Exit;
use skep_model::endpoint::Port;
use skep_model::template::Resources;
use skep_model::{Task, TaskId, signal};
use skep_net::addresses::Pool;
use skep_runtime::{Exec, ExecLimits, Handle, LimitError, Runtime, UpdateError};
use tokio::sync::{Semaphore, broadcast, watch};

use crate::container;
use crate::image;
use crate::record::{ContainerRecord, RecordError, Records};
use crate::volume::{VolumeError, Volumes};
use events::Events;
pub use events::{ExecHappened, Happened, NodeEvent, VolumeHappened, What};
use life::Life;
use prepare::PrepareFailure;
pub(crate) use recover::timestamp;
pub use view::{ContainerPaths, ContainerView, HealthProbe, HealthView};

/// Containers prepared at the same time: enough to keep the processors busy while others wait for disks
/// and registries, few enough not to starve the containers that run.
const PREPARATIONS_MAX: usize = 8;
/// How long the kernel may take to set limits: it may have to take memory away from the container first.
const LIMIT_WAIT_MAX: Duration = Duration::from_secs(10);
/// Output of a health check that is kept, in bytes, as in Docker.
const PROBE_OUTPUT_MAX: usize = 4096;

/// Where the engine keeps things and what it is called.
#[derive(Clone, Debug)]
pub struct Config {
    /// Keeps images, containers and records over a restart of the machine.
    pub data_root: PathBuf,
    /// Holds sockets and mounts; may be gone after a restart of the machine.
    pub exec_root: PathBuf,
    /// Absolute; parent of all containers' cgroups.
    pub cgroup_parent: String,
    pub bridge: String,
    pub subnet: skep_net::Subnet,
    /// Name of the node's nftables table.
    pub table: String,
    pub registries: image::RegistryConfig,
    /// An OCI runtime to call in place of the built-in one.
    pub oci_runtime: Option<PathBuf>,
}

/// Why the engine cannot be opened, or an effect not performed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("cannot create the directory {path}")]
    Directory { path: PathBuf, source: std::io::Error },
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot remove the directory {path}")]
    Remove { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Runtime(#[from] skep_runtime::OpenError),
    #[error(transparent)]
    Adopt(#[from] skep_runtime::AdoptError),
    #[error(transparent)]
    Start(#[from] skep_runtime::StartError),
    #[error(transparent)]
    Limits(#[from] UpdateError),
    #[error("the kernel did not set the limits within {0:?}")]
    LimitsTimeout(Duration),
    #[error(transparent)]
    Signal(#[from] skep_runtime::SignalError),
    #[error(transparent)]
    Delete(#[from] skep_runtime::DeleteError),
    #[error(transparent)]
    Purge(#[from] skep_runtime::PurgeError),
    #[error(transparent)]
    Network(#[from] skep_net::NetError),
    #[error(transparent)]
    Images(#[from] image::OpenError),
    #[error(transparent)]
    Volume(#[from] VolumeError),
    #[error("port {0}/sctp cannot be published: nodes forward tcp and udp only")]
    Sctp(u16),
    #[error("task {0} has no container on this node")]
    NoContainer(TaskId),
}

impl EngineError {
    /// Returns whether the same effect may succeed later.
    pub(crate) fn is_retryable(&self) -> bool {
        // What the host does not offer now it will not offer in a minute, and what ended needs no limits.
        let is_final = |limits: &UpdateError| match limits {
            UpdateError::NotRunning(_) => true,
            UpdateError::Limit { source, .. } => {
                matches!(source, LimitError::Controller { .. } | LimitError::Swappiness)
            }
            UpdateError::Record { .. } | UpdateError::Interrupted(_) => false,
        };
        !matches!(self, EngineError::Limits(limits) if is_final(limits))
    }
}

/// What the node has.
pub struct Engine {
    config: Config,
    runtime: Runtime,
    network: skep_net::Host,
    images: image::Store,
    volumes: Volumes,
    records: Records,
    pool: Mutex<Pool>,
    containers: Mutex<BTreeMap<TaskId, Known>>,
    /// Counts the containers that came or went, so that one that is not there yet can be awaited.
    comings: watch::Sender<u64>,
    events: Events,
    preparations: Semaphore,
}

/// A container this node takes care of.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) handle: Handle,
    pub(crate) record: Arc<ContainerRecord>,
    life: Arc<Mutex<Life>>,
}

impl Known {
    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether its first process was started and is not known to have ended.
    pub(crate) fn is_running(&self) -> bool {
        let life = self.life();
        life.started_at.is_some() && life.ended.is_none() && !self.handle.has_ended()
    }
}

impl Engine {
    /// Opens everything below the two roots and brings leftovers of a crash in order.
    pub async fn open(config: Config) -> Result<Arc<Engine>, EngineError> {
        for path in [&config.data_root, &config.exec_root] {
            let error = |source| EngineError::Directory { path: path.clone(), source };
            std::fs::create_dir_all(path).map_err(error)?;
        }
        for name in ["tasks", "image", "containers"] {
            private_dir(&config.data_root.join(name))?;
        }
        skep_runtime::spread(&config.data_root.join("tasks"));
        let records = Records::open(&config.data_root.join("node.redb"))?;
        let runtime = Runtime::open(skep_runtime::Options {
            exec_root: config.exec_root.clone(),
            data_root: config.data_root.clone(),
            cgroup_parent: config.cgroup_parent.clone(),
            oci_runtime: config.oci_runtime.clone(),
            shim_binary: None,
        })?;
        let network = skep_net::Host::open(skep_net::Config {
            bridge: config.bridge.clone(),
            subnet: config.subnet,
            netns_dir: config.exec_root.join("netns"),
            table: config.table.clone(),
        })
        .await?;
        let images = image::Store::open(config.data_root.join("image"), config.registries.clone())?;
        let volumes = Volumes::open(config.data_root.join("volumes"))?;
        let engine = Engine {
            pool: Mutex::new(Pool::new(config.subnet)),
            config,
            runtime,
            network,
            images,
            volumes,
            records,
            containers: Mutex::default(),
            comings: watch::channel(0).0,
            events: Events::default(),
            preparations: Semaphore::new(PREPARATIONS_MAX),
        };
        engine.recover().await?;
        Ok(Arc::new(engine))
    }

    pub fn images(&self) -> &image::Store {
        &self.images
    }

    pub fn volumes(&self) -> &Volumes {
        &self.volumes
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Keeps tasks over a restart of the agent; returns when that is on disk.
    pub async fn remember(&self, put: &[Arc<Task>], forget: &[TaskId]) -> Result<(), EngineError> {
        Ok(self.records.remember(put, forget).await?)
    }

    /// Returns the tasks kept.
    pub fn remembered(&self) -> Result<Vec<Arc<Task>>, EngineError> {
        Ok(self.records.tasks()?)
    }

    /// Follows what happens on the node from now on.
    pub fn events(&self) -> broadcast::Receiver<NodeEvent> {
        self.events.listen()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<TaskId, Known>> {
        // The map is replaced entry by entry, so a panic elsewhere cannot have left it half written.
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: TaskId) -> Result<Known, EngineError> {
        self.known().get(&id).cloned().ok_or(EngineError::NoContainer(id))
    }

    /// Adds or, with `None`, takes away a container.
    fn set_known(&self, id: TaskId, known: Option<Known>) {
        match known {
            Some(known) => self.known().insert(id, known),
            None => self.known().remove(&id),
        };
        self.comings.send_modify(|count| *count += 1);
    }

    /// Lets the container's process run. Returns its process id, and the ports of this node that lead to it.
    pub async fn start(&self, id: TaskId) -> Result<(i32, Vec<Port>), EngineError> {
        let known = self.find(id)?;
        // What fails from here on is undone with the container: its ports close with the rest of its network.
        self.open_ports(&known).await?;
        let known = self.find(id)?;
        let started_at = known.handle.start().await?;
        let started_at = timestamp(started_at);
        known.life().started_at.get_or_insert(started_at);
        self.tell_joined(&known.record, started_at);
        self.events.tell(Happened::Started, &known.record, started_at);
        Ok((known.handle.pid().unwrap_or_default(), known.record.ports.clone()))
    }

    /// Gives a container other limits, all of them or none.
    pub async fn limit(&self, id: TaskId, wanted: &Resources) -> Result<(), EngineError> {
        let known = self.find(id)?;
        let wish = container::resources(wanted);
        let limited = tokio::time::timeout(LIMIT_WAIT_MAX, known.handle.update_limits(&wish)).await;
        limited.map_err(|_| EngineError::LimitsTimeout(LIMIT_WAIT_MAX))??;
        tracing::info!(task.id = %id, limits = ?wish, "a container has other limits");
        Ok(())
    }

    /// Sends the stop signal, waits for the grace period, kills. Returns when the process is gone.
    pub async fn stop(&self, id: TaskId, signal: &str, grace: Duration) -> Result<Exit, EngineError> {
        let known = self.find(id)?;
        let name = if signal.is_empty() { known.record.stop_signal.as_str() } else { signal };
        // What users name was checked when the service was made; an image may name nonsense.
        let number = signal::parse(name).unwrap_or(signal::SIGTERM);
        let tell = |happened| self.events.tell(happened, &known.record, timestamp(SystemTime::now()));
        tell(Happened::Killed { signal: number });
        let mut stopping = std::pin::pin!(known.handle.stop(number, grace));
        let stopped = tokio::select! {
            stopped = &mut stopping => stopped,
            () = tokio::time::sleep(grace) => {
                tell(Happened::Killed { signal: libc::SIGKILL });
                stopping.await
            }
        };
        stopped?;
        let exit = self.ended(&known).await;
        tell(Happened::Stopped);
        Ok(exit)
    }

    /// Ends a container that could not be started, at once.
    pub async fn kill(&self, id: TaskId) {
        let Ok(known) = self.find(id) else { return };
        if let Err(error) = known.handle.stop(libc::SIGKILL, Duration::ZERO).await {
            tracing::warn!(task.id = %id, error = %chain(&error), "a container that failed to start may run");
        }
    }

    /// Reads the kernel's state of the node's network and mends what drifted.
    pub async fn repair(&self) -> Result<(), EngineError> {
        Ok(self.network.repair().await?)
    }

    /// Waits for the end of the container's process.
    pub async fn wait(&self, id: TaskId) -> Result<Exit, EngineError> {
        let known = self.find(id)?;
        Ok(self.ended(&known).await)
    }

    /// Waits for the end of a container's process; remembers it, and tells of it once.
    async fn ended(&self, known: &Known) -> Exit {
        let ended = known.handle.wait().await;
        let exit = exit(&ended);
        if known.life().end(&ended) {
            let at = timestamp(ended.at);
            let task_id = known.record.task_id;
            tracing::info!(task.id = %task_id, code = exit.code, oom = exit.oom_killed, "a task ended");
            if exit.oom_killed {
                self.events.tell(Happened::OutOfMemory, &known.record, at);
            }
            self.events.tell(Happened::Died { exit_code: exit.code }, &known.record, at);
            self.tell_left(known, at);
        }
        exit
    }

    /// Runs a health check. Its failure to run counts as a failed check.
    pub async fn probe(&self, id: TaskId, test: &[String], timeout: Duration) -> (bool, String) {
        let known = match self.find(id) {
            Ok(known) => known,
            Err(error) => return (false, error.to_string()),
        };
        let started_at = timestamp(SystemTime::now());
        let (code, output) = run_probe(&known.handle, test, timeout).await;
        let probe = HealthProbe {
            started_at,
            ended_at: timestamp(SystemTime::now()),
            exit_code: code.unwrap_or(-1),
            output: output.clone(),
        };
        known.life().probes.add(probe);
        (code == Some(0), output)
    }

    /// Ends whatever there is of the task's container and releases all it holds.
    pub async fn remove(&self, id: TaskId) -> Result<(), EngineError> {
        // A task that never got its container holds nothing: a failed preparation undoes itself.
        let Ok(known) = self.find(id) else { return Ok(()) };
        known.handle.delete().await?;
        self.disconnect(id).await?;
        self.release_volumes(&known.record.container_id).await?;
        remove_dir(&self.task_dir(id))?;
        self.records.delete_container(id).await?;
        self.set_known(id, None);
        self.events.tell(Happened::Destroyed, &known.record, timestamp(SystemTime::now()));
        Ok(())
    }

    /// Removes all containers, as leaving a cluster does. Goes on after a failure and returns the first.
    pub async fn remove_all(&self) -> Result<(), EngineError> {
        let ids: Vec<TaskId> = self.known().keys().copied().collect();
        let mut result = Ok(());
        for id in ids {
            result = result.and(self.remove(id).await);
        }
        let tasks = self.records.tasks()?;
        self.records.remember(&[], &tasks.iter().map(|task| task.id).collect::<Vec<_>>()).await?;
        result
    }

    /// Takes down the bridge and what else the engine put into the kernel. No container may be left.
    pub async fn purge(&self) -> Result<(), EngineError> {
        self.network.purge().await?;
        Ok(self.runtime.purge().await?)
    }

    /// Gives back the address and the namespace of a container that ended: what is history must not keep
    /// addresses from what runs.
    pub async fn disconnect(&self, id: TaskId) -> Result<(), EngineError> {
        let Ok(known) = self.find(id) else { return Ok(()) };
        // Taken first, so that of two callers one does it; given back if it cannot be done.
        let Some(address) = known.life().address.take() else { return Ok(()) };
        let released = self.release(id, Some(address)).await;
        if released.is_err() {
            known.life().address = Some(address);
        }
        released
    }

    /// Gives back what a failed preparation holds.
    async fn release(&self, id: TaskId, address: Option<Ipv4Addr>) -> Result<(), EngineError> {
        self.network.unpublish(&id.to_string()).await?;
        self.network.detach(&id.to_string()).await?;
        if let Some(address) = address {
            self.pool().release(address);
        }
        Ok(())
    }

    /// Returns the container of that id.
    pub(crate) fn container(&self, id: &str) -> Option<Known> {
        self.known().values().find(|known| known.record.container_id == id).cloned()
    }

    /// Waits until there is no container of that id any more.
    pub(crate) async fn removed(&self, id: &str) {
        let mut comings = self.comings.subscribe();
        while self.container(id).is_some() {
            if comings.changed().await.is_err() {
                return;
            }
        }
    }

    /// Tells of something that a person did to a container.
    pub(crate) fn tell(&self, id: &str, happened: Happened) {
        if let Some(known) = self.container(id) {
            self.events.tell(happened, &known.record, timestamp(SystemTime::now()));
        }
    }

    /// Returns a task that is kept.
    pub(crate) fn remembered_task(&self, id: TaskId) -> Result<Option<Arc<Task>>, EngineError> {
        Ok(self.records.task(id)?)
    }

    /// Returns the directory of the task's own files.
    fn task_dir(&self, id: TaskId) -> PathBuf {
        self.config.data_root.join("tasks").join(container::id(id))
    }
}

/// Runs a health check; without an exit code it did not run to its end, and the text says why.
async fn run_probe(handle: &Handle, test: &[String], timeout: Duration) -> (Option<i32>, String) {
    let args = match test.split_first() {
        Some((kind, rest)) if kind == "CMD" => rest.to_vec(),
        Some((kind, [line])) if kind == "CMD-SHELL" => {
            vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()]
        }
        _ => return (None, format!("the health check {test:?} begins with neither CMD nor CMD-SHELL")),
    };
    let exec = Exec { args, ..Exec::default() };
    let limits = ExecLimits { timeout, output_bytes_max: PROBE_OUTPUT_MAX };
    match handle.exec(&exec, limits).await {
        Ok(ended) => match ended.code {
            Some(code) => (Some(code), String::from_utf8_lossy(&ended.output).into_owned()),
            None => (None, format!("health check exceeded timeout ({}s)", timeout.as_secs_f64())),
        },
        Err(error) => (None, chain(&error)),
    }
}

/// Returns the runtime's word on an end in the worker's terms.
fn exit(exit: &skep_runtime::Exit) -> Exit {
    let lost = "shim lost: the process that kept the container is gone, its exit code is unknown";
    Exit { code: exit.code, oom_killed: exit.oom_killed, lost: exit.shim_lost.then(|| lost.to_owned()) }
}

/// Makes a directory that only root looks into.
fn private_dir(path: &Path) -> Result<(), EngineError> {
    std::fs::create_dir_all(path)
        .and_then(|()| std::fs::set_permissions(path, Permissions::from_mode(0o700)))
        .map_err(|source| EngineError::Directory { path: path.to_owned(), source })
}

/// Removes a directory that may already be gone.
fn remove_dir(path: &Path) -> Result<(), EngineError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(EngineError::Remove { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// Returns an error and all its causes as one sentence. A cause that its effect already quotes is not
/// repeated.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
