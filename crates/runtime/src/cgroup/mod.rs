//! The control groups of shims and containers, on cgroup v1, hybrid and v2 hosts.
//!
//! ```text
//! <parent>/shims     every shim (R1: out of the daemon's cgroup, or stopping the daemon would take them along)
//! <parent>/<id>      one container; limits are set by the OCI runtime, devices by `devices`
//! ```
//!
//! A path is the same below the root of every mounted hierarchy. `tree` kills and removes whole subtrees.

pub(crate) mod devices;
mod limits;
mod tree;
mod usage;

pub(crate) use usage::machine_cpu;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// What went wrong with a control group.
#[derive(Debug, Error)]
pub enum CgroupError {
    /// The mount table cannot be read.
    #[error("cannot read the mounted cgroup hierarchies")]
    Detect(#[source] io::Error),
    /// No hierarchy is mounted at all.
    #[error(
        "no cgroup file system is mounted; mount one, for example with: mount -t cgroup2 none /sys/fs/cgroup"
    )]
    None,
    /// A group cannot be made.
    #[error("cannot create cgroup {path}")]
    Create {
        /// Directory of the group.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A control file cannot be read or written.
    #[error("cannot access cgroup file {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// A group cannot be removed.
    #[error("cannot remove cgroup {path}")]
    Remove {
        /// Directory of the group.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
    /// The device filter cannot be installed.
    #[error("cannot install the device filter of cgroup {path}")]
    Devices {
        /// Directory of the group.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
}

/// How the host arranges its hierarchies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Only version 1.
    V1,
    /// Controllers on version 1, with a version 2 hierarchy beside them.
    Hybrid,
    /// Only version 2.
    V2,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

#[derive(Debug, Clone)]
struct Hierarchy {
    mount: PathBuf,
    version: Version,
    /// Controllers; for a named hierarchy its `name=…`.
    controllers: Vec<String>,
}

impl Hierarchy {
    fn group(&self, path: &str) -> PathBuf {
        self.mount.join(path.trim_start_matches('/'))
    }
}

/// The mounted hierarchies.
#[derive(Debug, Clone)]
pub(crate) struct Hierarchies {
    list: Vec<Hierarchy>,
}

impl Hierarchies {
    /// Reads the mount table of this process.
    pub(crate) fn detect() -> Result<Hierarchies, CgroupError> {
        let table = fs::read_to_string("/proc/self/mountinfo").map_err(CgroupError::Detect)?;
        let mut list: Vec<Hierarchy> = Vec::new();
        for hierarchy in table.lines().filter_map(parse_mount) {
            if !list
                .iter()
                .any(|known| known.version == hierarchy.version && known.controllers == hierarchy.controllers)
            {
                list.push(hierarchy);
            }
        }
        for hierarchy in list.iter_mut().filter(|h| h.version == Version::V2) {
            let file = hierarchy.mount.join("cgroup.controllers");
            hierarchy.controllers = read(&file)?.split_ascii_whitespace().map(str::to_owned).collect();
        }
        if list.is_empty() { Err(CgroupError::None) } else { Ok(Hierarchies { list }) }
    }

    /// Returns the arrangement.
    pub(crate) fn layout(&self) -> Layout {
        let v1 = self.list.iter().any(|h| h.version == Version::V1);
        let v2 = self.list.iter().any(|h| h.version == Version::V2);
        match (v1, v2) {
            (true, true) => Layout::Hybrid,
            (true, false) => Layout::V1,
            (false, _) => Layout::V2,
        }
    }

    /// Returns the hierarchies that the OCI runtime puts containers into.
    fn used(&self) -> impl Iterator<Item = &Hierarchy> {
        let wanted = if self.layout() == Layout::V2 { Version::V2 } else { Version::V1 };
        self.list.iter().filter(move |h| h.version == wanted)
    }

    /// Returns whether containers can be limited by `controller`.
    pub(crate) fn has(&self, controller: &str) -> bool {
        self.used().any(|h| h.controllers.iter().any(|c| c == controller))
    }

    /// Returns whether the kernel accounts for swap, so that a memory limit can cover it.
    pub(crate) fn limits_swap(&self, parent: &str) -> bool {
        self.find("memory").is_some_and(|h| match h.version {
            Version::V1 => h.mount.join("memory.memsw.limit_in_bytes").exists(),
            Version::V2 => h.group(parent).join("shims/memory.swap.max").exists(),
        })
    }

    fn find(&self, controller: &str) -> Option<&Hierarchy> {
        self.used().find(|h| h.controllers.iter().any(|c| c == controller))
    }

    /// Makes `parent` and `parent/shims` in every hierarchy, ready for processes and for children.
    pub(crate) fn prepare(&self, parent: &str) -> Result<(), CgroupError> {
        for hierarchy in &self.list {
            let mut directory = hierarchy.mount.clone();
            let shims = format!("{}/shims", parent.trim_matches('/'));
            for component in shims.split('/') {
                if hierarchy.version == Version::V2 {
                    enable_controllers(&directory, &hierarchy.controllers);
                }
                let above = directory.clone();
                directory.push(component);
                match fs::create_dir(&directory) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(source) => return Err(CgroupError::Create { path: directory, source }),
                }
                if hierarchy.controllers.iter().any(|c| c == "cpuset") && hierarchy.version == Version::V1 {
                    inherit_cpuset(&above, &directory)?;
                }
            }
        }
        Ok(())
    }

    /// Moves the calling process, which must have one thread, into `path` of every hierarchy where that group exists.
    pub(crate) fn join(&self, path: &str) -> Result<(), CgroupError> {
        for hierarchy in &self.list {
            let group = hierarchy.group(path);
            // A thread that moves itself need not wait until all forks and exits of the machine stand still, which takes
            // the kernel 15 ms (RCU). Version 2 lets threads move only within one domain.
            let file = match hierarchy.version {
                Version::V1 => "tasks",
                Version::V2 => "cgroup.procs",
            };
            if group.is_dir() {
                write(&group.join(file), "0")?;
            }
        }
        Ok(())
    }

    /// Returns how often the kernel killed a process of `path` for want of memory.
    pub(crate) fn oom_kills(&self, path: &str) -> Result<u64, CgroupError> {
        let Some(hierarchy) = self.find("memory") else { return Ok(0) };
        let file = match hierarchy.version {
            Version::V1 => hierarchy.group(path).join("memory.oom_control"),
            Version::V2 => hierarchy.group(path).join("memory.events"),
        };
        let text = read(&file)?;
        let count =
            text.lines().find_map(|line| line.strip_prefix("oom_kill ")).and_then(|n| n.trim().parse().ok());
        Ok(count.unwrap_or(0))
    }

    /// Kills every process below `path`, and waits (bounded) until they are gone.
    pub(crate) fn kill(&self, path: &str) -> Result<(), CgroupError> {
        self.list.iter().try_for_each(|hierarchy| tree::kill(&hierarchy.group(path)))
    }

    /// Removes `path` and all groups below at once, as far as nothing is in them.
    pub(crate) fn remove_empty(&self, path: &str) -> Result<(), CgroupError> {
        self.list.iter().try_for_each(|hierarchy| tree::remove_empty(&hierarchy.group(path)))
    }

    /// Removes `path` and all groups below, killing what still runs there. Goes on after an error, and returns the first.
    pub(crate) fn remove(&self, path: &str) -> Result<(), CgroupError> {
        let mut result = Ok(());
        for hierarchy in &self.list {
            result = result.and(tree::remove(&hierarchy.group(path)));
        }
        result
    }
}

fn parse_mount(line: &str) -> Option<Hierarchy> {
    let (left, right) = line.split_once(" - ")?;
    let mount = PathBuf::from(left.split(' ').nth(4)?.replace("\\040", " "));
    let mut fields = right.split(' ');
    let version = match fields.next()? {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let options = fields.nth(1).unwrap_or_default();
    let is_controller = |option: &&str| {
        !matches!(*option, "rw" | "ro" | "xattr" | "clone_children" | "noprefix" | "none")
            && !option.starts_with("release_agent=")
    };
    let controllers = match version {
        Version::V1 => options.split(',').filter(is_controller).map(str::to_owned).collect(),
        Version::V2 => Vec::new(),
    };
    Some(Hierarchy { mount, version, controllers })
}

/// Passes controllers on to the groups below. One by one: a controller that cannot be delegated here must not keep
/// back the others, and a limit that needs it fails later with its own name.
fn enable_controllers(directory: &Path, controllers: &[String]) {
    for controller in controllers {
        if let Err(error) = fs::write(directory.join("cgroup.subtree_control"), format!("+{controller}")) {
            tracing::debug!(cgroup = %directory.display(), %controller, %error, "controller not delegated");
        }
    }
}

/// A v1 cpuset starts empty, and an empty one accepts no process.
fn inherit_cpuset(above: &Path, directory: &Path) -> Result<(), CgroupError> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let own = directory.join(file);
        if read(&own)?.trim().is_empty() {
            write(&own, read(&above.join(file))?.trim())?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, CgroupError> {
    fs::read_to_string(path).map_err(|source| CgroupError::File { path: path.into(), source })
}

fn write(path: &Path, text: &str) -> Result<(), CgroupError> {
    // Not `fs::write`: a control file must never be created by mistake.
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()))
        .map_err(|source| CgroupError::File { path: path.into(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_lines_of_both_versions_parse() {
        let v1 = parse_mount(
            "31 26 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct",
        )
        .expect("a v1 line");
        assert_eq!((v1.version, v1.controllers), (Version::V1, vec!["cpu".into(), "cpuacct".into()]));
        let v2 =
            parse_mount("42 26 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw").expect("a v2 line");
        assert_eq!((v2.version, v2.mount), (Version::V2, PathBuf::from("/sys/fs/cgroup/unified")));
        assert!(parse_mount("22 1 254:0 / / rw - ext4 /dev/root rw").is_none());
    }

    #[test]
    fn named_hierarchies_have_no_controller_of_that_name() {
        let named =
            parse_mount("32 26 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd")
                .expect("a v1 line");
        assert_eq!(named.controllers, vec!["name=systemd".to_owned()]);
    }
}
