//! One member of a group, without threads, clock or network: the whole consensus as a value.
//!
//! ```text
//!  propose  step  tick  read  change  snapshot          what came in
//!      └──────┴─────┴─────┴──────┴───────┘
//!                      │
//!                   Member ── ready ──▶ Storage          one transaction, durable
//!                                  └──▶ Output           committed entries, messages, answers
//! ```
//!
//! Inputs only change what is in memory; [`Member::ready`] makes it durable and hands out what follows.
//! The [driver](crate::driver) runs one on a thread with a disk; a simulator runs several on
//! [`Memory`](crate::Memory), and equal seeds and inputs give equal outputs. Read on in
//! [`ready`](self::ready) for the order of things.

mod clock;
mod error;
mod members;
mod proposals;
mod reads;
mod ready;

use raft::eraftpb::HardState;
use raft::{RawNode, SnapshotStatus, StateRole};

pub use error::{ProposeError, SnapshotError, StepError, TransferError};
pub use members::{ChangeError, MemberChange, Members};
pub use reads::ReadError;

use crate::MemberId;
use crate::delivery::{Delivery, Leadership, Output, ProposalId, ReadId, Recovered, RecoveredEntry, Status};
use crate::limits::{
    APPEND_BYTES_MAX, APPENDS_INFLIGHT_MAX, COMMITTED_BYTES_PER_ROUND, ELECTION_TICKS_MAX,
    ELECTION_TICKS_MIN, HEARTBEAT_TICKS, PROPOSAL_BYTES_MAX, SNAPSHOT_BYTES_MAX, UNCOMMITTED_BYTES_MAX,
};
use crate::logger::logger;
use crate::storage::{BOOTSTRAP_INDEX, Base, Batch, Position, SnapshotMeta, Storage, StoreError};
use crate::view::View;
use crate::wire;
use clock::ElectionClock;
use members::{History, plan_change};
use proposals::Proposals;
use reads::Reads;

/// What a member is started with.
#[derive(Clone, Debug)]
pub struct MemberConfig {
    /// Who it is; never 0.
    pub id: MemberId,
    /// Entries after a snapshot at which the next one is wanted.
    pub snapshot_every: u64,
    /// Entries before a snapshot that are kept, so that a slow follower needs no snapshot.
    pub keep_entries: u64,
    /// Where election timeouts and names of reads come from. Must differ from start to start.
    pub seed: u64,
}

/// One member of a group: consensus as a value, without threads, clock or network.
///
/// Inputs (`propose`, `step`, `tick`, `read`, `change`, `snapshot`) only change what is in memory;
/// [`ready`](Self::ready) makes it durable and hands out what follows. Equal seeds and inputs give equal
/// outputs.
pub struct Member<S: Storage> {
    id: MemberId,
    raw: RawNode<View<S>>,
    clock: ElectionClock,
    proposals: Proposals,
    /// Proposals that raft did not take.
    refused: Vec<ProposalId>,
    reads: Reads,
    /// Reads that nobody confirmed in time.
    reads_over: Vec<ReadId>,
    history: History,
    /// The change of members that waits for its entry to commit.
    change: Option<Position>,
    transfer: Option<MemberId>,
    announced: Leadership,
    /// The last entry handed to the owner.
    delivered: u64,
    compaction: Compaction,
}

/// When the next snapshot is wanted.
struct Compaction {
    snapshot_every: u64,
    keep_entries: u64,
    /// The index at which one was last wanted, or made.
    asked_at: u64,
    /// Bytes of the entries delivered since.
    bytes: usize,
    /// Before the owner is asked again for the sake of a member that waits.
    patience_ticks: usize,
}

impl<S: Storage> Member<S> {
    /// Starts a member from its storage. A member that is the only voter leads after the first
    /// [`ready`](Self::ready), without waiting for an election.
    ///
    /// # Errors
    /// When the storage cannot be read, or its parts contradict each other.
    ///
    /// # Panics
    /// When the id is 0.
    pub fn open(config: &MemberConfig, storage: S) -> Result<(Self, Recovered), StoreError> {
        let view = View::load(storage)?;
        let meta = view.base().snapshot.clone();
        let index = meta.position.index;
        let snapshot = match index {
            0..=BOOTSTRAP_INDEX => None,
            _ => Some((index, view.storage().read_snapshot(&meta)?)),
        };
        let raw = RawNode::new(&raft_config(config.id, index), view, &logger())
            .expect("the settings are constants within their ranges, and the view was verified");
        let mut clock = ElectionClock::new(config.seed);
        let reads = Reads::new(config.id, clock.draw());
        let mut member = Self {
            id: config.id,
            raw,
            clock,
            proposals: Proposals::default(),
            refused: Vec::new(),
            reads,
            reads_over: Vec::new(),
            history: History::new(&meta),
            change: None,
            transfer: None,
            announced: Leadership::default(),
            delivered: index,
            compaction: Compaction {
                snapshot_every: config.snapshot_every.max(1),
                keep_entries: config.keep_entries,
                asked_at: index,
                bytes: 0,
                patience_ticks: 0,
            },
        };
        member.clock.set(&mut member.raw);
        let entries = member.replay()?;
        if member.history.current().voters == [member.id] {
            member.campaign();
        }
        let members = member.history.current();
        Ok((member, Recovered { snapshot, entries, members }))
    }

    /// Hands out the entries that are known to be committed, and applies the changes of members in them.
    fn replay(&mut self) -> Result<Vec<RecoveredEntry>, StoreError> {
        let mut entries = Vec::new();
        // Ends, because every round hands out at least one of finitely many entries.
        while self.raw.has_ready() {
            self.round(&mut |output| {
                if let Output::Deliver(Delivery::Committed { index, term, data, .. }) = output {
                    entries.push(RecoveredEntry { index, term, data });
                }
            })?;
        }
        Ok(entries)
    }

    fn campaign(&mut self) {
        if let Err(error) = self.raw.campaign() {
            tracing::warn!(error = &error as &dyn std::error::Error, "election not begun");
        }
        self.clock.set(&mut self.raw);
    }

    /// Lets one tick pass: 100 ms, unless configured otherwise.
    pub fn tick(&mut self) {
        self.clock.tick(&mut self.raw);
        self.reads_over.extend(self.reads.tick());
        self.compaction.patience_ticks = self.compaction.patience_ticks.saturating_sub(1);
    }

    /// Returns whether anything depends on time. The only member of its group has nobody to wait for.
    #[must_use]
    pub fn needs_ticks(&self) -> bool {
        let alone = self.history.current().is_only(self.id) && self.raw.raft.state == StateRole::Leader;
        !alone || !self.reads.is_empty() || self.transfer.is_some()
    }

    /// Returns whether [`ready`](Self::ready) has something to do.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        self.raw.has_ready() || !self.reads_over.is_empty() || !self.refused.is_empty()
    }

    /// Takes a message of another member whose identity was verified.
    ///
    /// # Errors
    /// When it is refused. Nothing has changed then, as if it had been lost.
    pub fn step(&mut self, from: MemberId, bytes: &[u8]) -> Result<(), StepError> {
        let decoded = wire::decode(from, self.id, bytes);
        self.step_message(decoded.map_err(|source| StepError::Decode { from, source })?)
    }

    pub(crate) fn step_message(&mut self, message: raft::eraftpb::Message) -> Result<(), StepError> {
        let from = message.from;
        self.check_within_log(&message)?;
        let stepped = self.raw.step(message).map_err(|source| StepError::Refused { from, source });
        self.clock.set(&mut self.raw);
        stepped
    }

    /// Raft panics on an index beyond its log, which an honest member names only after data was lost.
    fn check_within_log(&self, message: &raft::eraftpb::Message) -> Result<(), StepError> {
        use raft::eraftpb::MessageType::{MsgAppendResponse, MsgHeartbeat};
        let last = self.raw.raft.raft_log.last_index();
        let index = match message.get_msg_type() {
            MsgHeartbeat => message.commit,
            MsgAppendResponse if !message.reject => message.index,
            _ => return Ok(()),
        };
        if message.term >= self.raw.raft.term && index > last {
            return Err(StepError::BeyondLog { from: message.from, index, last });
        }
        Ok(())
    }

    /// Proposes an entry. The outcome comes from [`ready`](Self::ready): [`Delivery::Committed`] with this
    /// id, or [`Delivery::Dropped`] when this member does not lead, or no longer.
    ///
    /// # Errors
    /// When it is empty or too large.
    pub fn propose(&mut self, id: ProposalId, data: Vec<u8>) -> Result<(), ProposeError> {
        check_proposal(data.len())?;
        // Raft would forward it to the leader, and then nobody here would know its index.
        let leads = self.raw.raft.state == StateRole::Leader;
        if leads && self.raw.propose(Vec::new(), data).is_ok() {
            let term = self.raw.raft.term;
            self.refused.extend(self.proposals.give_up(Some(term)));
            self.proposals.add(self.raw.raft.raft_log.last_index(), term, id);
        } else {
            self.refused.push(id);
        }
        Ok(())
    }

    /// Asks for the index that must be applied before a read that begins now may be answered. The answer
    /// is an [`Output::Read`].
    ///
    /// # Errors
    /// When too many reads wait.
    pub fn read(&mut self, read: ReadId) -> Result<(), ReadError> {
        self.reads.add(read)
    }

    /// Proposes a change of members. The outcome is an [`Output::Changed`].
    ///
    /// # Errors
    /// When this member does not lead, another change is under way, or the change makes no sense.
    pub fn change(&mut self, change: MemberChange) -> Result<(), ChangeError> {
        let raft = &self.raw.raft;
        let planned = plan_change(self.id, raft.state, raft.prs(), raft.raft_log.committed, change)?;
        // Raft would put an empty entry in place of a second change.
        if self.change.is_some() || raft.has_pending_conf() {
            return Err(ChangeError::Pending);
        }
        self.raw.propose_conf_change(Vec::new(), planned).map_err(|_| ChangeError::Dropped)?;
        let raft = &self.raw.raft;
        self.change = Some(Position { index: raft.raft_log.last_index(), term: raft.term });
        Ok(())
    }

    /// Hands leadership over to another voter. The outcome is an [`Output::Transferred`]; until then
    /// proposals are dropped.
    ///
    /// # Errors
    /// When this member does not lead, a transfer is under way, or there is no such voter.
    pub fn transfer_leader(&mut self, to: MemberId) -> Result<(), TransferError> {
        if self.raw.raft.state != StateRole::Leader {
            return Err(TransferError::NotLeader);
        }
        if self.transfer.is_some() {
            return Err(TransferError::Pending);
        }
        if to == self.id || !self.history.current().voters.contains(&to) {
            return Err(TransferError::Unknown { id: to });
        }
        self.raw.transfer_leader(to);
        self.transfer = Some(to);
        self.clock.set(&mut self.raw);
        Ok(())
    }

    /// Notes that a message to `to` could not be sent.
    pub fn report_unreachable(&mut self, to: MemberId) {
        self.raw.report_unreachable(to);
    }

    /// Notes whether a message with a snapshot reached `to`. Every one of them must be reported: until then
    /// nothing else is sent there.
    pub fn report_snapshot(&mut self, to: MemberId, arrived: bool) {
        let status = if arrived { SnapshotStatus::Finish } else { SnapshotStatus::Failure };
        self.raw.report_snapshot(to, status);
    }

    /// Stores the owner's state as of `index`, and cuts the log before it.
    ///
    /// # Errors
    /// When it is too large, too new, not new, or cannot be stored. After [`SnapshotError::Store`] the
    /// member must not be used any more.
    pub fn snapshot(&mut self, index: u64, data: &[u8]) -> Result<(), SnapshotError> {
        let meta = self.plan_snapshot(index, data.len())?;
        let store_error = |source| SnapshotError::Store { index, source };
        self.raw.mut_store().storage_mut().save_snapshot(&meta, data).map_err(store_error)?;
        self.adopt_snapshot(meta).map_err(store_error)
    }

    /// Checks that a snapshot at `index` may be taken, and returns what it stands for.
    pub(crate) fn plan_snapshot(&self, index: u64, bytes: usize) -> Result<SnapshotMeta, SnapshotError> {
        if bytes > SNAPSHOT_BYTES_MAX {
            return Err(SnapshotError::TooLarge { bytes, max: SNAPSHOT_BYTES_MAX });
        }
        if index > self.delivered {
            return Err(SnapshotError::Ahead { index, delivered: self.delivered });
        }
        let current = self.raw.store().base().snapshot.position.index;
        if index <= current {
            return Err(SnapshotError::Superseded { index, current });
        }
        let term = self.raw.store().term_at(index).expect("delivered after the snapshot, so not cut off");
        let members = self.history.at(index).clone();
        Ok(SnapshotMeta { position: Position { index, term }, members })
    }

    /// Makes a stored snapshot the current one, unless a leader sent a newer one meanwhile.
    pub(crate) fn adopt_snapshot(&mut self, meta: SnapshotMeta) -> Result<(), StoreError> {
        let view = self.raw.mut_store();
        let index = meta.position.index;
        if index <= view.base().snapshot.position.index {
            return Ok(());
        }
        let cut_at = index.saturating_sub(self.compaction.keep_entries).max(view.base().truncated.index);
        let term = view.term_at(cut_at).expect("between the last cut and a delivered entry");
        let base = Base { truncated: Position { index: cut_at, term }, snapshot: meta };
        let hard_state = with_commit(view.hard_state(), index);
        view.write(&Batch { base: Some(&base), hard_state: Some(&hard_state), ..Batch::default() })?;
        self.history.forget_before(index);
        Ok(())
    }

    /// Makes the commit index durable, so that the next start replays without waiting for an election.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        let delivered = self.delivered;
        let view = self.raw.mut_store();
        if view.hard_state().commit >= delivered {
            return Ok(());
        }
        let hard_state = with_commit(view.hard_state(), delivered);
        view.write(&Batch { hard_state: Some(&hard_state), ..Batch::default() })
    }

    /// Returns where this member stands.
    #[must_use]
    pub fn status(&self) -> Status {
        let view = self.raw.store();
        Status {
            id: self.id,
            leadership: self.announced,
            committed: self.raw.raft.raft_log.committed,
            delivered: self.delivered,
            first: view.base().truncated.index + 1,
            last: view.last_index(),
            snapshot: view.base().snapshot.position.index,
            members: self.history.current(),
        }
    }

    /// Returns the storage, for what may happen beside consensus.
    pub(crate) fn storage(&self) -> &S {
        self.raw.store().storage()
    }
}

/// Refuses proposals that the log could not carry.
pub(crate) fn check_proposal(bytes: usize) -> Result<(), ProposeError> {
    match bytes {
        0 => Err(ProposeError::Empty),
        1..=PROPOSAL_BYTES_MAX => Ok(()),
        _ => Err(ProposeError::TooLarge { bytes, max: PROPOSAL_BYTES_MAX }),
    }
}

/// Returns what is on disk with a commit index of at least `index`, which must be on disk too.
fn with_commit(durable: &HardState, index: u64) -> HardState {
    HardState { commit: durable.commit.max(index), ..durable.clone() }
}

fn raft_config(id: MemberId, applied: u64) -> raft::Config {
    raft::Config {
        id,
        applied,
        election_tick: ELECTION_TICKS_MIN,
        min_election_tick: ELECTION_TICKS_MIN,
        max_election_tick: ELECTION_TICKS_MAX,
        heartbeat_tick: HEARTBEAT_TICKS,
        max_size_per_msg: APPEND_BYTES_MAX,
        max_inflight_msgs: APPENDS_INFLIGHT_MAX,
        max_uncommitted_size: UNCOMMITTED_BYTES_MAX,
        max_committed_size_per_ready: COMMITTED_BYTES_PER_ROUND,
        check_quorum: true,
        pre_vote: true,
        ..raft::Config::default()
    }
}
