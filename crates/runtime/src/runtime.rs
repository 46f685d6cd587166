//! The daemon's side: making containers, finding them again, and cleaning up.
//!
//! Nothing about a container is kept here. What must survive is in its two directories (`paths`) and in its shim; `adopt`
//! reads it back. `handle` works with one container.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::FlockOperation;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::binary;
use crate::cgroup::Hierarchies;
use crate::container::{Container, Mount, is_valid_id};
use crate::error::{CreateError, OpenError, PurgeError};
use crate::files::{Durability, read_json, remove_tree, write_json};
use crate::handle::Handle;
use crate::nursery::{Birth, Nursery};
use crate::paths::{BUNDLE_VERSION, Bundle, Paths};
use crate::protocol::{LINE_BYTES_MAX, Line, Report, ShimRecord};
use crate::spread::spread;
use crate::sys::process::send_signal;
use crate::sys::watch;

/// How long a creation may take: an overlay of many layers on a busy disk needs seconds, never this.
const CREATE_WAIT_MAX: Duration = Duration::from_secs(60);

/// Where a runtime works.
#[derive(Debug, Clone)]
pub struct Options {
    /// Sockets, locks and the copy of the binary; may be lost at a reboot.
    pub exec_root: PathBuf,
    /// Bundles, writable layers and logs.
    pub data_root: PathBuf,
    /// Parent of all cgroups, such as `/skep`; one per daemon.
    pub cgroup_parent: String,
    /// An OCI runtime to use in place of the built-in one, such as `/usr/sbin/runc`.
    pub oci_runtime: Option<PathBuf>,
    /// A binary to run shims from in place of the running one. It must call [`crate::shim_main`].
    pub shim_binary: Option<PathBuf>,
}

/// The container runtime of one node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Runtime {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub paths: Paths,
    pub hierarchies: Hierarchies,
    cgroup_parent: String,
    oci_runtime: Option<PathBuf>,
    nursery: Nursery,
}

impl Runtime {
    /// Prepares directories, cgroups and the copy of the binary. Blocks for as long as the copy takes.
    pub fn open(options: Options) -> Result<Runtime, OpenError> {
        let Options { exec_root, data_root, cgroup_parent, oci_runtime, shim_binary } = options;
        // A shim's working directory is the root.
        let absolute = |path: PathBuf| {
            std::path::absolute(&path).map_err(|source| OpenError::Directory { path: path.clone(), source })
        };
        let paths = Paths { exec_root: absolute(exec_root)?, data_root: absolute(data_root)? };
        for path in [
            &paths.exec_root,
            &paths.data_root,
            &paths.states(),
            &paths.containers(),
            &paths.bin(),
            &paths.filters(),
        ] {
            make_directory(path).map_err(|source| OpenError::Directory { path: path.clone(), source })?;
        }
        for path in [paths.states(), paths.containers()] {
            spread(&path);
        }
        let cgroup_parent = format!("/{}", cgroup_parent.trim_matches('/'));
        if cgroup_parent == "/" || cgroup_parent.contains("..") {
            return Err(OpenError::CgroupParent(cgroup_parent));
        }
        let hierarchies = Hierarchies::detect().map_err(OpenError::Cgroup)?;
        hierarchies.prepare(&cgroup_parent).map_err(OpenError::Cgroup)?;
        let program = binary::install(&paths.bin(), shim_binary.as_deref()).map_err(OpenError::Binary)?;
        let nursery = Nursery::new(program, format!("{cgroup_parent}/shims"));
        let inner = Inner { paths, hierarchies, cgroup_parent, oci_runtime, nursery };
        Ok(Runtime { inner: Arc::new(inner) })
    }

    /// Creates a container: its root mounted, its cgroup and namespaces made, its first process waiting for
    /// [`Handle::start`]. On failure nothing of it remains.
    pub async fn create(&self, container: &Container) -> Result<Handle, CreateError> {
        let inner = Arc::clone(&self.inner);
        let container = container.clone();
        let id = container.id.clone();
        let report = blocking(move || inner.launch(&container)).await??;
        // From here on the shim knows what to do if this future is dropped: its report finds no reader.
        let outcome = tokio::time::timeout(CREATE_WAIT_MAX, read_outcome(report)).await;
        let result = match outcome {
            Ok(Ok(Report::Created(record))) => Handle::from_record(self, &id, &record),
            Ok(Ok(Report::Failed(failure))) if failure.fatal => Err(CreateError::Refused(failure.message)),
            Ok(Ok(Report::Failed(failure))) => Err(CreateError::Failed(failure.message)),
            Ok(Ok(Report::Born(_))) => {
                Err(CreateError::Report { id: id.clone(), source: io::ErrorKind::InvalidData.into() })
            }
            Ok(Err(source)) => Err(CreateError::Report { id: id.clone(), source }),
            Err(_) => Err(CreateError::Timeout(CREATE_WAIT_MAX)),
        };
        if result.is_ok() {
            return result;
        }
        let inner = Arc::clone(&self.inner);
        let left = blocking(move || inner.abandon(&id)).await?;
        if let Err(error) = left {
            tracing::warn!(error = crate::files::chain(&error), "remains of a failed container");
        }
        result
    }

    /// Returns the path of a container's current log file, for [`crate::logs::Reader`].
    pub fn log_path(&self, id: &str) -> PathBuf {
        self.inner.paths.bundle(id).log(id)
    }

    /// Deletes every container, running or not, and everything else this runtime has made.
    pub async fn purge(&self) -> Result<(), PurgeError> {
        let mut first = Ok(());
        for adopted in self.adopt().await.map_err(PurgeError::List)? {
            first = first.and(adopted.handle.delete().await.map_err(PurgeError::Delete));
        }
        let inner = Arc::clone(&self.inner);
        first.and(blocking(move || inner.remove_all(true)).await.map_err(PurgeError::Interrupted)?)
    }

    /// Removes what an idle runtime has made: the copy of the binary and the cgroups. With containers left, their shims still
    /// need both, and this is an error.
    pub async fn close(self) -> Result<(), PurgeError> {
        let inner = self.inner;
        blocking(move || inner.remove_all(false)).await.map_err(PurgeError::Interrupted)?
    }
}

impl Inner {
    pub(crate) fn cgroup(&self, id: &str) -> String {
        format!("{}/{id}", self.cgroup_parent)
    }

    /// Writes the bundle and starts the shim; returns the pipe of its report.
    fn launch(&self, container: &Container) -> Result<OwnedFd, CreateError> {
        check(container)?;
        let id = &container.id;
        let (paths, state) = (self.paths.bundle(id), self.paths.state(id));
        if fs::exists(paths.root()).unwrap_or(true) || fs::exists(state.root()).unwrap_or(true) {
            return Err(CreateError::Exists(id.clone()));
        }
        let launch = || -> io::Result<OwnedFd> {
            make_directory(paths.root())?;
            make_directory(state.root())?;
            let bundle = Bundle {
                version: BUNDLE_VERSION,
                container: container.clone(),
                state: state.root().to_owned(),
                cgroup: self.cgroup(id),
                cgroup_parent: self.cgroup_parent.clone(),
                filters: self.paths.filters(),
                oci_runtime: self.oci_runtime.clone(),
            };
            write_json(&paths.bundle(), &bundle, Durability::UntilReboot)?;
            let lock = File::create(state.lock())?;
            rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
            let (report, report_write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
            let complaints = File::create(state.complaints())?;
            let bundle = paths.root().to_owned();
            self.nursery.bear(&Birth { bundle, lock, report: report_write, complaints })?;
            Ok(report)
        };
        launch().map_err(|source| {
            for directory in [paths.root(), state.root()] {
                if let Err(error) = remove_tree(directory) {
                    tracing::warn!(path = %directory.display(), %error, "directory of a failed container not removed");
                }
            }
            CreateError::Launch { id: id.clone(), source }
        })
    }

    /// Takes away whatever is left of a container whose creation failed.
    fn abandon(&self, id: &str) -> Result<(), crate::error::DeleteError> {
        let record: Option<ShimRecord> = read_json(&self.paths.state(id).shim()).unwrap_or_default();
        if let Some(shim) = record.and_then(|record| record.shim.open().ok().flatten())
            && let Err(error) = send_signal(&shim, libc::SIGKILL)
        {
            tracing::warn!(%error, "shim of a failed container not killed");
        }
        self.remove(id)
    }

    /// Removes cgroups and directories of a container that has ended.
    pub(crate) fn remove(&self, id: &str) -> Result<(), crate::error::DeleteError> {
        use crate::error::DeleteError;
        self.hierarchies.remove(&self.cgroup(id)).map_err(DeleteError::Cgroup)?;
        for path in [self.paths.state(id).root(), self.paths.bundle(id).root()] {
            remove_tree(path).map_err(|source| DeleteError::Directory { path: path.to_owned(), source })?;
        }
        Ok(())
    }

    fn remove_all(&self, force: bool) -> Result<(), PurgeError> {
        self.nursery.end();
        binary::remove_all(&self.paths.bin(), force).map_err(PurgeError::Binary)?;
        self.hierarchies.remove(&self.cgroup_parent).map_err(PurgeError::Cgroup)?;
        if force {
            for path in [self.paths.states(), self.paths.containers(), self.paths.filters()] {
                remove_tree(&path).map_err(|source| PurgeError::Directory { path, source })?;
            }
        }
        Ok(())
    }
}

/// Refuses what no shim could run, in Docker's words.
fn check(container: &Container) -> Result<(), CreateError> {
    let refuse = |sentence: String| Err(CreateError::Refused(sentence));
    if !is_valid_id(&container.id) {
        return refuse(format!("invalid container id \"{}\"", container.id));
    }
    if container.process.args.first().is_none_or(String::is_empty) {
        return refuse("no command specified".into());
    }
    for mount in &container.mounts {
        let target = mount.target();
        if !target.is_absolute() || target == Path::new("/") {
            return refuse(format!("invalid mount target: {}", target.display()));
        }
        if let Mount::Bind { source, .. } = mount
            && !source.exists()
        {
            let source = source.display();
            return refuse(format!(
                "invalid mount config for type \"bind\": bind source path does not exist: {source}"
            ));
        }
    }
    Ok(())
}

/// Reads the outcome of a creation, or notices that the shim was killed: the pipe alone would not tell, because the
/// container's first process has a copy of it.
async fn read_outcome(report: OwnedFd) -> io::Result<Report> {
    let report = tokio::net::unix::pipe::Receiver::from_owned_fd(report)?;
    let mut report = BufReader::new(report.take(2 * LINE_BYTES_MAX as u64));
    let record = match read_report(&mut report).await? {
        Report::Born(record) => record,
        outcome => return Ok(outcome),
    };
    let Some(shim) = record.shim.open()? else { return read_report(&mut report).await };
    let shim = watch(shim)?;
    tokio::select! {
        biased;
        outcome = read_report(&mut report) => outcome,
        _ = shim.readable() => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the shim was killed")),
    }
}

async fn read_report(report: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Report> {
    let mut line = Vec::new();
    report.read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the shim ended without a word"));
    }
    Ok(serde_json::from_slice::<Line<Report>>(&line)?.body)
}

fn make_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o710).create(path)
}

/// Runs blocking work; fails only when the daemon is shutting down.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}
