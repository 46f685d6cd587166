//! One IPv4 subnet together with the gateway address the host holds in it.
//!
//! Pure arithmetic: which addresses belong to it, which of them a task may have, and whether another
//! prefix overlaps it. Which address goes to which task is decided in [`crate::addresses`]; putting
//! addresses on interfaces is [`crate::Host`]'s work.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// The longest prefix that still leaves room for the gateway and some tasks.
const PREFIX_MAX: u8 = 29;
/// The shortest prefix accepted: a /8 is the largest private block there is.
const PREFIX_MIN: u8 = 8;

/// A subnet written the way an interface address is: `172.31.0.1/16` is the network `172.31.0.0/16`
/// whose gateway is `172.31.0.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    gateway: Ipv4Addr,
    prefix: u8,
}

/// Why a text or a pair of numbers is not a subnet Skep can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubnetError {
    /// The text is not `address/prefix`.
    #[error("{text:?} is not an IPv4 gateway address with a prefix, such as 172.31.0.1/16")]
    Malformed { text: String },
    /// The prefix is outside 8 to 29.
    #[error("the prefix of {gateway}/{prefix} is outside {PREFIX_MIN} to {PREFIX_MAX}")]
    Prefix { gateway: Ipv4Addr, prefix: u8 },
    /// The gateway is the network's own address or its broadcast address.
    #[error("{gateway} is no host address of its own subnet /{prefix}, so it cannot be a gateway")]
    Gateway { gateway: Ipv4Addr, prefix: u8 },
    /// The block cannot be routed to a container at all.
    #[error("{gateway}/{prefix} is a loopback, link-local, multicast or reserved block")]
    Special { gateway: Ipv4Addr, prefix: u8 },
}

impl Subnet {
    /// Checks and builds the subnet that contains `gateway`.
    pub fn new(gateway: Ipv4Addr, prefix: u8) -> Result<Self, SubnetError> {
        if !(PREFIX_MIN..=PREFIX_MAX).contains(&prefix) {
            return Err(SubnetError::Prefix { gateway, prefix });
        }
        let first = gateway.octets()[0];
        if first == 0 || first >= 224 || gateway.is_loopback() || gateway.is_link_local() {
            return Err(SubnetError::Special { gateway, prefix });
        }
        let subnet = Self { gateway, prefix };
        if gateway == subnet.network() || gateway == subnet.broadcast() {
            return Err(SubnetError::Gateway { gateway, prefix });
        }
        Ok(subnet)
    }

    /// The address the host's bridge holds, and every task's default route.
    pub fn gateway(&self) -> Ipv4Addr {
        self.gateway
    }

    /// The number of leading bits that all its addresses share.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The network address: the gateway with all host bits cleared.
    pub fn network(&self) -> Ipv4Addr {
        network_of(self.gateway, self.prefix)
    }

    /// The broadcast address: all host bits set.
    pub fn broadcast(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.gateway) | !u32::from(self.netmask()))
    }

    /// The network mask.
    pub fn netmask(&self) -> Ipv4Addr {
        Ipv4Addr::from(mask(self.prefix))
    }

    /// Tells whether a task may have `address`: inside, and neither network, broadcast nor gateway.
    pub fn assignable(&self, address: Ipv4Addr) -> bool {
        network_of(address, self.prefix) == self.network()
            && address != self.network()
            && address != self.broadcast()
            && address != self.gateway
    }

    /// Tells whether any address is in both this subnet and `address/prefix`.
    pub fn overlaps(&self, address: Ipv4Addr, prefix: u8) -> bool {
        let shared = prefix.min(self.prefix);
        network_of(address, shared) == network_of(self.gateway, shared)
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0)
}

/// Returns `address` with everything behind the first `prefix` bits cleared.
pub(crate) fn network_of(address: Ipv4Addr, prefix: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(address) & mask(prefix))
}

/// Writes the network, not the gateway: `172.31.0.0/16`.
impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network(), self.prefix)
    }
}

impl FromStr for Subnet {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let malformed = || SubnetError::Malformed { text: text.to_owned() };
        let (gateway, prefix) = text.split_once('/').ok_or_else(malformed)?;
        Self::new(gateway.parse().map_err(|_| malformed())?, prefix.parse().map_err(|_| malformed())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn a_subnet_is_written_as_its_gateway_and_shown_as_its_network() {
        let subnet = subnet("172.31.4.1/20");
        assert_eq!(subnet.to_string(), "172.31.0.0/20");
        assert_eq!(subnet.gateway(), Ipv4Addr::new(172, 31, 4, 1));
        assert_eq!(subnet.broadcast(), Ipv4Addr::new(172, 31, 15, 255));
        assert_eq!(subnet.netmask(), Ipv4Addr::new(255, 255, 240, 0));
    }

    #[test]
    fn network_broadcast_gateway_and_strangers_are_not_assignable() {
        let subnet = subnet("10.9.8.1/24");
        for (last, assignable) in [(0, false), (1, false), (2, true), (254, true), (255, false)] {
            assert_eq!(subnet.assignable(Ipv4Addr::new(10, 9, 8, last)), assignable, "{last}");
        }
        assert!(!subnet.assignable(Ipv4Addr::new(10, 9, 9, 7)));
    }

    #[test]
    fn overlap_is_seen_from_both_sides() {
        let subnet = subnet("172.31.0.1/16");
        for (address, prefix, overlaps) in [
            ([172, 31, 0, 0], 16, true),
            ([172, 31, 200, 0], 24, true),
            ([172, 16, 0, 0], 12, true),
            ([172, 31, 9, 9], 32, true),
            ([0, 0, 0, 0], 0, true),
            ([172, 30, 0, 0], 16, false),
            ([10, 0, 0, 0], 8, false),
        ] {
            assert_eq!(subnet.overlaps(Ipv4Addr::from(address), prefix), overlaps, "{address:?}/{prefix}");
        }
    }

    #[test]
    fn unusable_texts_say_why() {
        for (text, sentence) in [
            (
                "172.31.0.1",
                "\"172.31.0.1\" is not an IPv4 gateway address with a prefix, such as 172.31.0.1/16",
            ),
            (
                "fd00::1/64",
                "\"fd00::1/64\" is not an IPv4 gateway address with a prefix, such as 172.31.0.1/16",
            ),
            ("10.0.0.1/30", "the prefix of 10.0.0.1/30 is outside 8 to 29"),
            ("10.0.0.0/24", "10.0.0.0 is no host address of its own subnet /24, so it cannot be a gateway"),
            (
                "10.0.0.255/24",
                "10.0.0.255 is no host address of its own subnet /24, so it cannot be a gateway",
            ),
            ("127.0.0.1/16", "127.0.0.1/16 is a loopback, link-local, multicast or reserved block"),
            ("169.254.0.1/16", "169.254.0.1/16 is a loopback, link-local, multicast or reserved block"),
            ("239.0.0.1/16", "239.0.0.1/16 is a loopback, link-local, multicast or reserved block"),
        ] {
            assert_eq!(text.parse::<Subnet>().unwrap_err().to_string(), sentence);
        }
    }
}
