//! The table Skep keeps in the host's network namespace: masquerading for what leaves the bridge, and
//! the forwarding its tasks need.
//!
//! The table is replaced as a whole in one transaction, so loading it again repairs whatever happened to
//! it, and running connections notice nothing. [`Ruleset::text`] is the readable form of the same rules;
//! a test compares it with what `nft` reads back from the kernel.
//!
//! A container is not reachable from another machine merely because that machine routes the subnet to
//! this host: new connections reach the bridge from the host itself and from the bridge only, and through
//! the ports that are published. Those lead on from every address of this host, 127.0.0.1 included; the
//! container sees the caller's own address, unless that is one nobody else can answer to.

use std::io;

use super::comment;
use super::exchange::{self, Refused, Transaction};
use super::rule::{Rule, Verdict};
use super::wire::{self, FLAG_APPEND, FLAG_CREATE, Family, Message};
use crate::config::Config;
use crate::publish::Published;

const NF_INET_PREROUTING: u32 = 0;
const NF_INET_FORWARD: u32 = 2;
const NF_INET_OUTPUT: u32 = 3;
const NF_INET_POSTROUTING: u32 = 4;
const PRIORITY_RAW: u32 = (-300i32).cast_unsigned();
const PRIORITY_DESTINATION_NAT: u32 = (-100i32).cast_unsigned();
const PRIORITY_FILTER: u32 = 0;
const PRIORITY_SOURCE_NAT: u32 = 100;
const POLICY_ACCEPT: u32 = 1;

const TABLE_NAME: u16 = 1;
const TABLE_USERDATA: u16 = 6;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;

/// Who made the table of that name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    Nobody,
    /// This host, now or before a restart.
    Us,
    /// Somebody else, with the comment of the table, which may be empty.
    Other(String),
}

/// The rules for one bridge and its subnet, and for the ports published behind it.
pub(crate) struct Ruleset<'a> {
    config: &'a Config,
    published: &'a [Published],
}

impl<'a> Ruleset<'a> {
    pub(crate) fn new(config: &'a Config) -> Self {
        Self { config, published: &[] }
    }

    pub(crate) fn publishing(config: &'a Config, published: &'a [Published]) -> Self {
        Self { config, published }
    }

    /// The rules as `nft --stateless list table` prints them.
    #[cfg(test)]
    pub(crate) fn text(&self) -> String {
        let Config { bridge, subnet, table, .. } = self.config;
        let comment = self.comment();
        let redirect = |port: &Published| {
            let Published { transport, host_port, address, container_port } = port;
            format!(
                "\t\tfib daddr type local {transport} dport {host_port} dnat to {address}:{container_port}\n"
            )
        };
        let redirects: String = self.published.iter().map(redirect).collect();
        let when_published = |text: String| if self.published.is_empty() { String::new() } else { text };
        let before = when_published(format!(
            r#"	chain raw {{
		type filter hook prerouting priority raw; policy accept;
		iifname "{bridge}" ip daddr 127.0.0.0/8 drop
	}}

	chain prerouting {{
		type nat hook prerouting priority dstnat; policy accept;
{redirects}	}}

	chain output {{
		type nat hook output priority -100; policy accept;
{redirects}	}}

"#
        ));
        let back = when_published(format!(
            r#"		ip saddr {subnet} oifname "{bridge}" ct status dnat masquerade
		ip saddr 127.0.0.0/8 oifname "{bridge}" masquerade
"#
        ));
        let forward = when_published(format!("\t\toifname \"{bridge}\" ct status dnat accept\n"));
        format!(
            r#"table ip {table} {{
	comment "{comment}"
{before}	chain postrouting {{
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr {subnet} oifname != "{bridge}" masquerade
{back}	}}

	chain forward {{
		type filter hook forward priority filter; policy accept;
		iifname "{bridge}" accept
		oifname "{bridge}" ct state established,related accept
{forward}		oifname "{bridge}" drop
	}}
}}
"#
        )
    }

    /// Says who holds the table's name at present: us, nobody, or somebody with this comment.
    pub(crate) fn holder(&self) -> io::Result<Holder> {
        let tables = exchange::dump(Message::GetTable, Family::Ipv4, |_| {})?;
        let table = tables.iter().find(|table| wire::text(table, TABLE_NAME) == Some(&self.config.table));
        let comment = table.map(|table| {
            wire::attribute(table, TABLE_USERDATA).and_then(comment::read).unwrap_or_default().to_owned()
        });
        Ok(match comment {
            None => Holder::Nobody,
            Some(comment) if comment == self.comment() => Holder::Us,
            Some(comment) => Holder::Other(comment),
        })
    }

    fn comment(&self) -> String {
        comment::of(&self.config.bridge)
    }

    /// Creates or replaces the table.
    pub(crate) fn load(&self) -> Result<(), Refused> {
        let Config { bridge, subnet, .. } = self.config;
        let mut transaction = self.without_table();
        self.table(&mut transaction);

        self.redirects(&mut transaction);
        self.chain(&mut transaction, "postrouting", "nat", NF_INET_POSTROUTING, PRIORITY_SOURCE_NAT);
        let leaves = Rule::default().sent_from(subnet.network(), subnet.netmask());
        self.rule(&mut transaction, "postrouting", leaves.leaving_elsewhere_than(bridge).masquerade());
        if !self.published.is_empty() {
            // The answer of a neighbour on the bridge, or to 127.0.0.1, must come back through here.
            let neighbour = Rule::default().sent_from(subnet.network(), subnet.netmask()).leaving_by(bridge);
            self.rule(&mut transaction, "postrouting", neighbour.of_translated_connection().masquerade());
            let local = Rule::default().sent_from_loopback().leaving_by(bridge).masquerade();
            self.rule(&mut transaction, "postrouting", local);
        }

        self.chain(&mut transaction, "forward", "filter", NF_INET_FORWARD, PRIORITY_FILTER);
        let sent = Rule::default().entering_by(bridge).verdict(Verdict::Accept);
        let answered = Rule::default().leaving_by(bridge).of_known_connection().verdict(Verdict::Accept);
        let published =
            Rule::default().leaving_by(bridge).of_translated_connection().verdict(Verdict::Accept);
        let published = (!self.published.is_empty()).then_some(published);
        let unasked = Rule::default().leaving_by(bridge).verdict(Verdict::Drop);
        for rule in [sent, answered].into_iter().chain(published).chain([unasked]) {
            self.rule(&mut transaction, "forward", rule);
        }
        transaction.commit()
    }

    /// Adds the ways in through published ports.
    fn redirects(&self, transaction: &mut Transaction) {
        if self.published.is_empty() {
            return;
        }
        // With 127.0.0.1 routable for them, callers on the bridge must be kept from this host's own.
        self.chain(transaction, "raw", "filter", NF_INET_PREROUTING, PRIORITY_RAW);
        let intruder = Rule::default().entering_by(&self.config.bridge).sent_to_loopback();
        self.rule(transaction, "raw", intruder.verdict(Verdict::Drop));
        for (chain, hook) in [("prerouting", NF_INET_PREROUTING), ("output", NF_INET_OUTPUT)] {
            self.chain(transaction, chain, "nat", hook, PRIORITY_DESTINATION_NAT);
            for Published { transport, host_port, address, container_port } in self.published {
                let called =
                    Rule::default().sent_to_this_machine().sent_to_port(transport.number(), *host_port);
                self.rule(transaction, chain, called.redirected_to(*address, *container_port));
            }
        }
    }

    /// Removes the table; one that does not exist is a success.
    pub(crate) fn unload(&self) -> Result<(), Refused> {
        self.without_table().commit()
    }

    /// Creating the table first makes the deletion valid whether or not it existed.
    fn without_table(&self) -> Transaction {
        let mut transaction = Transaction::new();
        self.table(&mut transaction);
        transaction.add("delete the table", (Message::DeleteTable, Family::Ipv4), 0, |table| {
            table.text(TABLE_NAME, &self.config.table);
        });
        transaction
    }

    fn table(&self, transaction: &mut Transaction) {
        transaction.add("create the table", (Message::NewTable, Family::Ipv4), FLAG_CREATE, |table| {
            table.text(TABLE_NAME, &self.config.table);
            table.bytes(TABLE_USERDATA, &comment::write(&self.comment()));
        });
    }

    fn chain(&self, transaction: &mut Transaction, name: &str, kind: &str, hook: u32, priority: u32) {
        transaction.add(
            format!("create the chain {name}"),
            (Message::NewChain, Family::Ipv4),
            FLAG_CREATE,
            |chain| {
                chain.text(CHAIN_TABLE, &self.config.table);
                chain.text(CHAIN_NAME, name);
                chain.nested(CHAIN_HOOK, |entry| {
                    entry.number(HOOK_NUMBER, hook);
                    entry.number(HOOK_PRIORITY, priority);
                });
                chain.number(CHAIN_POLICY, POLICY_ACCEPT);
                chain.text(CHAIN_TYPE, kind);
            },
        );
    }

    fn rule(&self, transaction: &mut Transaction, chain: &str, rule: Rule) {
        let step = format!("add a rule to the chain {chain}");
        transaction.add(step, (Message::NewRule, Family::Ipv4), FLAG_CREATE | FLAG_APPEND, |message| {
            message.text(RULE_TABLE, &self.config.table);
            message.text(RULE_CHAIN, chain);
            rule.write(message);
        });
    }
}
