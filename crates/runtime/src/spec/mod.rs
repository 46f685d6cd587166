//! From a [`Container`] to an OCI configuration, with Docker's defaults for everything it does not say.
//!
//! Runs in the shim, when the root is mounted: users and groups are looked up inside it. `process`, `user` and `caps` also
//! serve exec. What the OCI runtimes get wrong is corrected elsewhere: devices in `cgroup::devices`, the program to run in
//! `shim::launch`.

pub(crate) mod caps;
mod mounts;
pub(crate) mod process;
pub(crate) mod seccomp;
mod syscalls;
pub(crate) mod user;

use std::path::{Path, PathBuf};

use oci_spec::runtime::{
    Linux, LinuxBuilder, LinuxCapabilitiesBuilder, LinuxCpuBuilder, LinuxMemoryBuilder, LinuxNamespace,
    LinuxNamespaceBuilder, LinuxNamespaceType, LinuxPidsBuilder, LinuxResources, LinuxResourcesBuilder,
    PosixRlimit, PosixRlimitBuilder, PosixRlimitType, Process, ProcessBuilder, RootBuilder, Spec,
    SpecBuilder, UserBuilder,
};
use thiserror::Error;

use self::process::{Limit, ProcessPlan};
use self::seccomp::Profile;
use crate::cgroup::{CgroupError, Hierarchies, Layout, devices};
use crate::container::{Container, Resources};

/// Length of one CPU accounting period in microseconds, Docker's and the kernel's default.
pub(crate) const CPU_PERIOD_MICROS: u64 = 100_000;
/// The kernel accepts no smaller quota.
const CPU_QUOTA_MICROS_MIN: i64 = 1_000;

/// A limit that this host cannot keep.
#[derive(Debug, Error)]
pub enum LimitError {
    /// The controller is missing.
    #[error("a {limit} limit needs the cgroup controller \"{controller}\", which this host does not offer")]
    Controller {
        /// What was limited.
        limit: &'static str,
        /// The kernel's name.
        controller: &'static str,
    },
    /// cgroup v2 has no such knob.
    #[error("swappiness cannot be set on this host: cgroup v2 does not have it for single containers")]
    Swappiness,
    /// The container uses more already, and the kernel cannot take it away.
    #[error("a memory limit of {value} bytes cannot be set: the container uses more than that")]
    InUse {
        /// The limit.
        value: String,
    },
    /// The kernel does not accept the value.
    #[error("a {limit} limit of {value} cannot be set")]
    Write {
        /// What was limited.
        limit: &'static str,
        /// To what.
        value: String,
        /// Cause.
        #[source]
        source: CgroupError,
    },
}

/// What the configuration is made from.
pub(crate) struct Inputs<'a> {
    pub container: &'a Container,
    pub plan: &'a ProcessPlan,
    /// The mounted root.
    pub rootfs: &'a Path,
    /// Staged sources of the bind mounts, in their order.
    pub staged: &'a [PathBuf],
    pub hierarchies: &'a Hierarchies,
    /// The container's cgroup and its parent.
    pub cgroup: &'a str,
    pub cgroup_parent: &'a str,
    pub confinement: Confinement,
}

/// Who drops capabilities and loads the system call filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Confinement {
    /// The OCI runtime, as its configuration says.
    ByRuntime,
    /// `shim::confine`, called by the runtime's hook; the configuration says nothing, and everything is kept until then.
    ByHook,
}

/// Renders the configuration.
pub(crate) fn render(inputs: &Inputs<'_>) -> Result<Spec, LimitError> {
    let container = inputs.container;
    let mount_cgroup = inputs.hierarchies.layout() == Layout::V2;
    let root = RootBuilder::default()
        .path(inputs.rootfs)
        .readonly(container.rootfs.read_only)
        .build()
        .expect("every field of the root has a default");
    let mut spec = SpecBuilder::default()
        .root(root)
        .mounts(mounts::render(container, inputs.staged, mount_cgroup))
        .hostname(process::hostname(container))
        .process(render_process(inputs.plan, container.process.terminal.is_some(), inputs.confinement))
        .linux(render_linux(inputs)?)
        .build()
        .expect("every field of a configuration has a default");
    spec.set_hooks(None);
    spec.set_annotations(None);
    Ok(spec)
}

fn render_process(plan: &ProcessPlan, has_terminal: bool, confinement: Confinement) -> Process {
    let user = UserBuilder::default()
        .uid(plan.user.uid)
        .gid(plan.user.gid)
        .additional_gids(plan.user.groups.clone())
        .build()
        .expect("every field of a user has a default");
    // S5: a set that is left out keeps the caller's capabilities, so all five are written.
    let caps = LinuxCapabilitiesBuilder::default()
        .bounding(plan.caps.oci())
        .effective(plan.caps.oci())
        .permitted(plan.caps.oci())
        .inheritable(std::collections::HashSet::new())
        .ambient(std::collections::HashSet::new())
        .build()
        .expect("every field of capabilities has a default");
    let mut process = ProcessBuilder::default()
        // The built-in runtime gets its terminal from `shim::launch`.
        .terminal(has_terminal && confinement == Confinement::ByRuntime)
        .user(user)
        .args(plan.args.clone())
        .env(plan.env.clone())
        .cwd(&plan.cwd)
        .capabilities(caps)
        .build()
        .expect("every field of a process has a default");
    process.set_no_new_privileges(Some(plan.no_new_privileges));
    if confinement == Confinement::ByHook {
        process.set_capabilities(None);
    }
    process.set_rlimits((!plan.limits.is_empty()).then(|| plan.limits.iter().map(rlimit).collect()));
    process.set_oom_score_adj(None);
    process.set_apparmor_profile(None);
    process.set_selinux_label(None);
    process
}

fn rlimit(limit: &Limit) -> PosixRlimit {
    let typ = format!("RLIMIT_{}", limit.name.to_ascii_uppercase());
    PosixRlimitBuilder::default()
        .typ(typ.parse::<PosixRlimitType>().expect("every ulimit has a type of that name"))
        .soft(limit.soft.unwrap_or(u64::MAX))
        .hard(limit.hard.unwrap_or(u64::MAX))
        .build()
        .expect("every field of a limit has a default")
}

fn render_linux(inputs: &Inputs<'_>) -> Result<Linux, LimitError> {
    let container = inputs.container;
    let mut linux = LinuxBuilder::default()
        .cgroups_path(inputs.cgroup)
        .namespaces(namespaces(container))
        .resources(resources(&container.resources, inputs.hierarchies, inputs.cgroup_parent)?)
        .masked_paths(mounts::masked())
        .readonly_paths(mounts::READ_ONLY.map(str::to_owned).to_vec())
        .build()
        .expect("every field of the Linux part has a default");
    if inputs.confinement == Confinement::ByRuntime {
        linux.set_seccomp(Some(Profile::for_capabilities(inputs.plan.caps).oci()));
    }
    if !container.sysctls.is_empty() {
        linux.set_sysctl(Some(container.sysctls.clone().into_iter().collect()));
    }
    Ok(linux)
}

fn namespaces(container: &Container) -> Vec<LinuxNamespace> {
    let namespace = |typ| LinuxNamespaceBuilder::default().typ(typ).build().expect("the type is set");
    let mut namespaces: Vec<LinuxNamespace> = [
        LinuxNamespaceType::Pid,
        LinuxNamespaceType::Mount,
        LinuxNamespaceType::Uts,
        LinuxNamespaceType::Ipc,
        LinuxNamespaceType::Cgroup,
    ]
    .into_iter()
    .map(namespace)
    .collect();
    let mut network = namespace(LinuxNamespaceType::Network);
    network.set_path(container.netns.clone());
    namespaces.push(network);
    namespaces
}

fn resources(
    wish: &Resources,
    hierarchies: &Hierarchies,
    cgroup_parent: &str,
) -> Result<LinuxResources, LimitError> {
    let need = |limit: &'static str, controller: &'static str| {
        if hierarchies.has(controller) { Ok(()) } else { Err(LimitError::Controller { limit, controller }) }
    };
    let mut builder = LinuxResourcesBuilder::default().devices(devices::oci_rules());
    if wish.swappiness.is_some() && hierarchies.layout() == Layout::V2 {
        return Err(LimitError::Swappiness);
    }
    let (memory, total) = memory_and_swap(wish);
    if memory.is_some() || wish.swappiness.is_some() {
        need("memory", "memory")?;
        let mut limit = LinuxMemoryBuilder::default();
        if let Some(memory) = memory {
            limit = limit.limit(memory);
            if hierarchies.limits_swap(cgroup_parent) {
                limit = limit.swap(total.unwrap_or(-1));
            }
        }
        if let Some(swappiness) = wish.swappiness {
            limit = limit.swappiness(swappiness);
        }
        builder = builder.memory(limit.build().expect("every field of a memory limit has a default"));
    }
    if let Some(nano_cpus) = wish.nano_cpus {
        need("CPU", "cpu")?;
        let cpu = LinuxCpuBuilder::default()
            .period(CPU_PERIOD_MICROS)
            .quota(cpu_quota_micros(nano_cpus))
            .build()
            .expect("every field of a CPU limit has a default");
        builder = builder.cpu(cpu);
    }
    if let Some(count) = wish.pids_limit {
        need("process count", "pids")?;
        let limit = i64::try_from(count).unwrap_or(i64::MAX);
        builder =
            builder.pids(LinuxPidsBuilder::default().limit(limit).build().expect("the limit has a default"));
    }
    Ok(builder.build().expect("every field of resources has a default"))
}

/// Returns the memory limit, and the limit of memory and swap together; `None` is unlimited.
pub(crate) fn memory_and_swap(wish: &Resources) -> (Option<i64>, Option<i64>) {
    let memory = wish.memory_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    let total = match (memory, wish.swap_bytes) {
        (None, _) | (_, Some(..0)) => None,
        (Some(memory), Some(swap)) => Some(memory.saturating_add(swap)),
        // Compat: memory and swap together get twice the memory, as `docker run -m` does.
        (Some(memory), None) => Some(memory.saturating_mul(2)),
    };
    (memory, total)
}

/// Returns the part of a period that a container may run.
pub(crate) fn cpu_quota_micros(nano_cpus: u64) -> i64 {
    let quota = i64::try_from(u128::from(nano_cpus) * u128::from(CPU_PERIOD_MICROS) / 1_000_000_000);
    quota.unwrap_or(i64::MAX).max(CPU_QUOTA_MICROS_MIN)
}
