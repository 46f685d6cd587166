//! The node-local bridge: created if missing, repaired if it differs, refused if it is not ours to touch.
//!
//! Ownership is written on the interface itself, as its alias, so that it outlives the agent and an
//! operator sees it in `ip link`. Ports are plugged in by [`crate::port`].

use std::net::Ipv4Addr;

use rtnetlink::packet_route::link::InfoKind;
use rtnetlink::{LinkBridge, LinkMessageBuilder, LinkUnspec};

use crate::config::Config;
use crate::error::{Doing, NetError};
use crate::mac::Mac;
use crate::netlink::{Address, Link, Netlink, Route, delete_link};
use crate::subnet::network_of;
use crate::sysctl;

/// The alias by which Skep recognises its bridge.
pub(crate) const ALIAS: &str = "bridge of Skep";

/// Ethernet's own; what lies behind the next router rarely takes more.
const MTU_MAX: u32 = 1500;
/// Every IPv4 host takes packets of this size.
const MTU_MIN: u32 = 576;

/// What the host's network looks like before anything is changed.
struct Survey {
    links: Vec<Link>,
    addresses: Vec<Address>,
    routes: Vec<Route>,
}

/// Makes the bridge be there, with its address, up; changes nothing if it already is.
pub(crate) async fn ensure(netlink: &Netlink, config: &Config) -> Result<(), NetError> {
    let survey = survey(netlink).await?;
    let existing = survey.links.iter().find(|link| link.is_called(&config.bridge));
    if let Some(link) = existing {
        survey.check_owned(link, config)?;
    }
    survey.check_overlap(existing, config)?;
    let index = match existing {
        Some(link) => {
            drop_other_addresses(netlink, &survey, link, config).await?;
            link.index
        }
        None => create(netlink, config).await?,
    };
    // Before the interface comes up, or it would announce itself by IPv6 first.
    sysctl::set_if_present(&format!("ipv6/conf/{}/disable_ipv6", config.bridge), "1")?;
    let mac = Mac::of(config.subnet.gateway());
    let wanted = LinkUnspec::new_with_index(index).alias(ALIAS).address(mac.bytes().to_vec());
    netlink
        .set_link(wanted.mtu(survey.mtu()).up().build())
        .await
        .doing("set up the bridge", &config.bridge)?;
    netlink
        .put_address(index, config.subnet.gateway(), config.subnet.prefix())
        .await
        .doing("give the gateway address to the bridge", &config.bridge)
}

/// Deletes the bridge if it is Skep's; absent is a success.
pub(crate) async fn remove(netlink: &Netlink, config: &Config) -> Result<(), NetError> {
    let link = netlink.link(&config.bridge).await.doing("look up the bridge", &config.bridge)?;
    if let Some(link) = link.filter(Link::is_our_bridge) {
        delete_link(link.index).await.doing("delete the bridge", &config.bridge)?;
    }
    Ok(())
}

async fn create(netlink: &Netlink, config: &Config) -> Result<u32, NetError> {
    // A fixed address: a bridge without one takes over that of a port and changes it as ports come and go.
    let mac = Mac::of(config.subnet.gateway());
    let message = LinkMessageBuilder::<LinkBridge>::new(&config.bridge).address(mac.bytes().to_vec());
    netlink.add_link(message.build()).await.doing("create the bridge", &config.bridge)?;
    let link = netlink.link(&config.bridge).await.doing("look up the bridge", &config.bridge)?;
    match link {
        Some(link) => Ok(link.index),
        None => {
            Err(std::io::Error::from(std::io::ErrorKind::NotFound)).doing("find the bridge", &config.bridge)
        }
    }
}

/// A bridge of an earlier configuration without ports simply changes its address.
async fn drop_other_addresses(
    netlink: &Netlink,
    survey: &Survey,
    link: &Link,
    config: &Config,
) -> Result<(), NetError> {
    for other in survey.other_addresses(link, config) {
        netlink.delete_address(other.clone()).await.doing("take its old address from", &config.bridge)?;
    }
    Ok(())
}

async fn survey(netlink: &Netlink) -> Result<Survey, NetError> {
    const HOST: &str = "of the host";
    Ok(Survey {
        links: netlink.links().await.doing("list the interfaces", HOST)?,
        addresses: netlink.addresses().await.doing("list the addresses", HOST)?,
        routes: netlink.routes().await.doing("list the routes", HOST)?,
    })
}

impl Link {
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.alternative_names.iter().any(|other| other == name)
    }

    fn is_our_bridge(&self) -> bool {
        self.kind == Some(InfoKind::Bridge) && self.alias.as_deref() == Some(ALIAS)
    }
}

impl Survey {
    /// Refuses an interface of that name which Skep did not make, or cannot change without harm.
    fn check_owned(&self, link: &Link, config: &Config) -> Result<(), NetError> {
        let taken = |holder| NetError::BridgeTaken { bridge: config.bridge.clone(), holder };
        let ports = self.links.iter().filter(|port| port.controller == Some(link.index)).count();
        let other = self.other_addresses(link, config).next();
        match &link.kind {
            Some(InfoKind::Bridge) if link.is_our_bridge() => match other {
                Some(other) if ports > 0 => Err(NetError::BridgeInUse {
                    bridge: config.bridge.clone(),
                    address: format!("{}/{}", other.address, other.prefix),
                    ports,
                }),
                _ => Ok(()),
            },
            // Bare: the agent died between making the bridge and signing it.
            Some(InfoKind::Bridge) if ports == 0 && other.is_none() => Ok(()),
            Some(InfoKind::Bridge) => Err(taken("a bridge that Skep did not create".to_owned())),
            Some(kind) => Err(taken(format!("an interface of kind {kind}"))),
            None => Err(taken("a physical interface".to_owned())),
        }
    }

    /// Refuses a subnet that the host reaches by some other way.
    fn check_overlap(&self, bridge: Option<&Link>, config: &Config) -> Result<(), NetError> {
        let bridge = bridge.map(|link| link.index);
        let overlaps = |prefix: u8, address: Ipv4Addr| config.subnet.overlaps(address, prefix);
        let address = self
            .addresses
            .iter()
            .find(|found| Some(found.link) != bridge && overlaps(found.prefix, found.address))
            .map(|found| {
                let interface = self.name(Some(found.link));
                format!("the address {}/{} of the interface {interface}", found.address, found.prefix)
            });
        let route = || {
            let taken = self.routes.iter().find(|found| {
                // The default route covers everything and collides with nothing.
                found.prefix > 0
                    && (found.link.is_none() || found.link != bridge)
                    && overlaps(found.prefix, found.destination)
            })?;
            let network = network_of(taken.destination, taken.prefix);
            Some(format!("the route to {network}/{} by {}", taken.prefix, self.name(taken.link)))
        };
        match address.or_else(route) {
            None => Ok(()),
            Some(other) => {
                Err(NetError::Overlap { subnet: config.subnet, bridge: config.bridge.clone(), other })
            }
        }
    }

    /// The packet size for the bridge: what the way to the outside takes, because a path that drops
    /// larger packets in silence (a tunnel, many clouds) stalls every large transfer.
    fn mtu(&self) -> u32 {
        let outside = self.routes.iter().filter(|route| route.prefix == 0).filter_map(|route| route.link);
        let sizes = outside.filter_map(|index| self.links.iter().find(|link| link.index == index));
        sizes.map(|link| link.mtu).min().unwrap_or(MTU_MAX).clamp(MTU_MIN, MTU_MAX)
    }

    fn other_addresses<'a>(
        &'a self,
        link: &'a Link,
        config: &'a Config,
    ) -> impl Iterator<Item = &'a Address> + 'a {
        self.addresses.iter().filter(move |found| {
            found.link == link.index
                && (found.address != config.subnet.gateway() || found.prefix != config.subnet.prefix())
        })
    }

    fn name(&self, index: Option<u32>) -> &str {
        let link = self.links.iter().find(|link| Some(link.index) == index);
        link.map_or("no interface", |link| &link.name)
    }
}
