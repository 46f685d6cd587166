//! The bytes of nftables' netlink protocol: attributes, one transaction of messages, and its verdict.
//!
//! A transaction is all or nothing: the kernel checks every message and then commits them together, so
//! no packet ever sees half a ruleset. What the messages say is decided in [`super::ruleset`].

use std::io;
use std::mem::size_of;
use std::time::Duration;

use crate::error::NetError;
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use rustix::net::sockopt::{Timeout, set_socket_send_buffer_size_force, set_socket_timeout};

/// Which packets a table sees; the kernel's `NFPROTO_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4 and IPv6.
    Internet,
    Ipv4,
}

impl Family {
    fn number(self) -> u8 {
        match self {
            Self::Internet => 1,
            Self::Ipv4 => 2,
        }
    }
}

/// The sizes of `nlmsghdr` and of `nfgenmsg`, which follows it.
const HEADER: usize = 16;
const FAMILY_HEADER: usize = 4;
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// Where the flags are in a message.
const FLAGS_AT: usize = 6;
const FLAG_REQUEST: u16 = 0x1;
const FLAG_ACK: u16 = 0x4;
const FLAG_DUMP: u16 = 0x300;
/// Create what does not exist.
pub(crate) const FLAG_CREATE: u16 = 0x400;
/// Put a rule behind the others of its chain instead of before them.
pub(crate) const FLAG_APPEND: u16 = 0x800;
const NESTED: u16 = 0x8000;
const ATTRIBUTE_TYPE: u16 = 0x3fff;

/// The kernel commits while it takes the message, so its answer waits already when the send returns.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// No ruleset that concerns Skep is listed in more datagrams (of at least 4 KiB each) than this.
const DUMP_DATAGRAMS_MAX: usize = 65_536;

/// The messages the kernel understands, as far as Skep sends them.
#[derive(Debug, Clone, Copy)]
#[repr(u16)]
pub(crate) enum Message {
    NewTable = 0,
    GetTable = 1,
    DeleteTable = 2,
    NewChain = 3,
    GetChain = 4,
    NewRule = 6,
    GetRule = 7,
    DeleteRule = 8,
}

/// Attributes under construction: type, length and value, each padded to four bytes.
pub(crate) struct Attributes<'a>(&'a mut Vec<u8>);

impl Attributes<'_> {
    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.nested_raw(kind, |attributes| attributes.0.extend_from_slice(value));
    }

    /// Texts end with a zero byte.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        self.nested_raw(kind, |attributes| {
            attributes.0.extend_from_slice(value.as_bytes());
            attributes.0.push(0);
        });
    }

    /// Numbers are in network byte order.
    pub(crate) fn number(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    pub(crate) fn long(&mut self, kind: u16, value: u64) {
        self.bytes(kind, &value.to_be_bytes());
    }

    pub(crate) fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Attributes<'_>)) {
        self.nested_raw(kind | NESTED, fill);
    }

    fn nested_raw(&mut self, kind: u16, fill: impl FnOnce(&mut Attributes<'_>)) {
        let start = self.0.len();
        self.0.extend_from_slice(&[0; 4]);
        fill(&mut Attributes(self.0));
        let length = u16::try_from(self.0.len() - start).expect("an attribute of ours is far below 64 KiB");
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.0[start + 2..start + 4].copy_from_slice(&kind.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

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
        boundary(&mut bytes, BATCH_BEGIN, 0);
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
        request(&mut self.bytes, (message, family), flags, sequence, fill);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    fn sequence(&self) -> u32 {
        u32::try_from(self.steps.len()).expect("a transaction of ours has few messages")
    }

    /// Sends everything and waits for the verdict. Blocks, for well under a millisecond as a rule.
    pub(crate) fn commit(mut self) -> Result<(), Refused> {
        if self.is_empty() {
            return Ok(());
        }
        let flags_at = self.last_start + FLAGS_AT;
        let flags = u16::from_ne_bytes([self.bytes[flags_at], self.bytes[flags_at + 1]]) | FLAG_ACK;
        self.bytes[flags_at..flags_at + 2].copy_from_slice(&flags.to_ne_bytes());
        let last = self.sequence();
        boundary(&mut self.bytes, BATCH_END, last + 1);
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
            for reply in messages(&datagram) {
                if reply.kind != NLMSG_ERROR {
                    continue;
                }
                if let Some(source) = failure(&reply) {
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
/// of each.
pub(crate) fn dump(
    message: Message,
    family: Family,
    fill: impl FnOnce(&mut Attributes<'_>),
) -> io::Result<Vec<Vec<u8>>> {
    let socket = connect()?;
    let mut bytes = Vec::new();
    request(&mut bytes, (message, family), FLAG_DUMP, 1, fill);
    socket.send(&bytes, 0)?;
    let mut objects = Vec::new();
    for _ in 0..DUMP_DATAGRAMS_MAX {
        let (datagram, _) = socket.recv_from_full().map_err(patience)?;
        for reply in messages(&datagram) {
            match reply.kind {
                NLMSG_DONE => return Ok(objects),
                NLMSG_ERROR => return failure(&reply).map_or(Ok(objects), Err),
                _ => objects.push(reply.body.get(FAMILY_HEADER..).unwrap_or_default().to_vec()),
            }
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel's list has no end"))
}

/// Finds the attribute of one kind among `attributes`.
pub(crate) fn attribute(attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = attributes;
    while let [l0, l1, k0, k1, ..] = *rest {
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = rest.get(4..length)?;
        if u16::from_ne_bytes([k0, k1]) & ATTRIBUTE_TYPE == wanted {
            return Some(value);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// Reads an attribute that is a text.
pub(crate) fn text(attributes: &[u8], wanted: u16) -> Option<&str> {
    let value = attribute(attributes, wanted)?;
    std::str::from_utf8(value.strip_suffix(&[0]).unwrap_or(value)).ok()
}

/// Reads an attribute that is a number.
pub(crate) fn number(attributes: &[u8], wanted: u16) -> Option<u32> {
    attribute(attributes, wanted)?.try_into().ok().map(u32::from_be_bytes)
}

/// Reads an attribute that is a long number.
pub(crate) fn long(attributes: &[u8], wanted: u16) -> Option<u64> {
    attribute(attributes, wanted)?.try_into().ok().map(u64::from_be_bytes)
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

fn boundary(bytes: &mut Vec<u8>, kind: u16, sequence: u32) {
    let header = Header { kind, flags: FLAG_REQUEST, sequence, family: 0, resource: SUBSYSTEM };
    message(bytes, header, |_| {});
}

fn request(
    bytes: &mut Vec<u8>,
    (kind, family): (Message, Family),
    flags: u16,
    sequence: u32,
    fill: impl FnOnce(&mut Attributes<'_>),
) {
    let kind = (SUBSYSTEM << 8) | kind as u16;
    let header = Header { kind, flags: FLAG_REQUEST | flags, sequence, family: family.number(), resource: 0 };
    message(bytes, header, fill);
}

/// The fields of `nlmsghdr` and `nfgenmsg` that differ between messages.
struct Header {
    kind: u16,
    flags: u16,
    sequence: u32,
    family: u8,
    resource: u16,
}

fn message(bytes: &mut Vec<u8>, header: Header, fill: impl FnOnce(&mut Attributes<'_>)) {
    let Header { kind, flags, sequence, family, resource } = header;
    let start = bytes.len();
    bytes.extend_from_slice(&[0; size_of::<u32>()]);
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(&[0; size_of::<u32>()]);
    bytes.extend_from_slice(&[family, 0]);
    bytes.extend_from_slice(&resource.to_be_bytes());
    fill(&mut Attributes(bytes));
    let length = u32::try_from(bytes.len() - start).expect("a message of ours is far below 4 GiB");
    bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
}

/// One message of the kernel.
struct Reply<'a> {
    kind: u16,
    sequence: u32,
    body: &'a [u8],
}

/// Cuts a datagram into its messages; a malformed rest is left out.
fn messages(datagram: &[u8]) -> impl Iterator<Item = Reply<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let header = rest.get(..HEADER)?;
        let word = |at: usize| header[at..at + 4].try_into().map(u32::from_ne_bytes).ok();
        let length = word(0)? as usize;
        let reply = Reply {
            kind: u16::from_ne_bytes([header[4], header[5]]),
            sequence: word(8)?,
            body: rest.get(HEADER..length)?,
        };
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(reply)
    })
}

/// Reads a verdict: zero is a success, anything else a negative error number.
fn failure(reply: &Reply<'_>) -> Option<io::Error> {
    let Some(code) = reply.body.get(..4).and_then(|code| code.try_into().ok()).map(i32::from_ne_bytes) else {
        return Some(io::Error::new(io::ErrorKind::InvalidData, "the kernel's verdict is cut short"));
    };
    (code != 0).then(|| io::Error::from_raw_os_error(code.saturating_neg()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_nested() {
        let mut bytes = Vec::new();
        let mut attributes = Attributes(&mut bytes);
        attributes.text(1, "abc");
        attributes.nested(2, |inner| inner.bytes(3, &[7, 8]));
        attributes.number(4, 1);
        assert_eq!(text(&bytes, 1), Some("abc"));
        assert_eq!(attribute(attribute(&bytes, 2).unwrap(), 3), Some(&[7, 8][..]));
        assert_eq!(number(&bytes, 4), Some(1));
        assert_eq!(attribute(&bytes, 9), None);
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn cut_input_is_survived() {
        let mut bytes = Vec::new();
        Attributes(&mut bytes).text(1, "abcdef");
        for length in 0..bytes.len() {
            assert_eq!(text(&bytes[..length], 2), None);
        }
        assert_eq!(attribute(&[0, 0, 1, 0], 1), None);
        assert_eq!(messages(&[0; 40]).count(), 0);
        assert_eq!(messages(&[1; 15]).count(), 0);
    }
}
