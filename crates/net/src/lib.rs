//! The data plane of one node: network namespaces, links, addresses and packet rules, programmed by
//! netlink and nothing else.
//!
//! It performs; it decides little. [`Host`] keeps the node's bridge and attaches tasks to it,
//! [`addresses`] says which address is next, [`resolv`] and [`hosts`] compute a container's files, and
//! [`probe`] tells what this kernel lacks. All state is in the kernel, found again by name, so the
//! agent may die at any instant. Overlay networks are not here.
//!
//! Read next: `host.rs` for the picture, `port.rs` for one task's link, `nft/ruleset.rs` for the rules.

pub mod addresses;
mod bridge;
mod config;
mod error;
mod host;
pub mod hosts;
mod mac;
mod netlink;
mod netns;
mod nft;
mod port;
pub mod probe;
mod publish;
pub mod resolv;
mod subnet;
mod sysctl;
mod thread;

pub use config::{Config, ConfigError};
pub use error::NetError;
pub use host::{Attachment, Found, Host};
pub use mac::Mac;
pub use publish::{Published, Transport};
pub use subnet::{Subnet, SubnetError};

#[cfg(test)]
mod tests;
