//! Everything that can go wrong between the agent and the kernel's network, in one enum.
//!
//! Most failures are a kernel call that was refused ([`NetError::Kernel`]); the other variants are the
//! situations an operator can resolve, so their text says how.

use std::io;
use std::net::Ipv4Addr;

use crate::config::ConfigError;
use crate::publish::Transport;
use crate::subnet::Subnet;

/// A failed operation of the data plane.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// A name, path or id is unusable.
    #[error("the network settings are invalid")]
    Config(#[source] ConfigError),
    /// The subnet collides with an address or a route of the host.
    #[error("the subnet {subnet} of the bridge {bridge} overlaps {other}: choose a subnet that is free")]
    Overlap { subnet: Subnet, bridge: String, other: String },
    /// The bridge's name belongs to something Skep did not create.
    #[error("the interface name {bridge} is taken by {holder}: remove that, or choose another bridge name")]
    BridgeTaken { bridge: String, holder: String },
    /// The table's name belongs to something else.
    #[error(
        "the nftables table ip {table} is taken by {}: remove that, or choose another table name",
        holder_of_table(holder)
    )]
    TableTaken { table: String, holder: String },
    /// The bridge has another address and tasks that depend on it.
    #[error(
        "the bridge {bridge} still has the address {address}, which {ports} of its ports depend on: restore that subnet, or remove the tasks first"
    )]
    BridgeInUse { bridge: String, address: String, ports: usize },
    /// Somebody holds this very address already.
    #[error("the address {address} is attached to {holder}, so {id} cannot have it")]
    AddressInUse { address: Ipv4Addr, holder: String, id: String },
    /// The id is attached, with a different address.
    #[error("{id} is attached with the address {attached}, not {wanted}: detach it first")]
    AttachedOtherwise { id: String, attached: Ipv4Addr, wanted: Ipv4Addr },
    /// The address is not one a task of the subnet may have.
    #[error("the address {address} cannot be given to a task of the subnet {subnet}")]
    NotAssignable { address: Ipv4Addr, subnet: Subnet },
    /// Another call works on the same id at this moment.
    #[error("another operation on the network of {id} is under way")]
    Busy { id: String },
    /// A port is published already, or a program of this host listens there.
    #[error(
        "the port {port}/{transport} of this node is taken by {holder}: choose another, or stop that first"
    )]
    PortTaken { port: u16, transport: Transport, holder: String },
    /// More ports than one table is meant to hold.
    #[error("this node has {count} published ports, which is as many as it can have")]
    TooManyPorts { count: usize },
    /// The kernel refused, or did not answer in time.
    #[error("cannot {operation} {object}")]
    Kernel {
        operation: &'static str,
        object: String,
        #[source]
        source: io::Error,
    },
    /// A removal went on past its failures; each is given with its whole chain of causes.
    #[error("cannot remove all of {object}: {}", causes.join("; "))]
    Incomplete { object: String, causes: Vec<String> },
}

impl NetError {
    /// Tells whether the same call may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::Incomplete { .. } => true,
            Self::Kernel { source, .. } => matches!(
                source.kind(),
                io::ErrorKind::TimedOut
                    | io::ErrorKind::WouldBlock
                    | io::ErrorKind::Interrupted
                    | io::ErrorKind::OutOfMemory
                    | io::ErrorKind::ResourceBusy
                    // ENOSPC is what the kernel answers when its limit of namespaces is reached.
                    | io::ErrorKind::StorageFull
            ),
            _ => false,
        }
    }
}

impl From<ConfigError> for NetError {
    fn from(source: ConfigError) -> Self {
        Self::Config(source)
    }
}

/// Names the operation and its object on a bare error of the kernel.
pub(crate) trait Doing<T> {
    fn doing(self, operation: &'static str, object: impl std::fmt::Display) -> Result<T, NetError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, operation: &'static str, object: impl std::fmt::Display) -> Result<T, NetError> {
        self.map_err(|source| NetError::Kernel {
            operation,
            object: object.to_string(),
            source: source.into(),
        })
    }
}

fn holder_of_table(comment: &str) -> String {
    if comment.is_empty() { "something Skep did not create".to_owned() } else { format!("{comment:?}") }
}

/// Collects what goes wrong while something is taken apart, so that the rest is still removed.
pub(crate) struct Removal {
    object: String,
    causes: Vec<String>,
}

impl Removal {
    pub(crate) fn of(object: impl Into<String>) -> Self {
        Self { object: object.into(), causes: Vec::new() }
    }

    /// Notes a failure; a success passes through.
    pub(crate) fn note<T>(&mut self, result: Result<T, NetError>) -> Option<T> {
        result.map_err(|error| self.causes.push(chain(&error))).ok()
    }

    pub(crate) fn finish(self) -> Result<(), NetError> {
        let Self { object, causes } = self;
        if causes.is_empty() { Ok(()) } else { Err(NetError::Incomplete { object, causes }) }
    }
}

/// Writes an error and all its sources as one sentence.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_reports_every_cause_with_its_chain() {
        let mut removal = Removal::of("task-1");
        assert_eq!(removal.note(Ok(1)), Some(1));
        let refused: io::Result<()> = Err(io::Error::from_raw_os_error(1));
        removal.note(refused.doing("unmount", "/run/x"));
        removal.note::<()>(Err(NetError::Busy { id: "task-1".into() }));
        let error = removal.finish().unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot remove all of task-1: cannot unmount /run/x: Operation not permitted (os error 1); \
             another operation on the network of task-1 is under way"
        );
        assert!(error.is_transient());
    }

    #[test]
    fn a_clean_removal_is_a_success() {
        assert!(Removal::of("task-1").finish().is_ok());
    }
}
