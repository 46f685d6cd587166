//! What this host offers to containers. A failed check names what is missing and the remedy; what follows from it is the
//! caller's to say.
//!
//! Nothing is changed: features are asked for, not used. The daemon refuses to start on a failed [`Probe::required`]; `skep
//! doctor` shows them all.

use std::fmt;

use rustix::io::Errno;
use rustix::mount::{FsOpenFlags, fsconfig_set_string, fsopen};

use crate::cgroup::{Hierarchies, Layout};
use crate::spec::caps::CapSet;
use crate::spec::seccomp::Profile;

/// The outcome of one check.
pub type Check<T = ()> = Result<T, Missing>;

/// What a host lacks, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    pub what: String,
    pub remedy: &'static str,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

fn missing<T>(what: impl Into<String>, remedy: &'static str) -> Check<T> {
    Err(Missing { what: what.into(), remedy })
}

/// Kinds of namespaces that each container gets, as `/proc/self/ns` names them; the network's are not the runtime's.
const NAMESPACES: [&str; 5] = ["cgroup", "ipc", "mnt", "pid", "uts"];

/// Everything the runtime wants from a host.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Root, with CAP_SYS_ADMIN.
    pub root: Check,
    /// The kinds of namespaces that a container is made of.
    pub namespaces: Check,
    /// Handles on processes, by which alone they are signalled.
    pub pidfds: Check,
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
            _ => missing(
                format!("{what} limits are not available: the cgroup controller \"{name}\" is missing"),
                "enable it in the kernel configuration and do not disable it on the kernel command line",
            ),
        };
        let overlay = overlay();
        Probe {
            root: root(),
            namespaces: namespaces(),
            pidfds: pidfds(),
            memory: controller("memory", "memory"),
            cpu: controller("cpu", "CPU"),
            pids: controller("pids", "process count"),
            cgroups: match &hierarchies {
                Ok(hierarchies) => Ok(hierarchies.layout()),
                Err(error) => missing(crate::files::chain(error), "mount cgroups below /sys/fs/cgroup"),
            },
            overlay_layers: overlay.clone().and_then(|()| overlay_layers()),
            overlay,
            seccomp: seccomp(),
        }
    }

    /// Returns the first failed check without which no container can run.
    pub fn required(&self) -> Check {
        let cgroups = self.cgroups.clone().map(|_| ());
        let overlay = self.overlay.clone().and(self.overlay_layers.clone());
        let processes = self.namespaces.clone().and(self.pidfds.clone());
        self.root.clone().and(processes).and(cgroups).and(overlay).and(self.seccomp.clone())
    }
}

fn root() -> Check {
    let is_root = rustix::process::geteuid().is_root();
    if is_root && CapSet::held().is_ok_and(|caps| caps.contains("SYS_ADMIN")) {
        Ok(())
    } else {
        missing("containers need root with CAP_SYS_ADMIN", "run the daemon with sudo, or as a system service")
    }
}

fn namespaces() -> Check {
    let is_there = |kind: &&&str| std::path::Path::new("/proc/self/ns").join(kind).exists();
    let absent: Vec<&str> = NAMESPACES.iter().filter(|kind| !is_there(kind)).copied().collect();
    match absent.as_slice() {
        [] => Ok(()),
        absent => missing(
            format!("the kernel has no namespaces of the kinds {}", absent.join(", ")),
            "enable CONFIG_NAMESPACES and what belongs to it, and mount /proc",
        ),
    }
}

fn pidfds() -> Check {
    use rustix::process::{PidfdFlags, getpid, pidfd_open};
    match pidfd_open(getpid(), PidfdFlags::empty()) {
        Ok(_) => Ok(()),
        Err(error) => missing(
            format!("the kernel gives no handles on processes ({error})"),
            "update it to 5.4 or later",
        ),
    }
}

fn overlay() -> Check {
    match fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC) {
        Ok(_) => Ok(()),
        Err(Errno::NODEV) => {
            missing("the kernel has no overlay file system", "load it with: modprobe overlay")
        }
        Err(Errno::NOSYS) => {
            missing("the kernel is older than 5.2 and cannot open file systems by descriptor", "update it")
        }
        Err(error) => {
            missing(format!("overlay file systems cannot be opened ({error})"), "run the daemon as root")
        }
    }
}

fn overlay_layers() -> Check {
    let asked = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .and_then(|context| fsconfig_set_string(&context, "lowerdir+", "/"));
    match asked {
        Ok(()) => Ok(()),
        Err(_) => missing(
            "the kernel is older than 6.5 and cannot stack the layers of an image one by one",
            "update it",
        ),
    }
}

fn seccomp() -> Check {
    if !std::path::Path::new("/proc/sys/kernel/seccomp/actions_avail").exists() {
        return missing("the kernel has no seccomp filters", "enable CONFIG_SECCOMP_FILTER");
    }
    match Profile::for_capabilities(CapSet::default()).compile() {
        Ok(_) => Ok(()),
        Err(error) => missing(crate::files::chain(&error), "install a libseccomp of 2.5 or later"),
    }
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
