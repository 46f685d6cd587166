//! The mounts of a container beside its root: Docker's standard ones, the files under `/etc`, then what was asked for.
//!
//! cgroup v1 hierarchies are never mounted: libcontainer mounts them writable in spite of `ro`.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{Mount as OciMount, MountBuilder};

use crate::container::{Container, Mount, Nested};

/// Size of `/dev/shm`, Docker's default.
const SHM_OPTIONS: &str = "size=65536k";

/// Paths hidden from the container.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Paths the container can only read.
pub(super) const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Returns the paths to hide, those of each CPU included.
pub(super) fn masked() -> Vec<String> {
    let mut paths: Vec<String> = MASKED.iter().map(|p| (*p).to_owned()).collect();
    let cpus = std::fs::read_dir("/sys/devices/system/cpu").into_iter().flatten().flatten();
    let throttles = cpus.map(|cpu| cpu.path().join("thermal_throttle")).filter(|path| path.exists());
    paths.extend(throttles.map(|path| path.display().to_string()));
    paths.sort();
    paths
}

/// Renders all mounts. `staged` holds the staged source of every bind of `container.mounts`, in their order.
pub(super) fn render(container: &Container, staged: &[PathBuf], mount_cgroup: bool) -> Vec<OciMount> {
    let mut asked: Vec<OciMount> = Vec::new();
    let mut staged = staged.iter();
    for mount in &container.mounts {
        asked.push(match mount {
            Mount::Bind { target, read_only, source, nested, .. } => {
                bind(staged.next().unwrap_or(source), target, *read_only, *nested)
            }
            Mount::Tmpfs { target, size_bytes, mode } => tmpfs(target, *size_bytes, *mode),
        });
    }
    // What was asked for replaces what would be there anyway.
    let is_free = |mount: &OciMount| !asked.iter().any(|other| other.destination() == mount.destination());
    let mut mounts: Vec<OciMount> = standard(mount_cgroup).into_iter().filter(is_free).collect();
    let mut rest: Vec<OciMount> = etc(container).filter(is_free).collect();
    rest.extend(asked);
    // A deep mount must not be hidden by a shallow one that comes later.
    rest.sort_by_key(|mount| mount.destination().components().count());
    mounts.extend(rest);
    mounts
}

fn standard(mount_cgroup: bool) -> Vec<OciMount> {
    let mut mounts = vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        mount("/dev/shm", "tmpfs", "shm", &["nosuid", "noexec", "nodev", "mode=1777", SHM_OPTIONS]),
    ];
    if mount_cgroup {
        mounts.push(mount("/sys/fs/cgroup", "cgroup", "cgroup", &["ro", "nosuid", "noexec", "nodev"]));
    }
    mounts
}

fn etc(container: &Container) -> impl Iterator<Item = OciMount> {
    let files = &container.etc;
    [
        ("/etc/resolv.conf", &files.resolv_conf),
        ("/etc/hosts", &files.hosts),
        ("/etc/hostname", &files.hostname),
    ]
    .into_iter()
    .filter_map(|(target, source)| {
        source.as_ref().map(|source| bind(source, Path::new(target), false, Nested::Included))
    })
}

fn bind(source: &Path, target: &Path, read_only: bool, nested: Nested) -> OciMount {
    let source = source.display().to_string();
    let target = target.display().to_string();
    // What was excluded is not in the staged copy, so a recursive bind of that does not bring it back.
    let options: &[&str] = match (read_only, nested) {
        (false, _) => &["rbind", "rw"],
        (true, Nested::Writable) => &["rbind", "ro"],
        (true, _) => &["rbind", "ro", "rro"],
    };
    mount(&target, "bind", &source, options)
}

fn tmpfs(target: &Path, size_bytes: Option<u64>, mode: Option<u32>) -> OciMount {
    let mode = format!("mode={:o}", mode.unwrap_or(0o1777));
    let size = size_bytes.map(|bytes| format!("size={bytes}"));
    let mut options = vec!["nosuid", "nodev", "noexec", mode.as_str()];
    options.extend(size.as_deref());
    mount(&target.display().to_string(), "tmpfs", "tmpfs", &options)
}

fn mount(destination: &str, typ: &str, source: &str, options: &[&str]) -> OciMount {
    MountBuilder::default()
        .destination(destination)
        .typ(typ)
        .source(source)
        .options(options.iter().map(|o| (*o).to_owned()).collect::<Vec<_>>())
        .build()
        .expect("the required field, the destination, is set")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Propagation;

    #[test]
    fn an_asked_mount_replaces_a_standard_one_and_shallow_ones_come_first() {
        let tmpfs = |target: &str| Mount::Tmpfs { target: target.into(), size_bytes: Some(4096), mode: None };
        let bind = Mount::Bind {
            source: "/srv".into(),
            target: "/a".into(),
            read_only: true,
            propagation: Propagation::Private,
            nested: Nested::Included,
        };
        let container =
            Container { mounts: vec![tmpfs("/a/b/c"), tmpfs("/dev/shm"), bind], ..Container::default() };
        let mounts = render(&container, &["/staged/0".into()], false);
        let targets: Vec<String> = mounts.iter().map(|m| m.destination().display().to_string()).collect();
        assert_eq!(targets, ["/proc", "/dev", "/dev/pts", "/sys", "/dev/mqueue", "/a", "/dev/shm", "/a/b/c"]);
        assert_eq!(mounts[5].source().as_deref(), Some(Path::new("/staged/0")));
    }
}
