//! Volumes whose content is elsewhere: the options `type`, `o` and `device` are a mount, made when the first
//! container needs it and taken away with the last one.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount as kernel_unmount};

use super::VolumeError;

/// What `o` may say about any file system; the rest is the file system's own.
const FLAGS: [(&str, MountFlags); 10] = [
    ("ro", MountFlags::RDONLY),
    ("nosuid", MountFlags::NOSUID),
    ("nodev", MountFlags::NODEV),
    ("noexec", MountFlags::NOEXEC),
    ("sync", MountFlags::SYNCHRONOUS),
    ("dirsync", MountFlags::DIRSYNC),
    ("noatime", MountFlags::NOATIME),
    ("nodiratime", MountFlags::NODIRATIME),
    ("relatime", MountFlags::RELATIME),
    ("strictatime", MountFlags::STRICTATIME),
];
/// Words that are the default.
const DEFAULTS: [&str; 8] = ["defaults", "rw", "suid", "dev", "exec", "async", "atime", "norelatime"];

/// A mount as the kernel takes it.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    device: String,
    kind: String,
    flags: MountFlags,
    bind: Option<MountFlags>,
    data: String,
}

impl Wanted {
    fn of(options: &BTreeMap<String, String>) -> Option<Wanted> {
        let option = |name: &str| options.get(name).cloned().unwrap_or_default();
        let device = options.get("device")?.clone();
        let mut wanted = Wanted {
            device,
            kind: option("type"),
            flags: MountFlags::empty(),
            bind: None,
            data: String::new(),
        };
        let words = option("o");
        let mut data = Vec::new();
        for word in words.split(',').filter(|word| !word.is_empty() && !DEFAULTS.contains(word)) {
            match (word, FLAGS.iter().find(|(name, _)| *name == word)) {
                ("bind", _) => wanted.bind = Some(MountFlags::BIND),
                ("rbind", _) => wanted.bind = Some(MountFlags::BIND | MountFlags::REC),
                (_, Some((_, flag))) => wanted.flags |= *flag,
                (other, None) => data.push(other),
            }
        }
        wanted.data = data.join(",");
        Some(wanted)
    }
}

/// Mounts what the options name on `data`, unless that is done.
pub(super) async fn ensure(
    name: &str,
    options: &BTreeMap<String, String>,
    data: &Path,
) -> Result<(), VolumeError> {
    let Some(mut wanted) = Wanted::of(options) else { return Ok(()) };
    if is_mounted(data)? {
        return Ok(());
    }
    let (name, data) = (name.to_owned(), data.to_owned());
    // A server that does not answer keeps one thread waiting, not the daemon.
    let mounting = tokio::task::spawn_blocking(move || {
        resolve_address(&name, &mut wanted)?;
        attach(&wanted, &data)
    });
    mounting.await.unwrap_or_else(|error| {
        Err(VolumeError::Storage {
            doing: "mount",
            path: Path::new("").into(),
            source: io::Error::other(error),
        })
    })
}

fn attach(wanted: &Wanted, data: &Path) -> Result<(), VolumeError> {
    let failed = |errno: Errno| VolumeError::Mount {
        device: wanted.device.clone(),
        path: data.to_owned(),
        data: wanted.data.clone(),
        source: errno.into(),
    };
    let text = std::ffi::CString::new(wanted.data.clone()).map_err(|_| failed(Errno::INVAL))?;
    let Some(bind) = wanted.bind else {
        return mount(&wanted.device, data, wanted.kind.as_str(), wanted.flags, text.as_c_str())
            .map_err(failed);
    };
    mount(&wanted.device, data, "none", bind, c"").map_err(failed)?;
    if wanted.flags.is_empty() {
        return Ok(());
    }
    // The kernel takes the flags of a bind mount in a second step only.
    mount_remount(data, MountFlags::BIND | wanted.flags, c"").map_err(|errno| {
        // Never leave the half that is less restricted than asked.
        kernel_unmount(data, UnmountFlags::DETACH).ok();
        failed(errno)
    })
}

/// Compat: the kernel's NFS client takes no names, so `addr=` is resolved as mount.nfs would.
fn resolve_address(name: &str, wanted: &mut Wanted) -> Result<(), VolumeError> {
    let address = wanted.data.split(',').find_map(|word| word.strip_prefix("addr=")).map(str::to_owned);
    let Some(address) = address.filter(|address| address.parse::<IpAddr>().is_err()) else { return Ok(()) };
    let failed = |source| VolumeError::Address { name: name.to_owned(), address: address.clone(), source };
    let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let found = (address.as_str(), 0u16).to_socket_addrs().and_then(|mut all| all.next().ok_or_else(none));
    let found = found.map_err(failed)?;
    wanted.data = wanted.data.replace(&format!("addr={address}"), &format!("addr={}", found.ip()));
    Ok(())
}

/// Unmounts `data` if something is mounted there.
pub(super) fn unmount(data: &Path) -> Result<(), VolumeError> {
    match is_mounted(data)? {
        false => Ok(()),
        true => kernel_unmount(data, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).map_err(|errno| {
            VolumeError::Storage { doing: "unmount", path: data.to_owned(), source: errno.into() }
        }),
    }
}

/// Returns whether something is mounted on a directory: its mount differs from that of its parent.
fn is_mounted(data: &Path) -> Result<bool, VolumeError> {
    use rustix::fs::{AtFlags, StatxFlags, statx};
    let failed =
        |errno: Errno| VolumeError::Storage { doing: "look at", path: data.to_owned(), source: errno.into() };
    let id = |path: &Path| {
        let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT, StatxFlags::MNT_ID)?;
        Ok::<_, Errno>(found.stx_mnt_id)
    };
    let parent = data.parent().unwrap_or(Path::new("/"));
    match (id(data), id(parent)) {
        (Err(Errno::NOENT), _) => Ok(false),
        // A file server that is gone answers no question, but it is mounted.
        (Err(Errno::STALE | Errno::IO | Errno::HOSTDOWN | Errno::TIMEDOUT), _) => Ok(true),
        (own, above) => Ok(own.map_err(failed)? != above.map_err(failed)?),
    }
}

/// Returns whether two paths are on one file system.
pub(super) fn same_device(one: &Path, other: &Path) -> io::Result<bool> {
    Ok(std::fs::symlink_metadata(one)?.dev() == std::fs::symlink_metadata(other)?.dev())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_flags_and_data() {
        let options = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(Wanted::of(&options(&[])), None);
        let nfs =
            options(&[("type", "nfs"), ("device", ":/export"), ("o", "addr=10.0.0.1,rw,noatime,vers=4")]);
        assert_eq!(
            Wanted::of(&nfs),
            Some(Wanted {
                device: ":/export".into(),
                kind: "nfs".into(),
                flags: MountFlags::NOATIME,
                bind: None,
                data: "addr=10.0.0.1,vers=4".into(),
            })
        );
        let bind =
            Wanted::of(&options(&[("type", "none"), ("device", "/srv"), ("o", "bind,ro")])).expect("a mount");
        assert_eq!((bind.bind, bind.flags), (Some(MountFlags::BIND), MountFlags::RDONLY));
    }
}
