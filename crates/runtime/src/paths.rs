//! Where things are.
//!
//! ```text
//! data_root/containers/<id>/   the bundle: survives a reboot
//!     bundle.json              what was asked, and how to run it
//!     config.json              the OCI configuration made from it
//!     upper/ work/ rootfs/     the writable layer, overlay's scratch, the mount point
//!     mounts/                  staging points of bind mounts
//!     <id>-json.log[.n]        the log
//! exec_root/run/<id>/          the state: worthless after a reboot
//!     lock                     held as long as a shim lives
//!     shim.json                who the shim and the init process are
//!     exit.json                how the container ended
//!     shim.sock                commands
//!     shim.log                 what libcontainer complained about
//!     oci/                     state of the OCI runtime
//! exec_root/seccomp/           compiled system call filters, by profile
//! exec_root/bin/<build>/       read-only copies of our binary, one tmpfs each
//! ```

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::container::Container;

/// Version of `bundle.json`; a shim refuses a bundle it does not know.
pub(crate) const BUNDLE_VERSION: u32 = 1;

/// The file that starts a shim: the container and everything the shim cannot guess.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Bundle {
    pub version: u32,
    pub container: Container,
    /// The state directory.
    pub state: PathBuf,
    /// The container's cgroup, absolute below each hierarchy's root.
    pub cgroup: String,
    /// The parent of that.
    pub cgroup_parent: String,
    /// Where compiled system call filters are kept.
    pub filters: PathBuf,
    /// An external OCI runtime in place of libcontainer.
    pub oci_runtime: Option<PathBuf>,
}

/// The paths of one bundle.
#[derive(Debug, Clone)]
pub(crate) struct BundlePaths(pub PathBuf);

impl BundlePaths {
    pub(crate) fn root(&self) -> &Path {
        &self.0
    }
    pub(crate) fn bundle(&self) -> PathBuf {
        self.0.join("bundle.json")
    }
    /// The same as the state's, for after a reboot.
    pub(crate) fn exit(&self) -> PathBuf {
        self.0.join("exit.json")
    }
    pub(crate) fn config(&self) -> PathBuf {
        self.0.join("config.json")
    }
    pub(crate) fn upper(&self) -> PathBuf {
        self.0.join("upper")
    }
    pub(crate) fn work(&self) -> PathBuf {
        self.0.join("work")
    }
    pub(crate) fn rootfs(&self) -> PathBuf {
        self.0.join("rootfs")
    }
    pub(crate) fn staging(&self) -> PathBuf {
        self.0.join("mounts")
    }
    pub(crate) fn log(&self, id: &str) -> PathBuf {
        self.0.join(format!("{id}-json.log"))
    }
}

/// The paths of one container's state.
#[derive(Debug, Clone)]
pub(crate) struct StatePaths(pub PathBuf);

impl StatePaths {
    pub(crate) fn root(&self) -> &Path {
        &self.0
    }
    pub(crate) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }
    pub(crate) fn shim(&self) -> PathBuf {
        self.0.join("shim.json")
    }
    pub(crate) fn exit(&self) -> PathBuf {
        self.0.join("exit.json")
    }
    pub(crate) fn socket(&self) -> PathBuf {
        self.0.join("shim.sock")
    }
    pub(crate) fn complaints(&self) -> PathBuf {
        self.0.join("shim.log")
    }
    pub(crate) fn oci(&self) -> PathBuf {
        self.0.join("oci")
    }
}

/// The roots of one runtime.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    pub exec_root: PathBuf,
    pub data_root: PathBuf,
}

impl Paths {
    pub(crate) fn containers(&self) -> PathBuf {
        self.data_root.join("containers")
    }
    pub(crate) fn states(&self) -> PathBuf {
        self.exec_root.join("run")
    }
    pub(crate) fn filters(&self) -> PathBuf {
        self.exec_root.join("seccomp")
    }
    pub(crate) fn bin(&self) -> PathBuf {
        self.exec_root.join("bin")
    }
    pub(crate) fn bundle(&self, id: &str) -> BundlePaths {
        BundlePaths(self.containers().join(id))
    }
    pub(crate) fn state(&self, id: &str) -> StatePaths {
        StatePaths(self.states().join(id))
    }
}
