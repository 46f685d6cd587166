//! What a member needs from stable storage, and the two places that give it: [`Disk`] and [`Memory`].
//!
//! A storage keeps three things: the entries of the log, the hard state (term, vote, commit), and the
//! [`Base`] (where the log was cut, and the snapshot that stands for what was cut). One [`Batch`] is
//! one transaction: it is durable, whole, when [`Storage::write`] returns, or the member stops.
//! Snapshots lie beside the log, because they are large and written while consensus goes on.

mod disk;
mod error;
mod memory;
mod snapshot_file;

use bytes::Bytes;
use raft::eraftpb::{ConfState, Entry, HardState};

pub use disk::Disk;
pub use error::{OpenError, Record, StoreError};
pub use memory::Memory;

use crate::MemberId;

/// The index at which every group begins, with an empty state. It is 1 and not 0, so that a member which
/// joins never replays from nothing: it lacks index 1 and is sent a snapshot, made after it was added, that
/// tells it who the members are.
pub const BOOTSTRAP_INDEX: u64 = 1;

/// A place in the log: an index, and the term of the entry there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The index, counted from [`BOOTSTRAP_INDEX`].
    pub index: u64,
    /// The term of the leader that wrote it.
    pub term: u64,
}

/// What a snapshot stands for: everything up to a position, and who the members were there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SnapshotMeta {
    /// The last entry that the snapshot includes.
    pub position: Position,
    /// The members as of that entry.
    pub members: ConfState,
}

/// Where the log begins. Entries in `(truncated, snapshot]` are kept only for slow followers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Base {
    /// The last entry that was removed.
    pub truncated: Position,
    /// The current snapshot; never older than `truncated`.
    pub snapshot: SnapshotMeta,
}

/// How a member without a log begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bootstrap {
    /// As the only voter of a new group.
    Found,
    /// As nobody, until a leader that added this member sends it a snapshot.
    Join,
    /// Not at all: the owner knows that there was a log, and one that is gone is damage.
    Refuse,
}

impl Bootstrap {
    /// Returns what the storage of a fresh member holds.
    pub(crate) fn initial(self, member_id: MemberId) -> (HardState, Base) {
        match self {
            Self::Join | Self::Refuse => (HardState::default(), Base::default()),
            Self::Found => {
                let position = Position { index: BOOTSTRAP_INDEX, term: 1 };
                let members = ConfState { voters: vec![member_id], ..ConfState::default() };
                let snapshot = SnapshotMeta { position, members };
                let hard_state = HardState { term: 1, commit: BOOTSTRAP_INDEX, ..HardState::default() };
                (hard_state, Base { truncated: position, snapshot })
            }
        }
    }
}

/// Everything a storage holds, read and verified at start.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Term, vote, and the commit index as far as it was written.
    pub hard_state: HardState,
    /// Where the log begins.
    pub base: Base,
    /// All entries after `base.truncated`, without a gap.
    pub entries: Vec<Entry>,
}

/// One transaction.
#[derive(Clone, Debug, Default)]
pub struct Batch<'a> {
    /// Entries to append. Those on disk from the first of these indexes on are replaced.
    pub entries: &'a [Entry],
    /// The new hard state, if it changed.
    pub hard_state: Option<&'a HardState>,
    /// The new base, if it changed. Entries up to its `truncated` are removed.
    pub base: Option<&'a Base>,
    /// Whether all entries go, because the base is a snapshot that does not continue them.
    pub reset: bool,
}

/// Stable storage of one member.
pub trait Storage {
    /// Reads everything and verifies it.
    ///
    /// # Errors
    /// When something cannot be read, or is not what was written.
    fn load(&self) -> Result<Loaded, StoreError>;

    /// Writes one transaction; it is durable on return. After an error nothing may be written again,
    /// because what is on disk is unknown.
    ///
    /// # Errors
    /// When the transaction is not known to be durable.
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), StoreError>;

    /// Reads entries `low..high`, stopping before `bytes_max` is exceeded but never before the first.
    ///
    /// # Errors
    /// When an entry cannot be read, or is not what was written.
    fn entries(&self, low: u64, high: u64, bytes_max: u64) -> Result<Vec<Entry>, StoreError>;

    /// Stores the data of a snapshot, durable on return. A later [`Batch::base`] makes it current and
    /// removes the one before.
    ///
    /// # Errors
    /// When the snapshot is not known to be durable.
    fn save_snapshot(&mut self, meta: &SnapshotMeta, data: &[u8]) -> Result<(), StoreError>;

    /// Reads the data of a snapshot that was saved. There is none at [`BOOTSTRAP_INDEX`].
    ///
    /// # Errors
    /// When it cannot be read, or is not what was written.
    fn read_snapshot(&self, meta: &SnapshotMeta) -> Result<Bytes, StoreError>;
}

/// Returns how many of `entries` fit into `bytes_max`, at least one.
pub(crate) fn entries_within(entries: &[Entry], bytes_max: u64) -> usize {
    let mut total = 0u64;
    let fitting = entries.iter().take_while(|entry| {
        total = total.saturating_add(entry_bytes(entry) as u64);
        total <= bytes_max
    });
    fitting.count().max(1).min(entries.len())
}

/// Returns about how many bytes of memory an entry takes.
pub(crate) fn entry_bytes(entry: &Entry) -> usize {
    entry.data.len() + entry.context.len() + size_of::<Entry>()
}
