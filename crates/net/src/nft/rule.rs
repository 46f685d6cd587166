//! One nftables rule as the kernel's small expressions, with the constructors Skep's rulesets need.
//!
//! An expression loads something into a register, compares a register, or ends the rule. The text that
//! `nft` prints for each constructor is in its documentation.

use std::net::Ipv4Addr;

use super::wire::Attributes;

// NFTA_RULE_EXPRESSIONS, NFTA_LIST_ELEM, NFTA_EXPR_*: how expressions are listed in a rule.
const RULE_EXPRESSIONS: u16 = 4;
const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const REGISTER_VERDICT: u32 = 0;
const REGISTER: u32 = 1;
const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const CT_STATE: u32 = 0;
const CT_ESTABLISHED_OR_RELATED: u32 = 0b110;
const CT_STATUS: u32 = 2;
const CT_DESTINATION_TRANSLATED: u32 = 1 << 5;
const META_TRANSPORT: u32 = 16;
const PAYLOAD_NETWORK_HEADER: u32 = 1;
const PAYLOAD_TRANSPORT_HEADER: u32 = 2;
const IPV4_SOURCE_OFFSET: u32 = 12;
const IPV4_DESTINATION_OFFSET: u32 = 16;
const DESTINATION_PORT_OFFSET: u32 = 2;
const FIB_BY_DESTINATION: u32 = 1 << 1;
const FIB_ADDRESS_TYPE: u32 = 3;
/// `RTN_LOCAL`
const LOCAL_ADDRESS: u32 = 2;
const NAT_DESTINATION: u32 = 1;
const NAT_IPV4: u32 = 2;
/// Two registers that do not overlap.
const ADDRESS_REGISTER: u32 = 1;
const PORT_REGISTER: u32 = 2;
/// `IFNAMSIZ`: names are compared with all their padding.
const INTERFACE_NAME_SIZE: usize = 16;

#[derive(Clone, Copy)]
#[repr(u32)]
enum Compare {
    Equal = 0,
    NotEqual = 1,
}

/// What happens to a packet the rule matches.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
pub(crate) enum Verdict {
    Drop = 0,
    Accept = 1,
}

/// The expressions of a rule, in the order the kernel evaluates them.
#[derive(Default)]
pub(crate) struct Rule {
    expressions: Vec<Expression>,
}

struct Expression {
    name: &'static str,
    fill: Box<dyn Fn(&mut Attributes<'_>)>,
}

impl Rule {
    /// `iifname "NAME"`
    pub(crate) fn entering_by(self, name: &str) -> Self {
        self.interface(META_IIFNAME, Compare::Equal, name)
    }

    /// `oifname "NAME"`
    pub(crate) fn leaving_by(self, name: &str) -> Self {
        self.interface(META_OIFNAME, Compare::Equal, name)
    }

    /// `oifname != "NAME"`
    pub(crate) fn leaving_elsewhere_than(self, name: &str) -> Self {
        self.interface(META_OIFNAME, Compare::NotEqual, name)
    }

    /// `ip saddr NETWORK/PREFIX`
    pub(crate) fn sent_from(self, network: Ipv4Addr, netmask: Ipv4Addr) -> Self {
        self.payload(PAYLOAD_NETWORK_HEADER, IPV4_SOURCE_OFFSET, 4)
            .masked(netmask.octets())
            .compared(Compare::Equal, &network.octets())
    }

    /// `ip daddr 127.0.0.0/8`
    pub(crate) fn sent_to_loopback(self) -> Self {
        // The kernel compares whole bytes, and so does `nft` for a mask that ends with one.
        self.payload(PAYLOAD_NETWORK_HEADER, IPV4_DESTINATION_OFFSET, 1).compared(Compare::Equal, &[127])
    }

    /// `ip saddr 127.0.0.0/8`
    pub(crate) fn sent_from_loopback(self) -> Self {
        self.payload(PAYLOAD_NETWORK_HEADER, IPV4_SOURCE_OFFSET, 1).compared(Compare::Equal, &[127])
    }

    /// `fib daddr type local`
    pub(crate) fn sent_to_this_machine(self) -> Self {
        self.push("fib", |data| {
            data.number(1, REGISTER);
            data.number(2, FIB_ADDRESS_TYPE);
            data.number(3, FIB_BY_DESTINATION);
        })
        .compared(Compare::Equal, &LOCAL_ADDRESS.to_ne_bytes())
    }

    /// `tcp dport PORT` or `udp dport PORT`, by the protocol's number
    pub(crate) fn sent_to_port(self, protocol: u8, port: u16) -> Self {
        self.push("meta", |data| {
            data.number(1, REGISTER);
            data.number(2, META_TRANSPORT);
        })
        .compared(Compare::Equal, &[protocol])
        .payload(PAYLOAD_TRANSPORT_HEADER, DESTINATION_PORT_OFFSET, 2)
        .compared(Compare::Equal, &port.to_be_bytes())
    }

    /// `ct status dnat`
    pub(crate) fn of_translated_connection(self) -> Self {
        self.push("ct", |data| {
            data.number(1, REGISTER);
            data.number(2, CT_STATUS);
        })
        .masked(CT_DESTINATION_TRANSLATED.to_ne_bytes())
        .compared(Compare::NotEqual, &[0; 4])
    }

    /// `dnat to ADDRESS:PORT`
    pub(crate) fn redirected_to(self, address: Ipv4Addr, port: u16) -> Self {
        self.value(ADDRESS_REGISTER, address.octets().to_vec())
            .value(PORT_REGISTER, port.to_be_bytes().to_vec())
            .push("nat", |data| {
                data.number(1, NAT_DESTINATION);
                data.number(2, NAT_IPV4);
                data.number(3, ADDRESS_REGISTER);
                data.number(5, PORT_REGISTER);
            })
    }

    /// `ct state established,related`
    pub(crate) fn of_known_connection(self) -> Self {
        self.push("ct", |data| {
            data.number(1, REGISTER);
            data.number(2, CT_STATE);
        })
        // The state is in the machine's byte order, as every register that is not packet data.
        .masked(CT_ESTABLISHED_OR_RELATED.to_ne_bytes())
        .compared(Compare::NotEqual, &[0; 4])
    }

    /// `masquerade`
    pub(crate) fn masquerade(self) -> Self {
        self.push("masq", |_| {})
    }

    /// `accept` or `drop`
    pub(crate) fn verdict(self, verdict: Verdict) -> Self {
        self.push("immediate", move |data| {
            data.number(1, REGISTER_VERDICT);
            data.nested(2, |value| value.nested(2, |code| code.number(1, verdict as u32)));
        })
    }

    /// Writes the rule's expressions into a message.
    pub(crate) fn write(&self, message: &mut Attributes<'_>) {
        message.nested(RULE_EXPRESSIONS, |list| {
            for expression in &self.expressions {
                list.nested(LIST_ELEMENT, |element| {
                    element.text(EXPRESSION_NAME, expression.name);
                    element.nested(EXPRESSION_DATA, |data| (expression.fill)(data));
                });
            }
        });
    }

    fn interface(self, key: u32, compare: Compare, name: &str) -> Self {
        let mut padded = [0; INTERFACE_NAME_SIZE];
        padded[..name.len()].copy_from_slice(name.as_bytes());
        self.push("meta", move |data| {
            data.number(1, REGISTER);
            data.number(2, key);
        })
        .compared(compare, &padded)
    }

    fn payload(self, header: u32, offset: u32, length: u32) -> Self {
        self.push("payload", move |data| {
            data.number(1, REGISTER);
            data.number(2, header);
            data.number(3, offset);
            data.number(4, length);
        })
    }

    /// Puts a value into a register.
    fn value(self, register: u32, value: Vec<u8>) -> Self {
        self.push("immediate", move |data| {
            data.number(1, register);
            data.nested(2, |data| data.bytes(1, &value));
        })
    }

    fn masked(self, mask: [u8; 4]) -> Self {
        self.push("bitwise", move |data| {
            data.number(1, REGISTER);
            data.number(2, REGISTER);
            data.number(3, 4);
            data.nested(4, |value| value.bytes(1, &mask));
            data.nested(5, |value| value.bytes(1, &[0; 4]));
        })
    }

    fn compared(self, compare: Compare, value: &[u8]) -> Self {
        let value = value.to_vec();
        self.push("cmp", move |data| {
            data.number(1, REGISTER);
            data.number(2, compare as u32);
            data.nested(3, |data| data.bytes(1, &value));
        })
    }

    fn push(mut self, name: &'static str, fill: impl Fn(&mut Attributes<'_>) + 'static) -> Self {
        self.expressions.push(Expression { name, fill: Box::new(fill) });
        self
    }
}
