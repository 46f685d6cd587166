//! The bytes of nftables' netlink protocol: messages and their attributes, written and read.
//!
//! Pure: [`super::exchange`] sends and receives. What comes in is the kernel's, but is read as carefully
//! as a stranger's: cut or malformed input ends the reading and never panics.

use std::io;
use std::mem::size_of;

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
/// Where the flags are in `nlmsghdr`.
const FLAGS_AT: usize = 6;
const SUBSYSTEM: u16 = 10;
/// Subsystem 1, message 2.
const CONNECTIONS_DELETE: u16 = 0x102;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const FLAG_REQUEST: u16 = 0x1;
const FLAG_DUMP_INTERRUPTED: u16 = 0x10;
/// Answer even if all is well.
pub(crate) const FLAG_ACK: u16 = 0x4;
/// List all objects.
pub(super) const FLAG_DUMP: u16 = 0x300;
/// Create what does not exist.
pub(crate) const FLAG_CREATE: u16 = 0x400;
/// Put a rule behind the others of its chain instead of before them.
pub(crate) const FLAG_APPEND: u16 = 0x800;
const NESTED: u16 = 0x8000;
const ATTRIBUTE_TYPE: u16 = 0x3fff;

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

/// Writes the message that begins a transaction.
pub(super) fn begin(bytes: &mut Vec<u8>) {
    boundary(bytes, BATCH_BEGIN, 0);
}

/// Writes the message that ends a transaction.
pub(super) fn end(bytes: &mut Vec<u8>, sequence: u32) {
    boundary(bytes, BATCH_END, sequence);
}

/// Adds flags to the message that starts at `start`.
pub(super) fn add_flags(bytes: &mut [u8], start: usize, flags: u16) {
    let field = &mut bytes[start + FLAGS_AT..start + FLAGS_AT + 2];
    let flags = u16::from_ne_bytes([field[0], field[1]]) | flags;
    field.copy_from_slice(&flags.to_ne_bytes());
}

/// Writes a request.
pub(super) fn request(
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

/// Writes a request to forget connections, the one message to another part of netfilter.
pub(super) fn delete_connections(
    bytes: &mut Vec<u8>,
    flags: u16,
    sequence: u32,
    fill: impl FnOnce(&mut Attributes<'_>),
) {
    let family = Family::Ipv4.number();
    let header =
        Header { kind: CONNECTIONS_DELETE, flags: FLAG_REQUEST | flags, sequence, family, resource: 0 };
    message(bytes, header, fill);
}

fn boundary(bytes: &mut Vec<u8>, kind: u16, sequence: u32) {
    let header = Header { kind, flags: FLAG_REQUEST, sequence, family: 0, resource: SUBSYSTEM };
    message(bytes, header, |_| {});
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
#[derive(Debug)]
pub(super) struct Reply<'a> {
    /// The number of the request it answers.
    pub sequence: u32,
    /// Says that the listed objects changed meanwhile, so the list may be wrong.
    pub interrupted: bool,
    pub content: Content<'a>,
}

/// What the kernel says.
#[derive(Debug)]
pub(super) enum Content<'a> {
    /// A request succeeded or failed.
    Verdict(io::Result<()>),
    /// The attributes of one listed object.
    Object(&'a [u8]),
    /// The list is complete.
    End,
}

/// Cuts a datagram into its messages; a malformed rest is left out.
pub(super) fn replies(datagram: &[u8]) -> impl Iterator<Item = Reply<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let header = rest.get(..HEADER)?;
        let word = |at: usize| header[at..at + 4].try_into().map(u32::from_ne_bytes).ok();
        let half = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        let length = word(0)? as usize;
        let body = rest.get(HEADER..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        let content = match half(4) {
            NLMSG_ERROR => Content::Verdict(verdict(body)),
            NLMSG_DONE => Content::End,
            _ => Content::Object(body.get(FAMILY_HEADER..).unwrap_or_default()),
        };
        Some(Reply { sequence: word(8)?, interrupted: half(6) & FLAG_DUMP_INTERRUPTED != 0, content })
    })
}

/// Reads a verdict: zero is a success, anything else a negative error number.
fn verdict(body: &[u8]) -> io::Result<()> {
    match body.get(..4).and_then(|code| code.try_into().ok()).map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel's verdict is cut short")),
    }
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
        assert_eq!(replies(&[0; 40]).count(), 0);
        assert_eq!(replies(&[1; 15]).count(), 0);
    }
}
