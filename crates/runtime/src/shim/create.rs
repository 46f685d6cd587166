//! Setting one container up, from a bundle on disk to a first process that waits for its start.
//!
//! ```text
//! mount namespace, overlay, binds -> user, working directory, configuration -> OCI create -> devices, loopback -> socket
//! ```
//!
//! Whatever fails, everything the shim has made is taken away again (R6); the directories belong to the daemon.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use pathrs::Root;

use super::launch::Payload;
use super::libcontainer::Libcontainer;
use super::oci::{OciRuntime, Waiting};
use super::rootfs::{HostNamespace, add_marks, mount_root, stage_binds};
use super::runc::Runc;
use super::stdio::Copier;
use super::streams::{ContainerInput, OwnStreams};
use super::targets;
use crate::cgroup::Hierarchies;
use crate::files::{Durability, SocketPath, write_json};
use crate::logs::Writer;
use crate::paths::{Bundle, BundlePaths, StatePaths};
use crate::protocol::{Failure, ShimRecord};
use crate::spec::caps::CapSet;
use crate::spec::process::{ProcessPlan, environment, limits};
use crate::spec::seccomp::Profile;
use crate::spec::user::Accounts;
use crate::spec::{self, Confinement, Inputs};
use crate::sys::memory::trim_heap;
use crate::sys::net::raise_loopback;
use crate::sys::process::{Identity, open_pidfd};
use crate::sys::signal::ChildSignals;

/// Everything about the container that is known before it exists.
pub(super) struct Setting {
    pub bundle: Bundle,
    pub paths: BundlePaths,
    pub state: StatePaths,
    pub hierarchies: Hierarchies,
}

/// A container whose first process waits.
pub(super) struct Created {
    pub oci: Box<dyn OciRuntime>,
    pub init: OwnedFd,
    pub record: ShimRecord,
    pub copier: Copier,
    pub input: ContainerInput,
    pub listener: UnixListener,
    pub children: ChildSignals,
}

impl Setting {
    /// Creates the container.
    pub(super) fn create(&self, record: ShimRecord) -> Result<Created, Failure> {
        let mut oci = None;
        let created = self.attempt(record, &mut oci);
        if created.is_err() {
            self.discard(oci);
        }
        // Parsing and rendering the configuration is the one moment this process needs memory.
        trim_heap();
        created
    }

    fn attempt(
        &self,
        record: ShimRecord,
        slot: &mut Option<Box<dyn OciRuntime>>,
    ) -> Result<Created, Failure> {
        let host = HostNamespace::leave().map_err(|error| Failure::retryable(&error))?;
        let plan = self.configure()?;
        let uid = plan.user.uid;
        let oci = slot.insert(self.runtime(plan)?);

        let (stdio, own) = OwnStreams::make(&self.bundle.container.process, uid)
            .map_err(|error| named("cannot make the container's streams", &error))?;
        let score = OomScore::set(self.bundle.container.oom_score_adj);
        let waiting = oci.create(stdio);
        drop(score);
        let Waiting { pid, terminal } = waiting?;
        host.enter().map_err(|error| Failure::retryable(&error))?;

        let watch = || -> io::Result<_> {
            let children = ChildSignals::open()?;
            let writer =
                Writer::open(&self.paths.log(&self.bundle.container.id), &self.bundle.container.log)?;
            let (output, input) = own.complete(terminal)?;
            let copier = Copier::new(output, writer)?;
            let listener = UnixListener::bind(SocketPath::open(&self.state.socket())?.short())?;
            listener.set_nonblocking(true)?;
            Ok((open_pidfd(pid)?, Identity::of(pid)?, children, copier, input, listener))
        };
        let (init, identity, children, copier, input, listener) =
            watch().map_err(|error| named("cannot watch the container", &error))?;
        self.hierarchies.restrict_devices(&self.bundle.cgroup).map_err(|error| Failure::retryable(&error))?;
        if self.bundle.container.netns.is_none() {
            raise_loopback(&init).map_err(|error| named("cannot bring the loopback interface up", &error))?;
        }
        let record = ShimRecord { init: Some(identity), ..record };
        self.write_record(&record)?;
        let oci = slot.take().unwrap_or_else(|| unreachable!("the runtime was put there above"));
        Ok(Created { oci, init, record, copier, input, listener, children })
    }

    /// Mounts the root and writes the OCI configuration.
    fn configure(&self) -> Result<ProcessPlan, Failure> {
        let container = &self.bundle.container;
        let rootfs =
            mount_root(&container.rootfs, &self.paths).map_err(|error| Failure::retryable(&error))?;
        add_marks(&rootfs).map_err(|error| Failure::retryable(&error))?;
        let staged =
            stage_binds(&container.mounts, &self.paths).map_err(|error| Failure::retryable(&error))?;
        let plan = self.plan(&rootfs)?;
        let inputs = Inputs {
            container,
            plan: &plan,
            rootfs: &rootfs,
            staged: &staged,
            hierarchies: &self.hierarchies,
            cgroup: &self.bundle.cgroup,
            cgroup_parent: &self.bundle.cgroup_parent,
            confinement: match self.bundle.oci_runtime {
                Some(_) => Confinement::ByRuntime,
                None => Confinement::ByHook,
            },
        };
        let config = spec::render(&inputs).map_err(|error| Failure::fatal(&error))?;
        write_json(&self.paths.config(), &config, Durability::UntilReboot)
            .map_err(|error| named("cannot write the OCI configuration", &error))?;
        Ok(plan)
    }

    /// Decides about the process, looking users and groups up inside the mounted root.
    fn plan(&self, rootfs: &Path) -> Result<ProcessPlan, Failure> {
        let container = &self.bundle.container;
        let process = &container.process;
        let root = Root::open(rootfs).map_err(|error| Failure::retryable(&error))?;
        let user = Accounts::below(&root)
            .and_then(|accounts| accounts.resolve(&process.user, &process.groups))
            .map_err(|error| Failure::fatal(&error))?;
        let cwd = if process.cwd.is_empty() { "/".to_owned() } else { process.cwd.clone() };
        if !cwd.starts_with('/') {
            return Err(Failure {
                fatal: true,
                message: format!("the working directory '{cwd}' is not absolute"),
            });
        }
        if root.resolve(&cwd).is_err() {
            targets::make(&root, Path::new(&cwd), targets::Kind::Directory)
                .map_err(|error| Failure::fatal(&error))?;
        }
        targets::prepare(&root, container).map_err(|error| Failure::fatal(&error))?;
        let held = CapSet::held().map_err(|error| named("cannot read own capabilities", &error))?;
        let caps =
            CapSet::for_container(&container.capabilities, held).map_err(|error| Failure::fatal(&error))?;
        Ok(ProcessPlan {
            args: process.args.clone(),
            env: environment(container, process.terminal.is_some(), &[&process.env], &user),
            cwd,
            user,
            caps,
            no_new_privileges: container.no_new_privileges,
            limits: limits(&container.ulimits).map_err(|error| Failure::fatal(&error))?,
        })
    }

    fn runtime(&self, plan: ProcessPlan) -> Result<Box<dyn OciRuntime>, Failure> {
        let root = self.state.oci();
        std::fs::create_dir_all(&root)
            .map_err(|error| named("cannot make the OCI runtime's directory", &error))?;
        let container = &self.bundle.container;
        let id = container.id.clone();
        let bundle = self.paths.root().to_owned();
        if self.bundle.oci_runtime.is_some() && container.process.init {
            let message = "an init can only be had with the built-in runtime: remove --init, or --oci-runtime from the daemon";
            return Err(Failure { fatal: true, message: message.into() });
        }
        Ok(match &self.bundle.oci_runtime {
            Some(program) => Box::new(Runc { program: PathBuf::from(program), id, bundle, root }),
            None => {
                let filter = Profile::for_capabilities(plan.caps)
                    .program(&self.bundle.filters)
                    .map_err(|error| Failure::retryable(&error))?;
                let payload = Rc::new(Payload { plan, filter, init: container.process.init });
                Box::new(Libcontainer { id, bundle, root, payload, created: None })
            }
        })
    }

    /// Writes `shim.json`.
    pub(super) fn write_record(&self, record: &ShimRecord) -> Result<(), Failure> {
        write_json(&self.state.shim(), record, Durability::UntilReboot)
            .map_err(|error| named("cannot write the shim's record", &error))
    }

    /// Takes away what a failed creation may have left. Goes on after an error: the daemon reports the first failure, and
    /// `Runtime::purge` finds what remains.
    pub(super) fn discard(&self, oci: Option<Box<dyn OciRuntime>>) {
        if let Some(Err(failure)) = oci.map(|mut oci| oci.delete()) {
            tracing::error!(message = failure.message, "state of the OCI runtime not removed");
        }
        if let Err(error) = self.hierarchies.remove(&self.bundle.cgroup) {
            tracing::error!(error = crate::files::chain(&error), "cgroup not removed");
        }
    }
}

/// Sets the OOM score of this process while a child inherits it, and restores it afterwards. Best effort: lowering the
/// score needs CAP_SYS_RESOURCE, and a container must start without it.
struct OomScore(Option<String>);

const OOM_SCORE: &str = "/proc/self/oom_score_adj";

impl OomScore {
    fn set(score: i32) -> OomScore {
        let before = std::fs::read_to_string(OOM_SCORE).ok();
        if let Err(error) = std::fs::write(OOM_SCORE, score.to_string()) {
            tracing::debug!(%error, score, "OOM score not set");
        }
        OomScore(before)
    }
}

impl Drop for OomScore {
    fn drop(&mut self) {
        if let Some(before) = &self.0
            && let Err(error) = std::fs::write(OOM_SCORE, before.trim())
        {
            tracing::debug!(%error, "OOM score not restored");
        }
    }
}

fn named(what: &str, error: &io::Error) -> Failure {
    Failure { fatal: false, message: format!("{what}: {error}") }
}
