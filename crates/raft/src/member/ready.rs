//! The order of things: what becomes durable when, and what is handed out before or after it.
//!
//! One round is: a leader's messages (they promise nothing about its own disk, and followers write at the
//! same time) → entries committed earlier → **one durable transaction** → messages that promise what was
//! just written → entries that this write committed. For a group of one, a proposal is committed by the
//! write that stores it: one sync. A commit index alone is not worth a sync; it is written with the next
//! entries, which [`members`](super::members) relies on.

use raft::eraftpb::{Entry, EntryType, HardState, Message, MessageType};
use raft::{Ready, StateRole};

use super::members::Members;
use super::{ChangeError, Member, ReadError, TransferError};
use crate::delivery::{Delivery, Leadership, Output};
use crate::limits::{LOG_BYTES_PER_SNAPSHOT, ROUNDS_PER_READY, SNAPSHOT_PATIENCE_TICKS};
use crate::storage::{Base, Batch, Position, Record, SnapshotMeta, Storage, StoreError, entry_bytes};
use crate::wire;

impl<S: Storage> Member<S> {
    /// Makes durable what came in, and hands out what follows. Call it after every few inputs, and again
    /// while [`has_ready`](Self::has_ready).
    ///
    /// # Errors
    /// When storage fails; the member must not be used any more.
    pub fn ready(&mut self, sink: &mut impl FnMut(Output)) -> Result<(), StoreError> {
        for _ in 0..ROUNDS_PER_READY {
            self.reads.begin_round(&mut self.raw);
            if !self.raw.has_ready() {
                break;
            }
            self.round(sink)?;
        }
        self.clock.set(&mut self.raw);
        self.settle(sink);
        Ok(())
    }

    pub(super) fn round(&mut self, sink: &mut impl FnMut(Output)) -> Result<(), StoreError> {
        let mut ready = self.raw.ready();
        self.check_reads_from_disk()?;
        self.send(ready.take_messages(), sink);
        for state in ready.take_read_states() {
            for read in self.reads.confirm(&state) {
                sink(Output::Read { read, result: Ok(state.index) });
            }
        }
        self.deliver(ready.take_committed_entries(), sink)?;
        if ready.snapshot().is_empty() {
            self.persist(&ready)?;
        } else {
            self.install(&ready, sink)?;
        }
        self.send(ready.take_persisted_messages(), sink);
        let mut light = self.raw.advance_append(ready);
        self.send(light.take_messages(), sink);
        self.deliver(light.take_committed_entries(), sink)?;
        self.raw.advance_apply();
        self.check_reads_from_disk()
    }

    fn send(&self, messages: Vec<Message>, sink: &mut impl FnMut(Output)) {
        // A former leader would pass reads of others on in their name, which the receiver refuses. Whoever
        // asked asks the new leader itself.
        for message in messages.into_iter().filter(|message| message.from == self.id) {
            let is_snapshot = message.get_msg_type() == MessageType::MsgSnapshot;
            let bytes = wire::encode(&message);
            sink(Output::Deliver(Delivery::Send { to: message.to, bytes, is_snapshot }));
        }
    }

    /// Raft cannot hand on an error of the disk it reads from, so it is found here.
    fn check_reads_from_disk(&self) -> Result<(), StoreError> {
        self.raw.store().take_failure().map_or(Ok(()), Err)
    }

    fn persist(&mut self, ready: &Ready) -> Result<(), StoreError> {
        if !ready.must_sync() {
            return Ok(());
        }
        let last = ready.entries().last().map_or(self.raw.store().last_index(), |entry| entry.index);
        let hard_state = self.hard_state_within(last);
        let batch = Batch { entries: ready.entries(), hard_state: Some(&hard_state), ..Batch::default() };
        self.raw.mut_store().write(&batch)
    }

    /// Replaces the log by a snapshot of the leader.
    fn install(&mut self, ready: &Ready, sink: &mut impl FnMut(Output)) -> Result<(), StoreError> {
        let metadata = ready.snapshot().get_metadata();
        let (index, data) = (metadata.index, ready.snapshot().data.clone());
        let position = Position { index, term: metadata.term };
        let members = metadata.get_conf_state().clone();
        let meta = SnapshotMeta { position, members: members.clone() };
        let hard_state = self.hard_state_within(ready.entries().last().map_or(index, |entry| entry.index));
        let base = Base { truncated: position, snapshot: meta.clone() };
        let view = self.raw.mut_store();
        view.storage_mut().save_snapshot(&meta, &data)?;
        view.write(&Batch {
            entries: ready.entries(),
            hard_state: Some(&hard_state),
            base: Some(&base),
            reset: true,
        })?;
        self.history.restart(&meta);
        self.delivered = index;
        self.compaction.restart(index);
        sink(Output::Deliver(Delivery::Snapshot { index, data }));
        sink(Output::Deliver(Delivery::Members(Members::new(index, &members))));
        Ok(())
    }

    /// Returns raft's hard state; on disk its commit must not be beyond the last entry there.
    fn hard_state_within(&self, last: u64) -> HardState {
        let mut hard_state = self.raw.raft.hard_state();
        hard_state.commit = hard_state.commit.min(last);
        hard_state
    }

    fn deliver(&mut self, entries: Vec<Entry>, sink: &mut impl FnMut(Output)) -> Result<(), StoreError> {
        for mut entry in entries {
            let (index, term) = (entry.index, entry.term);
            self.compaction.bytes = self.compaction.bytes.saturating_add(entry_bytes(&entry));
            if entry.get_entry_type() != EntryType::EntryNormal {
                self.apply_change(&entry, sink)?;
                entry.data.clear();
            }
            let proposal = self.proposals.commit(index, term);
            self.delivered = index;
            sink(Output::Deliver(Delivery::Committed { index, term, data: entry.data, proposal }));
            if self.change.is_some_and(|change| change.index == index) {
                let ours = self.change.take() == Some(Position { index, term });
                sink(Output::Changed(if ours { Ok(()) } else { Err(ChangeError::Dropped) }));
            }
        }
        let delivered = self.delivered;
        self.raw.mut_store().set_delivered(delivered);
        Ok(())
    }

    fn apply_change(&mut self, entry: &Entry, sink: &mut impl FnMut(Output)) -> Result<(), StoreError> {
        let index = entry.index;
        let record = Record::Entry(index);
        let change = wire::decode_change(entry).map_err(|_| StoreError::Malformed { record })?;
        match self.raw.apply_conf_change(&change) {
            Ok(members) => {
                sink(Output::Deliver(Delivery::Members(Members::new(index, &members))));
                self.history.push(index, members);
            }
            // Every member refuses it alike, so that all of them stay as they were.
            Err(error) => {
                tracing::warn!(index, error = &error as &dyn std::error::Error, "change of members refused");
            }
        }
        Ok(())
    }

    /// Reports what follows from the state that all rounds together led to.
    fn settle(&mut self, sink: &mut impl FnMut(Output)) {
        let raft = &self.raw.raft;
        let leading = (raft.state == StateRole::Leader).then_some(raft.term);
        for id in self.refused.drain(..).chain(self.proposals.give_up(leading)) {
            sink(Output::Deliver(Delivery::Dropped(id)));
        }
        if self.change.is_some_and(|change| leading != Some(change.term)) {
            self.change = None;
            sink(Output::Changed(Err(ChangeError::Dropped)));
        }
        self.settle_transfer(sink);
        self.announce(sink);
        for read in self.reads_over.drain(..) {
            sink(Output::Read { read, result: Err(ReadError::Unconfirmed) });
        }
        let lacking = self.raw.store().take_snapshot_lacking();
        if self.compaction.is_due(self.delivered, lacking) {
            self.compaction.restart(self.delivered);
            sink(Output::Deliver(Delivery::SnapshotWanted { index: self.delivered }));
        }
    }

    fn settle_transfer(&mut self, sink: &mut impl FnMut(Output)) {
        let Some(id) = self.transfer else { return };
        let raft = &self.raw.raft;
        let result = if raft.state != StateRole::Leader {
            Ok(())
        } else if raft.lead_transferee.is_none() {
            Err(TransferError::TimedOut { id })
        } else {
            return;
        };
        self.transfer = None;
        sink(Output::Transferred(result));
    }

    fn announce(&mut self, sink: &mut impl FnMut(Output)) {
        let raft = &self.raw.raft;
        let leads = raft.state == StateRole::Leader;
        let is_self = leads && raft.apply_to_current_term();
        let known = is_self || (!leads && raft.leader_id != raft::INVALID_ID);
        let now = Leadership { term: raft.term, leader: known.then_some(raft.leader_id), is_self };
        if now != self.announced {
            self.announced = now;
            sink(Output::Deliver(Delivery::Leader(now)));
        }
    }
}

impl super::Compaction {
    fn is_due(&self, delivered: u64, lacking: bool) -> bool {
        delivered - self.asked_at >= self.snapshot_every
            || self.bytes >= LOG_BYTES_PER_SNAPSHOT
            || (lacking && self.patience_ticks == 0)
    }

    fn restart(&mut self, index: u64) {
        self.asked_at = index;
        self.bytes = 0;
        self.patience_ticks = SNAPSHOT_PATIENCE_TICKS;
    }
}
