//! The replicated log of Skep: every write of the cluster, in one order, durable before it is acknowledged.
//!
//! It drives TiKV's `raft` over a `redb` file, moves bytes, and knows no noun of the cluster. A cluster of
//! one manager is the same code with one voter; there is no second storage path.
//!
//! ```text
//!   owner ── propose, read_index, snapshot ──▶ Log ──▶ driver (thread) ──▶ Member ──▶ Disk (redb, sealed)
//!     ▲                                                   │
//!     └───────────── Delivery, in order ◀─────────────────┘
//! ```
//!
//! Read [`Log`] to use it, [`Member`] for consensus without threads, clock or network, [`storage`] for what
//! is on disk and when, and `docs/adr/0002-raft-rs.md` for why it is built on these libraries.

#![forbid(unsafe_code)]

mod delivery;
mod driver;
pub mod limits;
mod log;
mod logger;
mod member;
mod record;
mod seal;
pub mod storage;
mod view;
mod wire;

pub use delivery::{Delivery, Leadership, Output, ProposalId, ReadId, Recovered, RecoveredEntry, Status};
pub use log::{Config, Log};
pub use member::{
    ChangeError, Member, MemberChange, MemberConfig, Members, ProposeError, ReadError, SnapshotError,
    StepError, TransferError,
};
pub use seal::{FORMAT_VERSION, SealError, SealKey};
pub use storage::{Bootstrap, Disk, Memory, OpenError, StoreError};
pub use wire::DecodeError;

/// Names a member of the group; never 0. A member is a manager's log, not a node: a node that leaves and
/// joins again is another member.
pub type MemberId = u64;
