//! Ports of this host that lead into a container.
//!
//! The packet rules do the work; beside them a socket keeps each port from the programs of this host, so that a port
//! that is taken is noticed at once, on either side. The sockets end with the process, the rules do not: after a
//! restart the caller says again what is published ([`crate::Host::open`] begins with nothing).

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, SocketAddrV4, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt,
};

use crate::error::NetError;

/// How many rules a table of ours may have for ports; a netlink message per rule must fit into one transaction.
const PORTS_MAX: usize = 4096;

/// A protocol with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    /// The protocol's number in IP.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A port of this host and what is behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Published {
    pub transport: Transport,
    /// 0 in a wish: the kernel chooses one.
    pub host_port: u16,
    pub address: Ipv4Addr,
    pub container_port: u16,
}

/// What is published, by the id of its container, with the sockets that reserve it.
#[derive(Debug, Default)]
pub(crate) struct Book(BTreeMap<String, Vec<(Published, OwnedFd)>>);

impl Book {
    /// Reserves what `id` wants. On failure nothing of it stays reserved.
    pub(crate) fn reserve(&mut self, id: &str, wishes: &[Published]) -> Result<Vec<Published>, NetError> {
        self.0.remove(id);
        if self.list().len() + wishes.len() > PORTS_MAX {
            return Err(NetError::TooManyPorts { count: PORTS_MAX });
        }
        let mut reserved: Vec<(Published, OwnedFd)> = Vec::new();
        for wish in wishes {
            reserved.push(self.socket(wish)?);
        }
        let published = reserved.iter().map(|(published, _)| *published).collect();
        self.0.insert(id.to_owned(), reserved);
        Ok(published)
    }

    /// Forgets what `id` had, and returns it.
    pub(crate) fn forget(&mut self, id: &str) -> Vec<Published> {
        self.0.remove(id).into_iter().flatten().map(|(published, _)| published).collect()
    }

    /// Returns everything published, in an order that does not change.
    pub(crate) fn list(&self) -> Vec<Published> {
        let mut all: Vec<Published> = self.0.values().flatten().map(|(published, _)| *published).collect();
        all.sort();
        all
    }

    fn socket(&self, wish: &Published) -> Result<(Published, OwnedFd), NetError> {
        match reserve(wish.transport, wish.host_port) {
            Ok((host_port, socket)) => Ok((Published { host_port, ..*wish }, socket)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let same = |published: &Published| {
                    (published.transport, published.host_port) == (wish.transport, wish.host_port)
                };
                let holder = self.0.iter().find(|(_, reserved)| reserved.iter().any(|(port, _)| same(port)));
                let holder = holder.map_or("another program".to_owned(), |(id, _)| format!("task {id}"));
                Err(NetError::PortTaken { port: wish.host_port, transport: wish.transport, holder })
            }
            Err(source) => Err(NetError::Kernel {
                operation: "reserve the port",
                object: format!("{}/{}", wish.host_port, wish.transport),
                source,
            }),
        }
    }
}

fn reserve(transport: Transport, port: u16) -> io::Result<(u16, OwnedFd)> {
    let kind = match transport {
        Transport::Tcp => SocketType::STREAM,
        Transport::Udp => SocketType::DGRAM,
    };
    let socket = socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC, None)?;
    if transport == Transport::Udp {
        // Nothing is read from it; what slips past the rules must not pile up.
        sockopt::set_socket_recv_buffer_size(&socket, 0)?;
    }
    bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))?;
    let bound: SocketAddrV4 = getsockname(&socket)?.try_into()?;
    Ok((bound.port(), socket))
}
