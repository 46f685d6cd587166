//! Records: how an entry, the hard state and the base of a log look before they are sealed.
//!
//! The layout is ours and fixed (little-endian integers, lengths in front), so that what is on disk
//! depends on no library. [`seal`](crate::seal) gives it a version; a change of layout is a new version.

use bytes::Bytes;
use raft::eraftpb::{ConfState, Entry, EntryType, HardState};

use crate::limits::MEMBERS_MAX;
use crate::storage::{Base, Position, SnapshotMeta};

/// The record ended early, went on too long, or holds a value that no build writes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

pub(crate) fn encode_entry(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(13 + entry.context.len() + entry.data.len());
    bytes.push(match entry.entry_type {
        EntryType::EntryNormal => 0,
        EntryType::EntryConfChange => 1,
        EntryType::EntryConfChangeV2 => 2,
    });
    bytes.extend_from_slice(&entry.term.to_le_bytes());
    let context_len = u32::try_from(entry.context.len()).expect("a context is shorter than a message");
    bytes.extend_from_slice(&context_len.to_le_bytes());
    bytes.extend_from_slice(&entry.context);
    bytes.extend_from_slice(&entry.data);
    bytes
}

pub(crate) fn decode_entry(index: u64, record: Vec<u8>) -> Result<Entry, Malformed> {
    let mut reader = Reader(&record);
    let entry_type = match reader.u8()? {
        0 => EntryType::EntryNormal,
        1 => EntryType::EntryConfChange,
        2 => EntryType::EntryConfChangeV2,
        _ => return Err(Malformed),
    };
    let term = reader.u64()?;
    let context_len = reader.u32()? as usize;
    let context_at = record.len() - reader.0.len();
    let data_at = context_at.checked_add(context_len).filter(|at| *at <= record.len()).ok_or(Malformed)?;
    let record = Bytes::from(record);
    let (context, data) = (record.slice(context_at..data_at), record.slice(data_at..));
    Ok(Entry { entry_type, term, index, context, data, ..Entry::default() })
}

pub(crate) fn encode_hard_state(state: &HardState) -> Vec<u8> {
    [state.term, state.vote, state.commit].iter().flat_map(|number| number.to_le_bytes()).collect()
}

pub(crate) fn decode_hard_state(record: &[u8]) -> Result<HardState, Malformed> {
    let mut reader = Reader(record);
    let (term, vote, commit) = (reader.u64()?, reader.u64()?, reader.u64()?);
    reader.end()?;
    Ok(HardState { term, vote, commit, ..HardState::default() })
}

pub(crate) fn encode_base(base: &Base) -> Vec<u8> {
    let mut bytes = Vec::new();
    for position in [base.truncated, base.snapshot.position] {
        bytes.extend_from_slice(&position.index.to_le_bytes());
        bytes.extend_from_slice(&position.term.to_le_bytes());
    }
    let members = &base.snapshot.members;
    bytes.push(u8::from(members.auto_leave));
    for list in [&members.voters, &members.learners, &members.voters_outgoing, &members.learners_next] {
        let count = u16::try_from(list.len()).expect("a group has fewer than 65536 members");
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend(list.iter().flat_map(|id| id.to_le_bytes()));
    }
    bytes
}

pub(crate) fn decode_base(record: &[u8]) -> Result<Base, Malformed> {
    let mut reader = Reader(record);
    let truncated = reader.position()?;
    let position = reader.position()?;
    let auto_leave = match reader.u8()? {
        0 => false,
        1 => true,
        _ => return Err(Malformed),
    };
    let members = ConfState {
        auto_leave,
        voters: reader.members()?,
        learners: reader.members()?,
        voters_outgoing: reader.members()?,
        learners_next: reader.members()?,
        ..ConfState::default()
    };
    reader.end()?;
    Ok(Base { truncated, snapshot: SnapshotMeta { position, members } })
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*head)
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Malformed> {
        self.take().map(u64::from_le_bytes)
    }

    fn position(&mut self) -> Result<Position, Malformed> {
        Ok(Position { index: self.u64()?, term: self.u64()? })
    }

    fn members(&mut self) -> Result<Vec<u64>, Malformed> {
        let count = usize::from(u16::from_le_bytes(self.take()?));
        if count > MEMBERS_MAX {
            return Err(Malformed);
        }
        (0..count).map(|_| self.u64()).collect()
    }

    fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Base {
        let members = ConfState { voters: vec![1, 3], learners: vec![7], ..ConfState::default() };
        let snapshot = SnapshotMeta { position: Position { index: 20, term: 4 }, members };
        Base { truncated: Position { index: 15, term: 3 }, snapshot }
    }

    #[test]
    fn records_come_back_as_they_went() {
        let entry = Entry { term: 3, index: 9, data: "skep".into(), ..Entry::default() };
        assert_eq!(decode_entry(9, encode_entry(&entry)), Ok(entry));
        let state = HardState { term: 3, vote: 1, commit: 8, ..HardState::default() };
        assert_eq!(decode_hard_state(&encode_hard_state(&state)), Ok(state));
        assert_eq!(decode_base(&encode_base(&base())), Ok(base()));
    }

    /// Golden bytes of the layouts of format version 1.
    #[test]
    fn format_version_1_is_frozen() {
        let entry = Entry {
            entry_type: EntryType::EntryConfChange,
            term: 3,
            index: 9,
            context: "c".into(),
            data: "dd".into(),
            ..Entry::default()
        };
        let expected = [1, 3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, b'c', b'd', b'd'];
        assert_eq!(encode_entry(&entry), expected);

        let state = HardState { term: 1, vote: 2, commit: 3, ..HardState::default() };
        let mut expected = [0; 24];
        (expected[0], expected[8], expected[16]) = (1, 2, 3);
        assert_eq!(encode_hard_state(&state), expected);

        let mut expected = vec![0; 33];
        (expected[0], expected[8], expected[16], expected[24]) = (15, 3, 20, 4);
        expected.extend([2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([1, 0, 7, 0, 0, 0, 0, 0, 0, 0]);
        expected.extend([0, 0, 0, 0]);
        assert_eq!(encode_base(&base()), expected);
    }

    #[test]
    fn a_record_cut_short_is_refused() {
        let record = encode_base(&base());
        for len in 0..record.len() {
            assert_eq!(decode_base(&record[..len]), Err(Malformed), "cut to {len}");
        }
        let record = encode_entry(&Entry { context: "abc".into(), ..Entry::default() });
        for len in 0..record.len() {
            assert_eq!(decode_entry(1, record[..len].to_vec()), Err(Malformed), "cut to {len}");
        }
        assert_eq!(decode_hard_state(&[0; 25]), Err(Malformed));
    }
}
