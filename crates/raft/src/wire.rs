//! Messages between members, as bytes.
//!
//! raft 0.7 encodes with protobuf 2.28, whose decoder recurses on nested *groups* of unknown fields until
//! the stack ends (RUSTSEC-2024-0437, `docs/adr/0002-raft-rs.md`). Raft's messages contain no group, so
//! [`decode`] walks the bytes first, without recursion beyond the four levels that a message has, and
//! refuses groups, lengths that leave the message, and lists that are too long. Only then does it decode,
//! and only what an authenticated member sent. It also refuses what raft itself would panic on.

use protobuf::Message as _;
use raft::eraftpb::{ConfChange, ConfChangeSingle, ConfChangeV2, Entry, EntryType, Message, MessageType};
use thiserror::Error;

use crate::MemberId;
use crate::limits::{
    APPEND_ENTRIES_MAX, MEMBERS_MAX, MESSAGE_BYTES_MAX, MESSAGE_OVERHEAD_MAX, PROPOSAL_BYTES_MAX,
};

/// Why a message from another member was refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Larger than any message a member sends.
    #[error("a message of {bytes} bytes is larger than {max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound for its kind.
        max: usize,
    },
    /// Not a message of this protocol.
    #[error("the message is malformed: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The sender named in it is not the one whose connection it came over.
    #[error("the message names member {named} as its sender, and came from member {sender}")]
    WrongSender {
        /// The member whose identity was verified.
        sender: MemberId,
        /// The member that the message names.
        named: MemberId,
    },
    /// Meant for somebody else.
    #[error("the message is for member {to}")]
    WrongReceiver {
        /// The member it is for.
        to: MemberId,
    },
}

/// Encodes a message that raft wants to send.
pub(crate) fn encode(message: &Message) -> Vec<u8> {
    message.write_to_bytes().expect("a message has no required field and is written to memory")
}

/// Decodes a message that `from`, whose identity was verified, sent to `to`.
pub(crate) fn decode(from: MemberId, to: MemberId, bytes: &[u8]) -> Result<Message, DecodeError> {
    check_size(bytes.len(), MESSAGE_BYTES_MAX)?;
    scan(bytes, &MESSAGE)?;
    let message = Message::parse_from_bytes(bytes).map_err(|_| malformed("not a raft message"))?;
    if message.from != from {
        return Err(DecodeError::WrongSender { sender: from, named: message.from });
    }
    if message.to != to {
        return Err(DecodeError::WrongReceiver { to: message.to });
    }
    if message.get_msg_type() != MessageType::MsgSnapshot {
        check_size(bytes.len(), PROPOSAL_BYTES_MAX + MESSAGE_OVERHEAD_MAX)?;
    }
    check_kind(&message)?;
    message.entries.iter().try_for_each(check_entry)?;
    Ok(message)
}

/// Decodes a change of members out of a committed entry.
pub(crate) fn decode_change(entry: &Entry) -> Result<ConfChangeV2, DecodeError> {
    check_size(entry.data.len(), MESSAGE_OVERHEAD_MAX)?;
    let refused = |_| malformed("not a change of members");
    if entry.get_entry_type() == EntryType::EntryConfChange {
        scan(&entry.data, &CONF_CHANGE)?;
        let change = ConfChange::parse_from_bytes(&entry.data).map_err(refused)?;
        Ok(in_second_form(&change))
    } else {
        scan(&entry.data, &CONF_CHANGE_V2)?;
        ConfChangeV2::parse_from_bytes(&entry.data).map_err(refused)
    }
}

/// Every change that this release makes is a single one; the second form holds any number.
fn in_second_form(change: &ConfChange) -> ConfChangeV2 {
    let mut single = ConfChangeSingle { node_id: change.node_id, ..ConfChangeSingle::default() };
    single.set_change_type(change.get_change_type());
    ConfChangeV2 { changes: vec![single].into(), ..ConfChangeV2::default() }
}

fn check_size(bytes: usize, max: usize) -> Result<(), DecodeError> {
    if bytes > max { Err(DecodeError::TooLarge { bytes, max }) } else { Ok(()) }
}

/// Refuses kinds that a member never sends to another, and shapes that raft takes for granted.
fn check_kind(message: &Message) -> Result<(), DecodeError> {
    match message.get_msg_type() {
        MessageType::MsgHup
        | MessageType::MsgBeat
        | MessageType::MsgUnreachable
        | MessageType::MsgSnapStatus
        | MessageType::MsgCheckQuorum => Err(malformed("a kind that never leaves a member")),
        // Only the leader proposes, so that the proposer knows the index and learns the outcome.
        MessageType::MsgPropose => Err(malformed("a forwarded proposal")),
        MessageType::MsgReadIndex | MessageType::MsgReadIndexResp if message.entries.len() != 1 => {
            Err(malformed("a read without its context"))
        }
        MessageType::MsgAppend if !continuous(message) => Err(malformed("an append with a gap")),
        _ => Ok(()),
    }
}

fn continuous(message: &Message) -> bool {
    (message.index..).skip(1).zip(&message.entries).all(|(expected, entry)| entry.index == expected)
}

fn check_entry(entry: &Entry) -> Result<(), DecodeError> {
    if entry.get_entry_type() != EntryType::EntryNormal {
        decode_change(entry)?;
    }
    Ok(())
}

fn malformed(reason: &'static str) -> DecodeError {
    DecodeError::Malformed { reason }
}

/// The fields of a message that hold messages themselves; all others are skipped by their length.
struct Shape {
    nested: &'static [(u64, usize, &'static Shape)],
}

const FLAT: Shape = Shape { nested: &[] };
const SNAPSHOT_METADATA: Shape = Shape { nested: &[(1, 1, &CONF_STATE)] };
const SNAPSHOT: Shape = Shape { nested: &[(2, 1, &SNAPSHOT_METADATA)] };
const MESSAGE: Shape = Shape { nested: &[(7, APPEND_ENTRIES_MAX, &FLAT), (9, 1, &SNAPSHOT)] };
const CONF_STATE: Shape = FLAT;
const CONF_CHANGE: Shape = FLAT;
const CONF_CHANGE_V2: Shape = Shape { nested: &[(2, MEMBERS_MAX, &FLAT)] };

/// Walks the fields of a message. Its depth is that of `shape`, never that of the bytes.
fn scan(mut bytes: &[u8], shape: &Shape) -> Result<(), DecodeError> {
    let mut counts = [0usize; 2];
    while !bytes.is_empty() {
        let tag = take_varint(&mut bytes)?;
        let payload = match tag & 7 {
            0 => take_varint(&mut bytes).map(|_| &[] as &[u8])?,
            1 => take(&mut bytes, 8)?,
            2 => {
                let len = take_varint(&mut bytes)?;
                take(&mut bytes, usize::try_from(len).map_err(|_| malformed("a length out of range"))?)?
            }
            5 => take(&mut bytes, 4)?,
            _ => return Err(malformed("a group")),
        };
        let field = tag >> 3;
        let known = shape.nested.iter().zip(&mut counts).find(|((number, ..), _)| *number == field);
        if let Some(((_, count_max, inner), count)) = known {
            *count += 1;
            if *count > *count_max {
                return Err(malformed("a list that is too long"));
            }
            scan(payload, inner)?;
        }
    }
    Ok(())
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Result<&'a [u8], DecodeError> {
    let (head, rest) = bytes.split_at_checked(len).ok_or(malformed("cut short"))?;
    *bytes = rest;
    Ok(head)
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64, DecodeError> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(malformed("cut short"))?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(malformed("a number out of range"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use raft::eraftpb::ConfChangeType;

    use super::*;

    fn append(entries: Vec<Entry>) -> Message {
        let mut message = Message { from: 1, to: 2, term: 3, index: 4, ..Message::default() };
        message.set_msg_type(MessageType::MsgAppend);
        message.set_entries(entries.into());
        message
    }

    fn refused(bytes: &[u8]) -> &'static str {
        match decode(1, 2, bytes) {
            Err(DecodeError::Malformed { reason }) => reason,
            other => panic!("not refused as malformed: {other:?}"),
        }
    }

    #[test]
    fn messages_come_back_as_they_went() {
        let entry = Entry { index: 5, term: 3, data: "skep".into(), ..Entry::default() };
        let mut message = append(vec![entry]);
        assert_eq!(decode(1, 2, &encode(&message)), Ok(message.clone()));
        message.set_msg_type(MessageType::MsgSnapshot);
        message.take_entries();
        message.mut_snapshot().data = "state".into();
        message.mut_snapshot().mut_metadata().mut_conf_state().voters = vec![1, 2];
        assert_eq!(decode(1, 2, &encode(&message)), Ok(message));
    }

    #[test]
    fn nested_groups_never_reach_the_decoder() {
        let groups = vec![0x0b; 1 << 20];
        assert_eq!(refused(&groups), "a group");
        let mut entry = vec![0x3a, 0x80, 0x80, 0x40];
        entry.extend_from_slice(&groups);
        assert_eq!(refused(&entry), "a group", "inside an entry");
        let mut conf = Entry { index: 5, data: groups.into(), ..Entry::default() };
        conf.set_entry_type(EntryType::EntryConfChange);
        assert_eq!(refused(&encode(&append(vec![conf]))), "a group", "inside a change of members");
    }

    #[test]
    fn senders_cannot_speak_for_others() {
        let bytes = encode(&append(Vec::new()));
        assert_eq!(decode(9, 2, &bytes), Err(DecodeError::WrongSender { sender: 9, named: 1 }));
        assert_eq!(decode(1, 9, &bytes), Err(DecodeError::WrongReceiver { to: 2 }));
    }

    #[test]
    fn what_raft_would_panic_on_is_refused() {
        for kind in [MessageType::MsgHup, MessageType::MsgPropose, MessageType::MsgReadIndex] {
            let mut message = append(Vec::new());
            message.set_msg_type(kind);
            refused(&encode(&message));
        }
        let gap = Entry { index: 6, ..Entry::default() };
        assert_eq!(refused(&encode(&append(vec![gap]))), "an append with a gap");
    }

    #[test]
    fn sizes_are_bounded_by_kind() {
        let data = vec![0; PROPOSAL_BYTES_MAX + MESSAGE_OVERHEAD_MAX];
        let entry = Entry { index: 5, data: data.into(), ..Entry::default() };
        let refused = decode(1, 2, &encode(&append(vec![entry])));
        assert!(matches!(refused, Err(DecodeError::TooLarge { .. })));
    }

    #[test]
    fn both_forms_of_a_change_are_read() {
        let mut change = ConfChange { node_id: 7, ..ConfChange::default() };
        change.set_change_type(ConfChangeType::AddLearnerNode);
        let mut entry = Entry { data: change.write_to_bytes().unwrap().into(), ..Entry::default() };
        entry.set_entry_type(EntryType::EntryConfChange);
        let read = decode_change(&entry).unwrap();
        assert_eq!(read.changes[0].node_id, 7);
        entry.data = read.write_to_bytes().unwrap().into();
        entry.set_entry_type(EntryType::EntryConfChangeV2);
        assert_eq!(decode_change(&entry).unwrap(), read);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _answer: Result<Message, DecodeError> = decode(1, 2, &bytes);
        }
    }
}
