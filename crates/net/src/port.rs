//! A task's place on the bridge: a veth pair, one end a port of the bridge, the other `eth0` inside the
//! task's namespace with an address and the default route.
//!
//! All memory is in the kernel. The host's end is named after the address and has a second name made of
//! the id; both are unique by the kernel's own rule, so an address or an id can never be attached twice,
//! and after a restart the pair tells who it belongs to. Making a port again repairs it.

use std::io;
use std::net::Ipv4Addr;

use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVeth};
use rtnetlink::{LinkMessageBuilder, LinkUnspec, LinkVeth};

use crate::config::Config;
use crate::error::{Doing, NetError};
use crate::mac::Mac;
use crate::netlink::{Link, Netlink, delete_link};
use crate::netns::Inside;

/// The container's interface.
const CONTAINER_INTERFACE: &str = "eth0";
const LOOPBACK: &str = "lo";
/// Followed by the address in hexadecimal: `skac1f0005` is 172.31.0.5.
const NAME_PREFIX: &str = "sk";
/// Followed by the id.
const OWNER_PREFIX: &str = "skep-";

/// The identity of a port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Port<'a> {
    pub id: &'a str,
    pub address: Ipv4Addr,
}

/// What is there before a port is made.
struct Seen {
    bridge: Link,
    /// The host's end that carries the id.
    signed: Option<Link>,
    /// The host's end that carries the address.
    named: Option<Link>,
    /// The inner end.
    container: Option<u32>,
}

impl Port<'_> {
    /// The name of the host's end.
    pub(crate) fn interface(&self) -> String {
        format!("{NAME_PREFIX}{:08x}", u32::from(self.address))
    }

    /// Makes the port exist and work: new, found intact, or repaired.
    pub(crate) async fn ensure(
        &self,
        host: &Netlink,
        inside: &Inside,
        config: &Config,
    ) -> Result<(), NetError> {
        let seen = self.look(host, &inside.netlink, &config.bridge).await?;
        let container = match self.adopt(host, &seen).await? {
            Some(container) => container,
            None => self.create(host, inside, &seen).await?,
        };
        self.configure(&inside.netlink, container, config).await
    }

    async fn look(&self, host: &Netlink, inside: &Netlink, bridge: &str) -> Result<Seen, NetError> {
        let (name, owner) = (self.interface(), owner_name(self.id));
        let (bridge, signed, named, container) = tokio::try_join!(
            existing(host, bridge),
            lookup(host, &owner),
            lookup(host, &name),
            lookup(inside, CONTAINER_INTERFACE),
        )?;
        Ok(Seen { bridge, signed, named, container: container.map(|link| link.index) })
    }

    /// Takes over the pair that belongs to this id; returns its inner end if both ends are there.
    async fn adopt(&self, host: &Netlink, seen: &Seen) -> Result<Option<u32>, NetError> {
        let Some(port) = &seen.signed else { return Ok(None) };
        if let Some(attached) = address_of(&port.name)
            && attached != self.address
        {
            return Err(NetError::AttachedOtherwise {
                id: self.id.to_owned(),
                attached,
                wanted: self.address,
            });
        }
        let Some(container) = seen.container else {
            // The other end is in a namespace that lost its name: nobody can use it any more.
            delete(port).await?;
            return Ok(None);
        };
        if port.controller != Some(seen.bridge.index) || !port.up {
            let plugged = LinkUnspec::new_with_index(port.index).controller(seen.bridge.index).up();
            host.set_link(plugged.build()).await.doing("plug into the bridge the interface", &port.name)?;
        }
        Ok(Some(container))
    }

    async fn create(&self, host: &Netlink, inside: &Inside, seen: &Seen) -> Result<u32, NetError> {
        let name = self.interface();
        if seen.signed.is_none()
            && let Some(holder) = &seen.named
        {
            self.clear(holder, seen.bridge.index).await?;
        }
        let inner = LinkUnspec::new_with_name(CONTAINER_INTERFACE)
            .address(Mac::of(self.address).bytes().to_vec())
            .mtu(seen.bridge.mtu)
            .setns_by_fd(inside.number());
        let pair = LinkMessageBuilder::<LinkVeth>::new_with_info_kind(InfoKind::Veth)
            .name(&name)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(inner.build())))
            .mtu(seen.bridge.mtu)
            .controller(seen.bridge.index)
            .up();
        host.add_link(pair.build()).await.doing("create the interface", &name)?;
        let (port, container) =
            tokio::try_join!(existing(host, &name), existing(&inside.netlink, CONTAINER_INTERFACE))?;
        let signed = host.add_alternative_name(port.index, &owner_name(self.id)).await;
        signed.doing("sign the interface", &name)?;
        Ok(container.index)
    }

    /// Deletes a pair of this address that was never signed, because its agent died; refuses any other.
    async fn clear(&self, holder: &Link, bridge: u32) -> Result<(), NetError> {
        let in_use =
            |holder| NetError::AddressInUse { address: self.address, holder, id: self.id.to_owned() };
        if let Some(id) = owner_of(holder) {
            return Err(in_use(format!("the task {id}")));
        }
        let loose = holder.controller.is_none_or(|controller| controller == bridge);
        if holder.kind == Some(InfoKind::Veth) && loose {
            return delete(holder).await;
        }
        Err(in_use(format!("the interface {}, which is not Skep's", holder.name)))
    }

    /// Sets everything inside the namespace; each step leaves alone what is right already.
    async fn configure(&self, inside: &Netlink, container: u32, config: &Config) -> Result<(), NetError> {
        let object = format!("the network of {}", self.id);
        let loopback = LinkUnspec::new_with_name(LOOPBACK).up().build();
        // The kernel refuses to create this end up, because at that moment it has no other end.
        let interface = LinkUnspec::new_with_index(container).up().build();
        // One connection keeps the order in which requests are first polled, so they need not wait for
        // each other's answers: the route finds its interface up and its gateway on-link.
        let (loopback, interface, address, route) = tokio::join!(
            biased;
            inside.set_link(loopback),
            inside.set_link(interface),
            inside.put_address(container, self.address, config.subnet.prefix()),
            inside.put_default_route(container, config.subnet.gateway()),
        );
        loopback.doing("bring up the loopback in", &object)?;
        interface.doing("bring up the interface in", &object)?;
        address.doing("set the address in", &object)?;
        route.doing("set the default route in", &object)
    }
}

/// Deletes the pair of `id`; none is a success.
pub(crate) async fn remove(host: &Netlink, id: &str) -> Result<(), NetError> {
    match lookup(host, &owner_name(id)).await? {
        None => Ok(()),
        Some(port) => delete(&port).await,
    }
}

/// Lists the ports of the bridge with their owners. A port without an owner was left half made by an
/// agent that died; [`sweep`] deletes it.
pub(crate) async fn list(host: &Netlink, bridge: &str) -> Result<Vec<(String, Ipv4Addr)>, NetError> {
    let ports = ports(host, bridge).await?;
    Ok(ports.iter().filter_map(|port| Some((owner_of(port)?.to_owned(), address_of(&port.name)?))).collect())
}

/// Deletes the ports that were never finished.
pub(crate) async fn sweep(host: &Netlink, bridge: &str) -> Result<(), NetError> {
    for port in ports(host, bridge).await? {
        if owner_of(&port).is_none() && address_of(&port.name).is_some() {
            delete(&port).await?;
        }
    }
    Ok(())
}

async fn ports(host: &Netlink, bridge: &str) -> Result<Vec<Link>, NetError> {
    let mut links = host.links().await.doing("list the ports of", bridge)?;
    let bridge = links.iter().find(|link| link.name == bridge).map(|link| link.index);
    links.retain(|link| bridge.is_some() && link.controller == bridge);
    Ok(links)
}

async fn lookup(netlink: &Netlink, name: &str) -> Result<Option<Link>, NetError> {
    netlink.link(name).await.doing("look up the interface", name)
}

/// As [`lookup`], for an interface that must be there.
async fn existing(netlink: &Netlink, name: &str) -> Result<Link, NetError> {
    let link = lookup(netlink, name).await?;
    link.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)).doing("find the interface", name)
}

async fn delete(port: &Link) -> Result<(), NetError> {
    delete_link(port.index).await.doing("delete the interface", &port.name)
}

fn owner_name(id: &str) -> String {
    format!("{OWNER_PREFIX}{id}")
}

fn owner_of(port: &Link) -> Option<&str> {
    port.alternative_names.iter().find_map(|name| name.strip_prefix(OWNER_PREFIX))
}

/// Reads the address back from the name of a host's end.
fn address_of(interface: &str) -> Option<Ipv4Addr> {
    let digits = interface.strip_prefix(NAME_PREFIX).filter(|digits| digits.len() == 8)?;
    u32::from_str_radix(digits, 16).ok().map(Ipv4Addr::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_name_holds_its_address() {
        let address = Ipv4Addr::new(172, 31, 0, 5);
        let name = Port { id: "web", address }.interface();
        assert_eq!(name, "skac1f0005");
        assert_eq!(address_of(&name), Some(address));
        for stranger in ["skep0", "sk", "skac1f00055", "skzzzzzzzz", "eth0"] {
            assert_eq!(address_of(stranger), None, "{stranger}");
        }
    }
}
