//! What the data plane of a node is called and which addresses it has: given once, checked before use.
//!
//! The kernel cuts or misreads unsuitable names silently, so they are refused here. Whether the names and
//! addresses are free on this host is found out by [`crate::Host::open`].

use std::path::PathBuf;

use crate::subnet::Subnet;

/// The longest interface name the kernel takes (`IFNAMSIZ` less its terminating zero).
const INTERFACE_NAME_MAX: usize = 15;
/// Longer table names would be legal, but nobody could read them in a listing.
const TABLE_NAME_MAX: usize = 64;
/// Task ids have 25 characters; the kernel's limit for the name derived from an id is 122.
const ID_MAX: usize = 64;
/// Leaves room for an id behind it in a path.
const DIRECTORY_MAX: usize = 3072;

/// The settings of one [`crate::Host`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The bridge's interface name, at most 15 bytes.
    pub bridge: String,
    /// The subnet of the bridge; its gateway address is the bridge's own.
    pub subnet: Subnet,
    /// The directory that holds one mount point per network namespace; absolute, created if missing.
    pub netns_dir: PathBuf,
    /// The name of the nftables table (family `ip`) that belongs to this host alone.
    pub table: String,
}

/// Why a [`Config`] or the id of an attachment cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "the bridge name {name:?} must have 1 to {INTERFACE_NAME_MAX} of: letters, digits, '.', '_', '-'"
    )]
    Bridge { name: String },
    #[error(
        "the nftables table name {name:?} must have 1 to {TABLE_NAME_MAX} letters, digits or '_', a letter first"
    )]
    Table { name: String },
    #[error("the namespace directory {path} must be absolute and have at most {DIRECTORY_MAX} bytes")]
    Directory { path: PathBuf },
    #[error("the id {id:?} must have 1 to {ID_MAX} letters, digits, '_', '-' or '.', and not start with '.'")]
    Id { id: String },
}

impl Config {
    /// The bridge `skep0` and the table `skep`, with namespaces below `netns_dir`.
    pub fn new(subnet: Subnet, netns_dir: impl Into<PathBuf>) -> Self {
        Self { bridge: "skep0".to_owned(), subnet, netns_dir: netns_dir.into(), table: "skep".to_owned() }
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let Self { bridge, subnet: _, netns_dir, table } = self;
        // "all" and "default" are directories of every interface's settings below /proc/sys/net.
        let reserved = [".", "..", "all", "default", "lo"].contains(&bridge.as_str());
        if !plain(bridge, INTERFACE_NAME_MAX) || reserved {
            return Err(ConfigError::Bridge { name: bridge.clone() });
        }
        let starts_well = table.starts_with(|first: char| first.is_ascii_alphabetic());
        if !plain(table, TABLE_NAME_MAX) || table.contains(['.', '-']) || !starts_well {
            return Err(ConfigError::Table { name: table.clone() });
        }
        if !netns_dir.is_absolute() || netns_dir.as_os_str().len() > DIRECTORY_MAX {
            return Err(ConfigError::Directory { path: netns_dir.clone() });
        }
        Ok(())
    }
}

/// Checks an id that becomes a file name and part of an interface's alternative name.
pub(crate) fn validate_id(id: &str) -> Result<(), ConfigError> {
    if plain(id, ID_MAX) && !id.starts_with('.') {
        Ok(())
    } else {
        Err(ConfigError::Id { id: id.to_owned() })
    }
}

fn plain(name: &str, longest: usize) -> bool {
    (1..=longest).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new("172.31.0.1/16".parse().unwrap(), "/run/skep/netns")
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(config().validate(), Ok(()));
    }

    #[test]
    fn names_the_kernel_would_misread_are_refused() {
        for name in ["", "a-name-of-sixteen", "br/0", "br 0", "br%d", "..", "all", "bré"] {
            let config = Config { bridge: name.to_owned(), ..config() };
            assert_eq!(config.validate(), Err(ConfigError::Bridge { name: name.to_owned() }));
        }
        for name in ["", "0skep", "skep-1", "skep table"] {
            let config = Config { table: name.to_owned(), ..config() };
            assert_eq!(config.validate(), Err(ConfigError::Table { name: name.to_owned() }));
        }
        let config = Config { netns_dir: "netns".into(), ..config() };
        assert_eq!(
            config.validate().unwrap_err().to_string(),
            "the namespace directory netns must be absolute and have at most 3072 bytes"
        );
    }

    #[test]
    fn ids_stay_inside_their_directory() {
        assert_eq!(validate_id("5ozjn6s0bkh1rcbl8w8ht0dq1"), Ok(()));
        for id in ["", ".", "..", "../x", "a/b", "a\0b", &"x".repeat(65)] {
            assert!(validate_id(id).is_err(), "{id:?}");
        }
    }
}
