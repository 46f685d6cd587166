//! The bridge belongs to one daemon at a time.
//!
//! The claim is an abstract unix socket: such names are per network namespace, as bridges are, and end
//! with the process that holds them, however it ends.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

/// Why the bridge cannot be claimed.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    #[error(
        "the bridge {0} belongs to another running skep daemon; give this one another --bridge and --bip"
    )]
    Taken(String),
    #[error("cannot claim the bridge {bridge}")]
    Io { bridge: String, source: io::Error },
}

/// A claimed bridge, for as long as this lives.
#[derive(Debug)]
pub struct Claim(#[expect(dead_code, reason = "held only for its name")] UnixListener);

impl Claim {
    pub fn of(bridge: &str) -> Result<Claim, ClaimError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ClaimError::Taken(bridge.to_owned()),
            _ => ClaimError::Io { bridge: bridge.to_owned(), source },
        };
        let name = SocketAddr::from_abstract_name(format!("skep-bridge-{bridge}")).map_err(failed)?;
        UnixListener::bind_addr(&name).map(Claim).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_daemon_per_bridge() {
        let name = format!("test{}", std::process::id());
        let claim = Claim::of(&name).unwrap();
        assert!(matches!(Claim::of(&name), Err(ClaimError::Taken(_))));
        drop(claim);
        Claim::of(&name).unwrap();
    }
}
