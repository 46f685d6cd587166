//! The container's root: one overlay of all layers, mounted in the shim's own mount namespace.
//!
//! No mount is visible on the host, and all vanish with the last process of the container, even if the shim is killed.
//! Bind mounts are staged here too, because libcontainer knows nothing of propagation: each gets its own before it is
//! handed on.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pathrs::error::{Error as PathError, ErrorKind as PathErrorKind};
use pathrs::{InodeType, Root};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount, mount_bind, mount_bind_recursive,
    mount_change, move_mount,
};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use thiserror::Error;

use crate::container::{Mount, Nested, Propagation, Rootfs};
use crate::paths::BundlePaths;
use crate::sys::process::unshare_mounts;

/// Tells programs that they run in a container.
pub(crate) const MARK: &str = "/.dockerenv";
/// Where programs from before `/proc` look for mounts.
pub(crate) const MOUNT_TABLE: &str = "/etc/mtab";

/// fsconfig(2) refuses longer strings.
const FSCONFIG_VALUE_MAX: usize = 255;
/// mount(2) takes its options in one page.
const MOUNT_OPTIONS_MAX: usize = 4095;

/// A root that cannot be mounted.
#[derive(Debug, Error)]
pub(crate) enum RootfsError {
    #[error("cannot enter a mount namespace")]
    Namespace(#[source] io::Error),
    #[error("cannot prepare {path}")]
    Directory {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("a root file system needs at least one layer")]
    NoLayers,
    #[error("layer {path} cannot be opened")]
    Layer {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot mount {count} layers as an overlay on {path}")]
    Overlay {
        count: usize,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot stage the bind mount of {path}")]
    Stage {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// The namespace the shim came from.
pub(crate) struct HostNamespace(OwnedFd);

impl HostNamespace {
    /// Leaves the host's mount namespace for a copy that receives the host's mounts but sends none.
    pub(crate) fn leave() -> Result<HostNamespace, RootfsError> {
        let leave = || -> io::Result<HostNamespace> {
            let host = File::open("/proc/self/ns/mnt")?;
            unshare_mounts()?;
            mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
            Ok(HostNamespace(host.into()))
        };
        leave().map_err(RootfsError::Namespace)
    }

    /// Goes back. A copy kept for the life of a shim would pin every mount of that moment, other containers' network
    /// namespaces among them.
    pub(crate) fn enter(&self) -> Result<(), RootfsError> {
        move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Mount))
            .map_err(|errno| RootfsError::Namespace(errno.into()))
    }
}

/// Mounts the overlay and returns its path.
pub(crate) fn mount_root(rootfs: &Rootfs, paths: &BundlePaths) -> Result<PathBuf, RootfsError> {
    let target = paths.rootfs();
    for path in [paths.upper(), paths.work(), target.clone()] {
        fs::create_dir_all(&path).map_err(|source| RootfsError::Directory { path: path.clone(), source })?;
    }
    if rootfs.layers.is_empty() {
        return Err(RootfsError::NoLayers);
    }
    for path in &rootfs.layers {
        let is_dir =
            fs::metadata(path).map_err(|source| RootfsError::Layer { path: path.clone(), source })?.is_dir();
        if !is_dir {
            return Err(RootfsError::Layer {
                path: path.clone(),
                source: io::ErrorKind::NotADirectory.into(),
            });
        }
    }
    let result = match overlay(rootfs, paths, &target) {
        // Kernels before 6.5 take layers only as one string.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            overlay_by_options(rootfs, paths, &target)
        }
        result => result,
    };
    let count = rootfs.layers.len();
    result.map_err(|source| RootfsError::Overlay { count, path: target.clone(), source })?;
    Ok(target)
}

fn overlay(rootfs: &Rootfs, paths: &BundlePaths, target: &Path) -> io::Result<()> {
    let mounted = detached(rootfs, Some(paths))?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    Ok(move_mount(mounted.as_fd(), "", rustix::fs::CWD, target, flags)?)
}

/// Makes what programs look for in a container of Docker's: the mark that it is one, and the list of its mounts. What the
/// image has in these places stays.
pub(crate) fn add_marks(root: &Path) -> Result<(), RootfsError> {
    let add = || -> Result<(), PathError> {
        let root = Root::open(root)?;
        root.mkdir_all("/etc", &Permissions::from_mode(0o755))?;
        for (path, what) in [
            (MARK, InodeType::File(Permissions::from_mode(0o755))),
            (MOUNT_TABLE, InodeType::Symlink("/proc/mounts".into())),
        ] {
            match root.create(path, &what) {
                Err(error) if error.kind() == PathErrorKind::OsError(Some(libc::EEXIST)) => {}
                result => result?,
            }
        }
        Ok(())
    };
    let failed = |error| RootfsError::Directory { path: root.to_owned(), source: io::Error::other(error) };
    add().map_err(failed)
}

/// Mounts the root of a container that has ended, writable, where no path leads to. It lasts as long as its descriptor.
pub(crate) fn detached_root(rootfs: &Rootfs, paths: &BundlePaths) -> Result<OwnedFd, RootfsError> {
    let failed = |source| RootfsError::Overlay { count: rootfs.layers.len(), path: paths.rootfs(), source };
    detached(rootfs, Some(paths)).map_err(failed)
}

/// Mounts the layers of an image, without anything writable, where no path leads to.
pub(crate) fn detached_layers(rootfs: &Rootfs) -> Result<OwnedFd, RootfsError> {
    let failed = |source| RootfsError::Overlay { count: rootfs.layers.len(), path: PathBuf::new(), source };
    match &rootfs.layers[..] {
        [] => Err(RootfsError::NoLayers),
        // An overlay needs two; one is what it is.
        [layer] => File::open(layer).map(OwnedFd::from).map_err(failed),
        _ => detached(rootfs, None).map_err(failed),
    }
}

/// Mounts an overlay, with `paths` a writable one.
fn detached(rootfs: &Rootfs, paths: Option<&BundlePaths>) -> io::Result<OwnedFd> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let mut long = Vec::new();
    let mut set = |key: &str, path: &Path| -> io::Result<()> {
        let short = shorten(path, &mut long)?;
        Ok(fsconfig_set_string(context.as_fd(), key, short)?)
    };
    for layer in &rootfs.layers {
        set("lowerdir+", layer)?;
    }
    if let Some(paths) = paths {
        set("upperdir", &paths.upper())?;
        set("workdir", &paths.work())?;
    }
    fsconfig_create(context.as_fd())?;
    Ok(fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?)
}

/// Returns a path short enough for fsconfig(2); descriptors it needs are kept in `long`.
fn shorten(path: &Path, long: &mut Vec<File>) -> io::Result<PathBuf> {
    if path.as_os_str().len() <= FSCONFIG_VALUE_MAX {
        return Ok(path.to_owned());
    }
    let directory = File::open(path)?;
    let short = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
    long.push(directory);
    Ok(short)
}

fn overlay_by_options(rootfs: &Rootfs, paths: &BundlePaths, target: &Path) -> io::Result<()> {
    let layers: Vec<String> = rootfs.layers.iter().map(|layer| layer.display().to_string()).collect();
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        layers.join(":"),
        paths.upper().display(),
        paths.work().display()
    );
    if options.len() > MOUNT_OPTIONS_MAX {
        return Err(io::Error::new(
            io::ErrorKind::ArgumentListTooLong,
            "this many layers need a kernel of 6.5 or later",
        ));
    }
    let options = std::ffi::CString::new(options)?;
    Ok(mount("overlay", target, "overlay", MountFlags::empty(), options.as_c_str())?)
}

/// Makes a copy of every bind source with the propagation that was asked for, and returns the copies in order.
pub(crate) fn stage_binds(mounts: &[Mount], paths: &BundlePaths) -> Result<Vec<PathBuf>, RootfsError> {
    let directory = paths.staging();
    let mut staged = Vec::new();
    for mount in mounts {
        if let Mount::Bind { source, propagation, nested, .. } = mount {
            let target = directory.join(staged.len().to_string());
            stage(source, &target, *propagation, *nested)
                .map_err(|error| RootfsError::Stage { path: source.clone(), source: error })?;
            staged.push(target);
        }
    }
    Ok(staged)
}

fn stage(source: &Path, target: &Path, propagation: Propagation, nested: Nested) -> io::Result<()> {
    if fs::metadata(source)?.is_dir() {
        fs::create_dir_all(target)?;
    } else {
        if let Some(directory) = target.parent() {
            fs::create_dir_all(directory)?;
        }
        File::create(target)?;
    }
    match nested {
        Nested::Excluded => mount_bind(source, target)?,
        Nested::Included | Nested::Writable => mount_bind_recursive(source, target)?,
    }
    let flags = match propagation {
        Propagation::Private => MountPropagationFlags::PRIVATE,
        Propagation::Slave => MountPropagationFlags::DOWNSTREAM,
    };
    match mount_change(target, flags | MountPropagationFlags::REC) {
        // A mount that was never shared has no upstream to follow.
        Err(Errno::INVAL) if propagation == Propagation::Slave => Ok(()),
        result => Ok(result?),
    }
}
