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
const PAYLOAD_NETWORK_HEADER: u32 = 1;
const IPV4_SOURCE_OFFSET: u32 = 12;
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
        self.push("payload", |data| {
            data.number(1, REGISTER);
            data.number(2, PAYLOAD_NETWORK_HEADER);
            data.number(3, IPV4_SOURCE_OFFSET);
            data.number(4, 4);
        })
        .masked(netmask.octets())
        .compared(Compare::Equal, &network.octets())
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
