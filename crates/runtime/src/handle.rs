//! One container, from the daemon's side.
//!
//! A handle holds pidfds, never pids: of the shim, whose end means that `exit.json` is there, and of the container's first
//! process, for signals. So any number of waiters, and any later daemon, learn the same exit.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use tokio::io::unix::AsyncFd;
use tokio::sync::OnceCell;

use crate::cgroup::Hierarchies;
use crate::container::Resources;
use crate::error::{CreateError, DeleteError, SignalError, StartError, UpdateError};
use crate::exit::Exit;
use crate::files::{Durability, read_json, write_json};
use crate::paths::{Bundle, BundlePaths};
use crate::protocol::{Reply, Request, ShimRecord};
use crate::runtime::{Inner, Runtime, blocking};
use crate::shim_client;
use crate::sys::process::{has_ended, send_signal};
use crate::sys::watch;
use crate::tree::{self, Change, Size, Tree, TreeError};

/// How long a killed container may take to end before deleting it is given up.
const KILL_WAIT_MAX: Duration = Duration::from_secs(30);
/// How long the shim of a killed container may take to report its end.
const SHIM_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a start may take.
const START_WAIT_MAX: Duration = Duration::from_secs(60);

/// One container. Cheap to clone; dropping it changes nothing about the container.
#[derive(Debug, Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    runtime: Arc<Inner>,
    id: String,
    /// Absent for a container that had ended before this handle was made.
    live: Option<Live>,
    is_started: AtomicBool,
    exit: OnceCell<Exit>,
}

/// The processes of a container.
#[derive(Debug)]
pub(crate) struct Live {
    pub pid: i32,
    pub shim: AsyncFd<OwnedFd>,
    /// Absent if the first process had ended when the container was adopted.
    pub init: Option<OwnedFd>,
}

impl Live {
    pub(crate) fn new(pid: i32, shim: OwnedFd, init: Option<OwnedFd>) -> io::Result<Live> {
        Ok(Live { pid, shim: watch(shim)?, init })
    }
}

impl Handle {
    pub(crate) fn from_record(
        runtime: &Runtime,
        id: &str,
        record: &ShimRecord,
    ) -> Result<Handle, CreateError> {
        let open = || -> io::Result<Option<Live>> {
            let (Some(init), Some(shim)) = (record.init, record.shim.open()?) else { return Ok(None) };
            Live::new(init.pid, shim, init.open()?).map(Some)
        };
        // Without a shim any more, `wait` finds out how it ended.
        let live = open().map_err(CreateError::Watch)?;
        Ok(Handle::assemble(runtime, id, live, None, false))
    }

    pub(crate) fn assemble(
        runtime: &Runtime,
        id: &str,
        live: Option<Live>,
        exit: Option<Exit>,
        is_started: bool,
    ) -> Handle {
        let shared = Shared {
            runtime: Arc::clone(&runtime.inner),
            id: id.to_owned(),
            live,
            is_started: AtomicBool::new(is_started),
            exit: OnceCell::new_with(exit),
        };
        Handle { shared: Arc::new(shared) }
    }

    /// Returns the container's id.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// Returns the pid of the first process on the host; `None` if the container had ended when it was adopted. For
    /// display and measurement only: a pid may be reused once the process has ended.
    pub fn pid(&self) -> Option<i32> {
        self.shared.live.as_ref().map(|live| live.pid)
    }

    /// Returns whether the container is known to have ended.
    pub fn has_ended(&self) -> bool {
        self.shared.exit.initialized() || self.shared.live.is_none()
    }

    /// Returns whether the first process is there at this instant.
    pub(crate) fn is_alive(&self) -> bool {
        let init = self.shared.live.as_ref().and_then(|live| live.init.as_ref());
        !self.has_ended() && init.is_some_and(|init| has_ended(init).is_ok_and(|ended| !ended))
    }

    pub(crate) fn hierarchies(&self) -> &Hierarchies {
        &self.shared.runtime.hierarchies
    }

    pub(crate) fn bundle_paths(&self) -> BundlePaths {
        self.shared.runtime.paths.bundle(self.id())
    }

    /// Opens the container's files.
    pub async fn tree(&self) -> Result<Tree, TreeError> {
        let handle = self.clone();
        blocking(move || Tree::open(&handle)).await.map_err(TreeError::Interrupted)?
    }

    /// Lists what differs from the image, in the order of the paths.
    pub async fn changes(&self) -> Result<Vec<Change>, TreeError> {
        let handle = self.clone();
        blocking(move || tree::changes(&handle)).await.map_err(TreeError::Interrupted)?
    }

    /// Measures the container's files; reads every directory of its layers.
    pub async fn size(&self) -> Result<Size, TreeError> {
        let handle = self.clone();
        blocking(move || tree::size(&handle)).await.map_err(TreeError::Interrupted)?
    }

    /// Replaces the limits of a container, running or about to: all of `wish` is in force afterwards, or nothing has changed.
    pub async fn update_limits(&self, wish: &Resources) -> Result<(), UpdateError> {
        let (handle, wish) = (self.clone(), wish.clone());
        blocking(move || handle.replace_limits(wish)).await.map_err(UpdateError::Interrupted)?
    }

    fn replace_limits(&self, wish: Resources) -> Result<(), UpdateError> {
        let id = || self.id().to_owned();
        let record = |source| UpdateError::Record { id: id(), source };
        if !self.is_alive() {
            return Err(UpdateError::NotRunning(id()));
        }
        let path = self.bundle_paths().bundle();
        let bundle: Option<Bundle> = read_json(&path).map_err(record)?;
        let mut bundle = bundle.ok_or_else(|| record(io::ErrorKind::NotFound.into()))?;
        if bundle.container.resources == wish {
            return Ok(());
        }
        let limited = self.hierarchies().set_limits(&self.cgroup(), &wish, &bundle.container.resources);
        limited.map_err(|source| UpdateError::Limit { id: id(), source })?;
        // A later daemon reads there what is in force.
        bundle.container.resources = wish;
        write_json(&path, &bundle, Durability::UntilReboot).map_err(record)
    }

    pub(crate) fn cgroup(&self) -> String {
        self.shared.runtime.cgroup(self.id())
    }

    /// Returns the path of the current log file.
    pub fn log_path(&self) -> PathBuf {
        self.shared.runtime.paths.bundle(self.id()).log(self.id())
    }

    /// Lets the container's program run; returns when it does, with the instant.
    pub async fn start(&self) -> Result<SystemTime, StartError> {
        let failed = |source| StartError::Shim { id: self.id().to_owned(), source };
        let socket = self.socket();
        // Before the request: if this call is dropped, the program may run all the same, and must be stopped gently.
        self.shared.is_started.store(true, Ordering::Release);
        let reply = tokio::time::timeout(START_WAIT_MAX, shim_client::call(&socket, Request::Start)).await;
        match reply.unwrap_or_else(|elapsed| Err(elapsed.into())).map_err(failed)? {
            Reply::Started(at) => Ok(at),
            Reply::Refused(failure) if failure.fatal => Err(StartError::Refused(failure.message)),
            Reply::Refused(failure) => Err(StartError::Failed(failure.message)),
            Reply::ExecStarted(_) | Reply::ExecEnded(_) | Reply::Attached(_) => {
                Err(failed(io::ErrorKind::InvalidData.into()))
            }
        }
    }

    /// Sends a signal to the first process; one that has ended is not an error.
    pub fn signal(&self, signal: i32) -> Result<(), SignalError> {
        let Some(init) = self.shared.live.as_ref().and_then(|live| live.init.as_ref()) else { return Ok(()) };
        send_signal(init, signal).map_err(|source| SignalError { id: self.id().to_owned(), signal, source })
    }

    /// Ends the container: `signal`, and SIGKILL if it has not ended after `grace`. Returns as soon as it has ended.
    pub async fn stop(&self, signal: i32, grace: Duration) -> Result<Exit, SignalError> {
        // Before its start the first process is our own code, which ignores every other signal.
        if self.shared.is_started.load(Ordering::Acquire) {
            self.signal(signal)?;
            if let Ok(exit) = tokio::time::timeout(grace, self.wait()).await {
                return Ok(exit);
            }
        }
        self.kill().await
    }

    /// Kills the container and waits for its end. A shim that does not report it (it was stopped by hand, say) is killed
    /// too, so that nothing waits for it for ever.
    async fn kill(&self) -> Result<Exit, SignalError> {
        self.signal(libc::SIGKILL)?;
        if let Ok(exit) = tokio::time::timeout(SHIM_WAIT_MAX, self.wait()).await {
            return Ok(exit);
        }
        if let Some(live) = &self.shared.live {
            tracing::warn!(
                container.id = self.id(),
                "the shim of a killed container does not report; it is killed too"
            );
            send_signal(live.shim.get_ref(), libc::SIGKILL).map_err(|source| SignalError {
                id: self.id().to_owned(),
                signal: libc::SIGKILL,
                source,
            })?;
        }
        Ok(self.wait().await)
    }

    /// Waits until the container has ended, its output is in the log and its exit is known. Any number of callers may wait;
    /// a dropped call loses nothing.
    pub async fn wait(&self) -> Exit {
        self.shared.exit.get_or_init(|| self.observe()).await.clone()
    }

    async fn observe(&self) -> Exit {
        if let Some(live) = &self.shared.live {
            ended(&live.shim).await;
        }
        match self.shared.runtime.exit(self.id()) {
            Some(exit) => exit,
            None => self.mourn().await,
        }
    }

    /// The shim was killed. Its container has lost its output and its parent, so it ends too.
    async fn mourn(&self) -> Exit {
        if let Err(error) = self.signal(libc::SIGKILL) {
            tracing::error!(
                container.id = self.id(),
                error = crate::files::chain(&error),
                "container not killed"
            );
        }
        let init = self.shared.live.as_ref().and_then(|live| live.init.as_ref());
        if let Some(watched) = init.and_then(|init| init.try_clone().and_then(watch).ok()) {
            ended(&watched).await;
        }
        // Whoever waits here knows whether it was started; later lookers have the shim's record.
        self.shared.runtime.lose(self.id(), None)
    }

    /// Removes everything of the container, killing it first if it runs. Deleting twice is fine.
    pub async fn delete(&self) -> Result<(), DeleteError> {
        let stuck = || DeleteError::Stuck { id: self.id().to_owned(), waited: KILL_WAIT_MAX };
        let killed = tokio::time::timeout(KILL_WAIT_MAX, self.kill()).await.map_err(|_| stuck())?;
        killed.map_err(DeleteError::Kill)?;
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.runtime.remove(&shared.id)).await.map_err(DeleteError::Interrupted)?
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.shared.runtime.paths.state(self.id()).socket()
    }
}

/// Waits for the end of a process.
async fn ended(pidfd: &AsyncFd<OwnedFd>) {
    if pidfd.readable().await.is_err() {
        // The async runtime is being torn down, and with it everyone who waits.
        std::future::pending::<()>().await;
    }
}
