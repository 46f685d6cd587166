//! What this host offers to containers. Every check answers with one sentence that names what is missing and the remedy.
//!
//! Nothing is changed: features are asked for, not used. The daemon refuses to start on a failed [`Probe::required`]; `skep
//! doctor` shows them all.

use rustix::io::Errno;
use rustix::mount::{FsOpenFlags, fsconfig_set_string, fsopen};

use crate::cgroup::{Hierarchies, Layout};
use crate::spec::caps::CapSet;
use crate::spec::seccomp::Profile;

/// The outcome of one check.
pub type Check<T = ()> = Result<T, String>;

/// Everything the runtime wants from a host.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Root, with CAP_SYS_ADMIN.
    pub root: Check,
    /// Any cgroup hierarchy, and their arrangement.
    pub cgroups: Check<Layout>,
    /// Memory limits.
    pub memory: Check,
    /// CPU limits.
    pub cpu: Check,
    /// Limits on the number of processes.
    pub pids: Check,
    /// Overlay file systems.
    pub overlay: Check,
    /// Overlays whose layers are added one by one, as images need it.
    pub overlay_layers: Check,
    /// System call filters, in the kernel and in this build.
    pub seccomp: Check,
}

impl Probe {
    /// Asks the host.
    pub fn run() -> Probe {
        let hierarchies = Hierarchies::detect();
        let controller = |name: &str, what: &str| match &hierarchies {
            Ok(hierarchies) if hierarchies.has(name) => Ok(()),
            _ => Err(format!(
                "{what} limits are not available: the cgroup controller \"{name}\" is missing; enable it in the kernel \
                 configuration and do not disable it on the kernel command line"
            )),
        };
        let overlay = overlay();
        Probe {
            root: root(),
            memory: controller("memory", "memory"),
            cpu: controller("cpu", "CPU"),
            pids: controller("pids", "process count"),
            cgroups: hierarchies
                .as_ref()
                .map(Hierarchies::layout)
                .map_err(|error| crate::files::chain(error)),
            overlay_layers: overlay.clone().and_then(|()| overlay_layers()),
            overlay,
            seccomp: seccomp(),
        }
    }

    /// Returns the first failed check without which no container can run.
    pub fn required(&self) -> Check {
        let cgroups = self.cgroups.clone().map(|_| ());
        let overlay = self.overlay.clone().and(self.overlay_layers.clone());
        self.root.clone().and(cgroups).and(overlay).and(self.seccomp.clone())
    }
}

fn root() -> Check {
    let is_root = rustix::process::geteuid().is_root();
    if is_root && CapSet::held().is_ok_and(|caps| caps.contains("SYS_ADMIN")) {
        Ok(())
    } else {
        Err("containers need root with CAP_SYS_ADMIN; run the daemon with sudo, or as a system service"
            .into())
    }
}

fn overlay() -> Check {
    match fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC) {
        Ok(_) => Ok(()),
        Err(Errno::NODEV) => {
            Err("the kernel has no overlay file system; load it with: modprobe overlay".into())
        }
        Err(Errno::NOSYS) => {
            Err("the kernel is older than 5.2 and cannot open file systems by descriptor; update it".into())
        }
        Err(error) => Err(format!("overlay file systems cannot be opened ({error}); run the daemon as root")),
    }
}

fn overlay_layers() -> Check {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(|error| error.to_string())?;
    fsconfig_set_string(&context, "lowerdir+", "/").map_err(|_| {
        "the kernel is older than 6.5 and cannot stack the layers of an image one by one; update it".into()
    })
}

fn seccomp() -> Check {
    if !std::path::Path::new("/proc/sys/kernel/seccomp/actions_avail").exists() {
        return Err("the kernel has no seccomp filters; enable CONFIG_SECCOMP_FILTER".into());
    }
    Profile::for_capabilities(CapSet::default())
        .compile()
        .map(|_| ())
        .map_err(|error| format!("{}; install a libseccomp of 2.5 or later", crate::files::chain(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_host_can_run_containers() {
        let probe = Probe::run();
        assert_eq!(probe.required(), Ok(()));
        assert_eq!((probe.memory, probe.cpu, probe.pids), (Ok(()), Ok(()), Ok(())));
    }
}
