//! Network namespaces as files: one mount point per id in one directory, as `ip netns` has them.
//!
//! A namespace lives as long as its mount, whatever processes come and go, so the containers of an agent
//! that was killed keep their network and the next agent finds it by name.
//!
//! Entering a namespace changes the calling thread for good. Every entry therefore happens on a thread
//! of its own that ends afterwards; a Tokio worker never does it. What goes *into* a namespace is
//! [`crate::port`]'s matter.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use crate::error::{Doing, NetError};
use crate::netlink::Netlink;
use crate::sysctl;
use crate::thread::on_thread;

/// More mounts than this on one file are somebody else's doing.
const STACKED_MOUNTS_MAX: usize = 8;
/// `NSFS_MAGIC`: the file system of namespace files.
const NSFS: u64 = 0x6e73_6673;
const THREAD_NAMESPACE: &str = "/proc/thread-self/ns/net";

/// The directory of all namespaces of one host.
#[derive(Debug, Clone)]
pub(crate) struct Namespaces {
    directory: PathBuf,
}

/// A namespace with a netlink connection inside it.
#[derive(Debug)]
pub(crate) struct Inside {
    /// Says whether this call made the namespace.
    pub created: bool,
    pub netlink: Netlink,
    file: OwnedFd,
}

impl Inside {
    /// The number by which the kernel is told to put an interface into this namespace.
    pub(crate) fn number(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    pub(crate) fn file(&self) -> &OwnedFd {
        &self.file
    }
}

impl Namespaces {
    /// Prepares the directory. Blocks.
    ///
    /// The directory is made a shared mount, so that a namespace unmounted here also goes from the mount
    /// namespaces of shims and other processes that were started in the meantime. Without that, every
    /// shim would keep alive all namespaces that existed when it started.
    pub(crate) fn open(directory: &Path) -> Result<Self, NetError> {
        fs::create_dir_all(directory).doing("create the directory", directory.display())?;
        match rustix::mount::mount_change(directory, MountPropagationFlags::SHARED) {
            // Not a mount point yet: make it one, in a group of its own.
            Err(Errno::INVAL) => rustix::mount::mount_bind_recursive(directory, directory)
                .and_then(|()| rustix::mount::mount_change(directory, MountPropagationFlags::PRIVATE))
                .and_then(|()| rustix::mount::mount_change(directory, MountPropagationFlags::SHARED)),
            other => other,
        }
        .doing("share mounts below", directory.display())?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// Where the namespace of `id` is, or would be.
    pub(crate) fn path(&self, id: &str) -> PathBuf {
        self.directory.join(id)
    }

    /// Enters the namespace of `id`, creating it first if there is none. `held` is dropped when the work
    /// is done, even if nobody waits for it any more.
    pub(crate) async fn enter(&self, id: &str, held: impl Send + 'static) -> Result<Inside, NetError> {
        let path = self.path(id);
        let object = path.display().to_string();
        let runtime = tokio::runtime::Handle::current();
        on_thread("netns-enter", move || {
            let _held = held;
            let created = enter_or_create(&path)?;
            // The socket belongs to the namespace of this thread and keeps to it for good.
            let netlink = Netlink::open(&runtime).doing("open netlink in", path.display())?;
            let file = open_namespace(&path).doing("open the network namespace", path.display())?;
            Ok(Inside { created, netlink, file })
        })
        .await
        .doing("enter the network namespace", object)?
    }

    /// Removes the namespace of `id`; one that does not exist is a success. Processes inside keep it
    /// alive, without a name. Blocks.
    pub(crate) fn remove(&self, id: &str) -> Result<(), NetError> {
        let path = self.path(id);
        unmount(&path).doing("unmount", path.display())?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.doing("remove", path.display()),
        }
    }

    /// Lists the ids that have a file, whether or not a namespace is mounted on it. Blocks.
    pub(crate) fn list(&self) -> Result<Vec<String>, NetError> {
        let entries = match fs::read_dir(&self.directory).and_then(Iterator::collect) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            entries => entries.doing("list", self.directory.display())?,
        };
        let mut ids: Vec<String> =
            entries.iter().filter_map(|entry: &fs::DirEntry| entry.file_name().into_string().ok()).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Removes the directory itself once it is empty. Blocks.
    pub(crate) fn close(&self) -> Result<(), NetError> {
        unmount(&self.directory).doing("unmount", self.directory.display())?;
        match fs::remove_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.doing("remove the directory", self.directory.display()),
        }
    }
}

/// Opens a namespace nobody else can see, for experiments. It ends with the returned value.
pub(crate) async fn scratch() -> Result<Inside, NetError> {
    const OBJECT: &str = "a scratch network namespace";
    let runtime = tokio::runtime::Handle::current();
    on_thread("netns-scratch", move || {
        leave_network_namespace().doing("create", OBJECT)?;
        let netlink = Netlink::open(&runtime).doing("open netlink in", OBJECT)?;
        let file = open_namespace(Path::new(THREAD_NAMESPACE)).doing("open", OBJECT)?;
        Ok(Inside { created: true, netlink, file })
    })
    .await
    .doing("create", OBJECT)?
}

/// Moves the calling thread, which must end soon, into the namespace of `file`.
pub(crate) fn move_into(file: impl AsFd) -> io::Result<()> {
    Ok(rustix::thread::move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?)
}

/// Moves the calling thread, which must end soon, into a namespace of its own.
fn leave_network_namespace() -> io::Result<()> {
    // SAFETY: only a new file descriptor table could invalidate what other threads hold, and NEWNET does
    // not touch it; the one effect is on this thread's network namespace.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?;
    Ok(())
}

fn enter_or_create(path: &Path) -> Result<bool, NetError> {
    if is_namespace(path).doing("examine", path.display())? {
        let file = open_namespace(path).doing("open the network namespace", path.display())?;
        move_into(file).doing("enter the network namespace", path.display())?;
        return Ok(false);
    }
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .doing("create the file", path.display())?;
    leave_network_namespace().doing("create the network namespace", path.display())?;
    prepare()?;
    rustix::mount::mount_bind(THREAD_NAMESPACE, path).doing("mount the network namespace", path.display())?;
    Ok(true)
}

/// Sets what a container expects of a new namespace, before anything is in it.
fn prepare() -> Result<(), NetError> {
    // The loopback keeps ::1; interfaces that come later wait for no duplicate address detection.
    sysctl::set_if_present("ipv6/conf/default/disable_ipv6", "1")?;
    // Compat: dockerd 20.10 lets unprivileged users of a container bind low ports and send pings; test
    // `a_new_namespace_is_ready_for_a_container`.
    sysctl::set_if_present("ipv4/ip_unprivileged_port_start", "0")?;
    sysctl::set_if_present("ipv4/ping_group_range", "0 2147483647")
}

/// Tells whether a namespace is mounted on `path`; an absent file is none.
fn is_namespace(path: &Path) -> io::Result<bool> {
    match rustix::fs::statfs(path) {
        Ok(found) => Ok(u64::try_from(found.f_type) == Ok(NSFS)),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn open_namespace(path: &Path) -> io::Result<OwnedFd> {
    Ok(fs::File::open(path)?.into())
}

/// Unmounts everything stacked on `path`; nothing there is a success.
fn unmount(path: &Path) -> io::Result<()> {
    for _ in 0..STACKED_MOUNTS_MAX {
        match rustix::mount::unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::other("more than 8 mounts are stacked on it"))
}
