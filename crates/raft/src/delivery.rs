//! What comes out of the log: the words that a member and its owner share.

use bytes::Bytes;

use crate::MemberId;
use crate::member::{ChangeError, Members, ReadError, TransferError};
use crate::storage::StoreError;

/// The owner's name for a proposal. It lives in memory only and means nothing after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProposalId(pub u64);

/// A name for a read that waits to be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadId(pub u64);

/// What the log tells its owner, in order.
#[derive(Debug)]
pub enum Delivery {
    /// An entry is committed: durable on a quorum, at this place for ever. Every index is delivered once
    /// and in order; entries of the log itself (a new leader, a change of members) have empty `data`.
    Committed {
        /// Its index.
        index: u64,
        /// The term of the leader that wrote it.
        term: u64,
        /// What was proposed, or nothing.
        data: Bytes,
        /// The proposal, if it was made here and since this start.
        proposal: Option<ProposalId>,
    },
    /// A proposal was not taken, or leadership was lost on its way. It may still be committed by the next
    /// leader; then it is delivered without its id. Never both reported dropped and reported committed
    /// with its id.
    Dropped(ProposalId),
    /// The state of the owner is replaced by that of a snapshot from the leader.
    Snapshot {
        /// The last entry that it includes.
        index: u64,
        /// What some owner gave as its state there.
        data: Bytes,
    },
    /// Somebody else leads, or nobody. `is_self` is reported only after everything that earlier leaders
    /// committed has been delivered.
    Leader(Leadership),
    /// The members changed.
    Members(Members),
    /// The log grew long, or a member lacks more than the log has: the owner should give its state as of
    /// `index` or later.
    SnapshotWanted {
        /// The last delivered entry.
        index: u64,
    },
    /// A message for another member. It may be lost, repeated or overtaken.
    Send {
        /// The receiver.
        to: MemberId,
        /// The message, for [`Log::step`](crate::Log::step) there.
        bytes: Vec<u8>,
        /// Whether it carries a snapshot, whose arrival must be reported.
        is_snapshot: bool,
    },
    /// The log stopped, and this is the last delivery. What is on disk is what was delivered, or more.
    Failed(StoreError),
}

/// Who leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    /// The term.
    pub term: u64,
    /// The leader, if it is known.
    pub leader: Option<MemberId>,
    /// Whether this member leads and may propose.
    pub is_self: bool,
}

/// What [`Member::ready`](crate::Member::ready) hands out.
#[derive(Debug)]
pub enum Output {
    /// Something for the owner.
    Deliver(Delivery),
    /// The answer to a read.
    Read {
        /// The read.
        read: ReadId,
        /// The index that must be applied first.
        result: Result<u64, ReadError>,
    },
    /// The outcome of the change of members that was under way.
    Changed(Result<(), ChangeError>),
    /// The outcome of the transfer of leadership that was under way.
    Transferred(Result<(), TransferError>),
}

/// What was known to be committed when a log was opened. Later entries are delivered, starting with the
/// index after the last one here.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// The last snapshot: the last entry it includes, and the owner's state there.
    pub snapshot: Option<(u64, Bytes)>,
    /// The entries after it.
    pub entries: Vec<RecoveredEntry>,
    /// Who the members are.
    pub members: Members,
}

/// A committed entry of an earlier start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredEntry {
    /// Its index.
    pub index: u64,
    /// The term of the leader that wrote it.
    pub term: u64,
    /// What was proposed, or nothing.
    pub data: Bytes,
}

/// Where a member stands, for people and for tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The member.
    pub id: MemberId,
    /// Who leads, as it was last delivered.
    pub leadership: Leadership,
    /// The last entry known to be committed.
    pub committed: u64,
    /// The last entry that was delivered.
    pub delivered: u64,
    /// The first entry that was not cut off.
    pub first: u64,
    /// The last entry on disk.
    pub last: u64,
    /// The last entry that the snapshot includes.
    pub snapshot: u64,
    /// Who the members are.
    pub members: Members,
}
