//! nftables, programmed by netlink transactions instead of an external process.
//!
//! [`ruleset`] says which rules Skep keeps, [`neighbours`] what it asks of other firewalls, [`rule`] what
//! a rule is made of, and [`wire`] how it travels.
//! Measured: a whole table in a fraction of a millisecond, where starting `nft` costs some 16 ms.

mod comment;
pub(crate) mod neighbours;
pub(crate) mod rule;
pub(crate) mod ruleset;
pub(crate) mod wire;
