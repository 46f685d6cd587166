//! Why a member refuses what it is asked.
//!
//! Outcomes that come later (an entry committed, a read confirmed) are in the
//! [deliveries](crate::Delivery) and in the errors of reads and changes, beside their code.

use thiserror::Error;

use crate::MemberId;
use crate::storage::StoreError;
use crate::wire::DecodeError;

/// Why a proposal was not taken.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ProposeError {
    /// It would never fit.
    #[error("a proposal of {bytes} bytes is larger than {max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// It is empty; empty entries are the log's own.
    #[error("an empty proposal")]
    Empty,
    /// More is waiting than the driver may hold; propose again after the next delivery.
    #[error("too many proposals wait")]
    Busy,
    /// The log was shut down.
    #[error("the log is shut down")]
    Closed,
}

/// Why a message of another member was not taken. Raft tolerates the loss of any message.
#[derive(Debug, Error)]
pub enum StepError {
    /// It could not be decoded.
    #[error("cannot decode a message of member {from}")]
    Decode {
        /// The sender.
        from: MemberId,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// It refers to entries that this member does not have: it, or the sender, lost its log.
    #[error(
        "member {from} refers to entry {index}, and the log of this member ends at {last}: \
         one of them lost its data; remove that member and join it again"
    )]
    BeyondLog {
        /// The sender.
        from: MemberId,
        /// The entry it refers to.
        index: u64,
        /// The last entry here.
        last: u64,
    },
    /// Raft refused it.
    #[error("raft refused a message of member {from}")]
    Refused {
        /// The sender.
        from: MemberId,
        /// Why.
        #[source]
        source: raft::Error,
    },
    /// More is waiting than the driver may hold.
    #[error("too many messages wait")]
    Busy,
    /// The log was shut down.
    #[error("the log is shut down")]
    Closed,
}

/// Why a snapshot was not taken.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// It would not fit.
    #[error("a snapshot of {bytes} bytes is larger than {max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// It is of a state that was not delivered yet.
    #[error("a snapshot at {index}, and entries were delivered only up to {delivered}")]
    Ahead {
        /// Its index.
        index: u64,
        /// The last delivered index.
        delivered: u64,
    },
    /// There is one that is as new.
    #[error("a snapshot at {index}, and there is one at {current}")]
    Superseded {
        /// Its index.
        index: u64,
        /// That of the current one.
        current: u64,
    },
    /// Another snapshot is being written, or the driver holds as much as it may.
    #[error("another snapshot is being written")]
    Busy,
    /// There is no thread to write it.
    #[error("cannot start a thread to write the snapshot at {index}")]
    Thread {
        /// Its index.
        index: u64,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It could not be stored.
    #[error("cannot store the snapshot at {index}")]
    Store {
        /// Its index.
        index: u64,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The log was shut down.
    #[error("the log is shut down")]
    Closed,
}

/// Why leadership was not handed over.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum TransferError {
    /// Only the leader hands over.
    #[error("this member does not lead")]
    NotLeader,
    /// There is no such voter.
    #[error("there is no such voter as member {id}")]
    Unknown {
        /// The member.
        id: MemberId,
    },
    /// Another transfer is under way.
    #[error("another transfer of leadership is under way")]
    Pending,
    /// The other member did not take over in time.
    #[error("member {id} did not take over within an election timeout")]
    TimedOut {
        /// The member.
        id: MemberId,
    },
    /// The log was shut down.
    #[error("the log is shut down")]
    Closed,
}
