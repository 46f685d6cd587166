//! What is mounted in a container beside its root, as the user asked for it.
//!
//! Sources, targets, and the labels and options of volumes may hold placeholders ([`crate::placeholder`]),
//! so whether a path is absolute is judged on the node, after they are filled in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Labels;

/// A file system made visible in the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute path in the container.
    pub target: String,
    pub read_only: bool,
    pub kind: MountKind,
    /// `default`, `consistent`, `cached` or `delegated`: a hint for Macs that means nothing on Linux.
    #[serde(default)]
    pub consistency: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountKind {
    Bind(BindMount),
    Volume(VolumeMount),
    Tmpfs(TmpfsMount),
}

/// A file or directory of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BindMount {
    /// Absolute path on the node.
    pub source: String,
    /// `rprivate`, `private`, `rshared`, `shared`, `rslave` or `slave`; empty means `rprivate`.
    pub propagation: String,
    /// A missing source is made, as a directory.
    pub create_source: bool,
    /// Leaves out what is mounted below the source.
    pub non_recursive: bool,
    /// A read-only mount leaves what is mounted below the source writable.
    pub read_only_non_recursive: bool,
    /// A read-only mount fails where what is mounted below the source cannot be made read-only.
    pub read_only_force_recursive: bool,
}

/// Storage with a life of its own on the node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeMount {
    /// The volume's name; empty: an anonymous one that goes with the container.
    pub source: String,
    /// `None` and empty ones mean the same but are shown as they were given.
    pub options: Option<VolumeOptions>,
}

/// How a volume is made if it does not exist yet, and used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeOptions {
    /// Leaves an empty volume empty; otherwise it is filled with what the image has at the target.
    pub no_copy: bool,
    pub labels: Labels,
    /// Mounts this directory of the volume instead of its root.
    pub subpath: String,
    pub driver: Option<VolumeDriver>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeDriver {
    /// `local` or empty.
    pub name: String,
    /// The local driver knows `type`, `o`, `device` and `size`.
    pub options: BTreeMap<String, String>,
}

/// A file system in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TmpfsMount {
    /// 0: half of the memory, the kernel's default.
    pub size_bytes: i64,
    /// Permission bits of the root directory; `None`: 1777.
    pub mode: Option<u32>,
}
