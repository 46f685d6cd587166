//! The forward chains of other firewalls that would swallow the tasks' packets.
//!
//! In nftables an accept ends only its own chain; a drop anywhere is final. Docker, ufw and others set
//! the policy of their forward chain to drop, and then no rule in a table of ours can let a container
//! out. So two rules go to the head of each such chain, as Docker itself does it for its own bridge.
//! They carry our comment, are replaced as a pair and go away with the bridge.
//!
//! The rules use only what the `iptables` tools understand in their own tables, since one expression
//! they do not know makes them refuse the whole table. What comes in unasked is dropped in our table.
//! Chains of the legacy iptables are invisible to nftables and are not changed.

use std::io;

use super::comment;
use super::exchange::{self, Refused, Transaction};
use super::rule::{Rule, Verdict};
use super::wire::{self, FLAG_CREATE, Family, Message};

const NF_INET_FORWARD: u32 = 2;
const POLICY_DROP: u32 = 0;

const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const HOOK_NUMBER: u16 = 1;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_HANDLE: u16 = 3;
const RULE_USERDATA: u16 = 7;

/// A chain of somebody else that all forwarded packets pass.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Chain {
    family: Family,
    table: String,
    name: String,
    drops: bool,
}

/// Lets the packets of `bridge` through every dropping forward chain outside the table `own`. Returns
/// the number of such chains.
pub(crate) fn open_for(bridge: &str, own: &str) -> Result<usize, Refused> {
    let mut transaction = Transaction::new();
    let chains = forward_chains(own).map_err(Refused::whole)?;
    let dropping: Vec<&Chain> = chains.iter().filter(|chain| chain.drops).collect();
    for chain in &dropping {
        remove_ours(&mut transaction, chain, bridge).map_err(Refused::whole)?;
        let step = format!("add a rule to the chain {} {}", chain.table, chain.name);
        for rule in [Rule::default().leaving_by(bridge), Rule::default().entering_by(bridge)] {
            let rule = rule.verdict(Verdict::Accept);
            transaction.add(&*step, (Message::NewRule, chain.family), FLAG_CREATE, |message| {
                message.text(RULE_TABLE, &chain.table);
                message.text(RULE_CHAIN, &chain.name);
                rule.write(message);
                message.bytes(RULE_USERDATA, &comment::write(&comment::of(bridge)));
            });
        }
    }
    transaction.commit().map(|()| dropping.len())
}

/// Takes the rules for `bridge` out of all forward chains outside the table `own`.
pub(crate) fn close_for(bridge: &str, own: &str) -> Result<(), Refused> {
    let mut transaction = Transaction::new();
    for chain in forward_chains(own).map_err(Refused::whole)? {
        remove_ours(&mut transaction, &chain, bridge).map_err(Refused::whole)?;
    }
    transaction.commit()
}

fn remove_ours(transaction: &mut Transaction, chain: &Chain, bridge: &str) -> io::Result<()> {
    let rules = exchange::dump(Message::GetRule, chain.family, |message| {
        message.text(RULE_TABLE, &chain.table);
        message.text(RULE_CHAIN, &chain.name);
    })?;
    let wanted = comment::of(bridge);
    let ours = rules.iter().filter(|rule| {
        // Not every kernel filters by chain, so the names are compared here as well.
        wire::text(rule, RULE_TABLE) == Some(&chain.table)
            && wire::text(rule, RULE_CHAIN) == Some(&chain.name)
            && wire::attribute(rule, RULE_USERDATA).and_then(comment::read) == Some(&wanted)
    });
    for handle in ours.filter_map(|rule| wire::long(rule, RULE_HANDLE)) {
        let step = format!("delete a rule of the chain {} {}", chain.table, chain.name);
        transaction.add(step, (Message::DeleteRule, chain.family), 0, |message| {
            message.text(RULE_TABLE, &chain.table);
            message.text(RULE_CHAIN, &chain.name);
            message.long(RULE_HANDLE, handle);
        });
    }
    Ok(())
}

fn forward_chains(own: &str) -> io::Result<Vec<Chain>> {
    let mut chains = Vec::new();
    for family in [Family::Ipv4, Family::Internet] {
        let found = exchange::dump(Message::GetChain, family, |_| {})?;
        chains.extend(found.iter().filter_map(|chain| Chain::read(family, chain)));
    }
    chains.retain(|chain| (chain.family, &*chain.table) != (Family::Ipv4, own));
    Ok(chains)
}

impl Chain {
    /// Reads a chain if it hangs at the forward hook.
    fn read(family: Family, attributes: &[u8]) -> Option<Self> {
        let hook = wire::attribute(attributes, CHAIN_HOOK)?;
        if wire::number(hook, HOOK_NUMBER)? != NF_INET_FORWARD {
            return None;
        }
        Some(Self {
            family,
            table: wire::text(attributes, CHAIN_TABLE)?.to_owned(),
            name: wire::text(attributes, CHAIN_NAME)?.to_owned(),
            drops: wire::number(attributes, CHAIN_POLICY) == Some(POLICY_DROP),
        })
    }
}
