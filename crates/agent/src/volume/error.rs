//! What goes wrong with volumes, in Docker's words.

use std::path::PathBuf;

/// Why a volume cannot be made, found, used or removed.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    #[error("get {name}: no such volume")]
    NotFound { name: String },
    #[error("remove {name}: volume is in use - [{container}]")]
    InUse { name: String, container: String },
    #[error("create {name}: volume name is too short, names should be at least two alphanumeric characters")]
    ShortName { name: String },
    #[error(
        "create {name}: {name:?} includes invalid characters for a local volume name, only \
         \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
    )]
    Name { name: String },
    #[error("create {name}: error looking up volume plugin {driver}: plugin {driver:?} not found")]
    Driver { name: String, driver: String },
    #[error("create {name}: invalid option: {option:?}")]
    Option { name: String, option: String },
    #[error("create {name}: missing required option: {option:?}")]
    MissingOption { name: String, option: &'static str },
    #[error("create {name}: quota size requested but no quota support")]
    Quota { name: String },
    #[error("the volume {name} has a description that cannot be read: {path}")]
    Damaged { name: String, path: PathBuf, source: serde_json::Error },
    #[error("cannot {doing} {path}")]
    Storage { doing: &'static str, path: PathBuf, source: std::io::Error },
    #[error(
        "error while mounting volume '{path}': failed to mount local volume: mount {device}:{path}, data: {data}"
    )]
    Mount { device: String, path: PathBuf, data: String, source: std::io::Error },
    #[error("the volume {name} names the address {address:?}, which cannot be resolved")]
    Address { name: String, address: String, source: std::io::Error },
    #[error("cannot fill the volume {name} with the content of the image")]
    Fill { name: String, source: std::io::Error },
}
