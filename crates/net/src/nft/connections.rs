//! Connections that the kernel remembers.
//!
//! A flow of datagrams stays with the container it once went to, for as long as its sender goes on: the packet rules see the
//! first packet only. So when a container's ports close, what led to it is forgotten, and the next packet begins anew.

use std::io;
use std::net::Ipv4Addr;

use super::exchange;
use super::wire::{self, FLAG_ACK};

const TUPLE_REPLY: u16 = 2;
const FILTER: u16 = 25;
const TUPLE_IP: u16 = 1;
const IPV4_SOURCE: u16 = 1;
const FILTER_REPLY_FLAGS: u16 = 2;
/// Of the tuple, only the source address counts.
const FILTER_BY_SOURCE: u32 = 1;

/// Forgets every connection that `address` answers.
pub(crate) fn forget(address: Ipv4Addr) -> io::Result<()> {
    let mut request = Vec::new();
    wire::delete_connections(&mut request, FLAG_ACK, 1, |message| {
        message.nested(TUPLE_REPLY, |tuple| {
            tuple.nested(TUPLE_IP, |ip| ip.bytes(IPV4_SOURCE, &address.octets()));
        });
        message.nested(FILTER, |filter| {
            filter.bytes(FILTER_REPLY_FLAGS, &FILTER_BY_SOURCE.to_ne_bytes());
        });
    });
    exchange::command(&request)
}
