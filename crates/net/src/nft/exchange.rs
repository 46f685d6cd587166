//! Conversations with nftables in the kernel: transactions that change rules, and dumps that list them.
//!
//! A transaction is all or nothing: the kernel checks every message and then commits them together, so
//! no packet ever sees half a ruleset. Each conversation has a socket of its own, in the network
//! namespace of the calling thread, and blocks it.

use std::io;
use std::time::Duration;

use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use rustix::net::sockopt::{Timeout, set_socket_send_buffer_size_force, set_socket_timeout};

use super::wire::{self, Attributes, Content, FLAG_ACK, FLAG_DUMP, Family, Message};
use crate::error::NetError;

/// The kernel commits while it takes the message, so its answer waits already when the send returns.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// No ruleset that concerns Skep is listed in more datagrams (of at least 4 KiB each) than this.
const DUMP_DATAGRAMS_MAX: usize = 65_536;
/// Changing rules is rare, so a second try nearly always succeeds.
const DUMPS_MAX: usize = 5;

/// Messages that take effect together or not at all.
pub(crate) struct Transaction {
    bytes: Vec<u8>,
    /// What each message between begin and end does; the first has sequence number 1.
    steps: Vec<String>,
    last_start: usize,
}

/// A transaction the kernel refused: nothing of it took effect.
#[derive(Debug)]
pub(crate) struct Refused {
    /// The message at fault, in words; none if the transaction failed as a whole.
    pub step: Option<String>,
    pub source: io::Error,
}

impl Refused {
    /// A failure of no single message.
    pub(crate) fn whole(source: io::Error) -> Self {
        Self { step: None, source }
    }

    /// Says for what the transaction was meant.
    pub(crate) fn naming(self, operation: &'static str, object: &str) -> NetError {
        let object = match self.step {
            Some(step) => format!("{object} (at the step: {step})"),
            None => object.to_owned(),
        };
        NetError::Kernel { operation, object, source: self.source }
    }
}

impl Transaction {
    pub(crate) fn new() -> Self {
        let mut bytes = Vec::with_capacity(1024);
        wire::begin(&mut bytes);
        Self { bytes, steps: Vec::new(), last_start: 0 }
    }

    /// Adds a message; `step` says in words what it does, for the error message.
    pub(crate) fn add(
        &mut self,
        step: impl Into<String>,
        (message, family): (Message, Family),
        flags: u16,
        fill: impl FnOnce(&mut Attributes<'_>),
    ) {
        self.last_start = self.bytes.len();
        self.steps.push(step.into());
        let sequence = self.sequence();
        wire::request(&mut self.bytes, (message, family), flags, sequence, fill);
    }

    fn sequence(&self) -> u32 {
        u32::try_from(self.steps.len()).expect("a transaction of ours has few messages")
    }

    /// Sends everything and waits for the verdict. Blocks, for well under a millisecond as a rule.
    pub(crate) fn commit(mut self) -> Result<(), Refused> {
        if self.steps.is_empty() {
            return Ok(());
        }
        // One answer is enough: failures are told of every message, asked for or not.
        wire::add_flags(&mut self.bytes, self.last_start, FLAG_ACK);
        let last = self.sequence();
        wire::end(&mut self.bytes, last + 1);
        self.exchange(last)
    }

    fn exchange(&self, last: u32) -> Result<(), Refused> {
        let whole = Refused::whole;
        let socket = connect().map_err(whole)?;
        // Above the default limit only with many rules, but the kernel takes a transaction in one piece.
        set_socket_send_buffer_size_force(&socket, self.bytes.len() * 2 + 65_536)
            .map_err(|error| whole(error.into()))?;
        socket.send(&self.bytes, 0).map_err(whole)?;
        // At most one verdict per message, and one for the whole.
        for _ in 0..=last + 1 {
            let (datagram, _) = socket.recv_from_full().map_err(|error| whole(patience(error)))?;
            for reply in wire::replies(&datagram) {
                let Content::Verdict(verdict) = reply.content else { continue };
                if let Err(source) = verdict {
                    let step = (reply.sequence as usize).checked_sub(1).and_then(|i| self.steps.get(i));
                    return Err(Refused { step: step.cloned(), source });
                }
                if reply.sequence == last {
                    return Ok(());
                }
            }
        }
        Err(whole(io::Error::new(io::ErrorKind::InvalidData, "the kernel gave no verdict")))
    }
}

/// Asks the kernel for all objects of one kind and family that `fill` describes; returns the attributes
/// of each. Blocks.
pub(crate) fn dump(
    message: Message,
    family: Family,
    fill: impl FnOnce(&mut Attributes<'_>),
) -> io::Result<Vec<Vec<u8>>> {
    let mut request = Vec::new();
    wire::request(&mut request, (message, family), FLAG_DUMP, 1, fill);
    for _ in 0..DUMPS_MAX {
        if let Some(objects) = dump_once(&request)? {
            return Ok(objects);
        }
    }
    Err(io::Error::new(io::ErrorKind::Interrupted, "the rules change faster than they can be listed"))
}

/// Returns none if somebody changed the rules meanwhile.
fn dump_once(request: &[u8]) -> io::Result<Option<Vec<Vec<u8>>>> {
    let socket = connect()?;
    socket.send(request, 0)?;
    let mut objects = Vec::new();
    let mut interrupted = false;
    for _ in 0..DUMP_DATAGRAMS_MAX {
        let (datagram, _) = socket.recv_from_full().map_err(patience)?;
        for reply in wire::replies(&datagram) {
            interrupted |= reply.interrupted;
            match reply.content {
                Content::Object(attributes) => objects.push(attributes.to_vec()),
                Content::End => return Ok((!interrupted).then_some(objects)),
                Content::Verdict(verdict) => return verdict.map(|()| Some(objects)),
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel's list has no end"))
}

/// Sends a single request that asks for a verdict, and waits for it. Blocks.
pub(crate) fn command(request: &[u8]) -> io::Result<()> {
    let socket = connect()?;
    socket.send(request, 0)?;
    let (datagram, _) = socket.recv_from_full().map_err(patience)?;
    let verdict = wire::replies(&datagram).find_map(|reply| match reply.content {
        Content::Verdict(verdict) => Some(verdict),
        _ => None,
    });
    verdict.unwrap_or_else(|| Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel gave no verdict")))
}

fn connect() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_WITHIN))?;
    Ok(socket)
}

/// A receive that timed out reads as "try again"; say what it means.
fn patience(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock {
        io::Error::new(io::ErrorKind::TimedOut, "the kernel did not answer in 10 s")
    } else {
        error
    }
}
