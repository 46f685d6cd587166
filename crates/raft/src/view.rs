//! The log as raft sees it: what stable storage holds, with the part that is asked for all the time in memory.
//!
//! In memory are every term (as runs, of which there is one per election), and the newest entries: all that
//! the owner has not been given yet, and as many before them as [`TAIL_BYTES_MAX`] allows. Only a follower
//! that lags far behind makes raft read the disk. Raft panics on a storage that fails, so a failed read is
//! answered with "compacted", which makes raft send a snapshot instead, and kept in `failure`, where the
//! member finds it and stops.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{GetEntriesContext, RaftState, StorageError as RaftStorageError};

use crate::limits::TAIL_BYTES_MAX;
use crate::storage::{
    Base, Batch, Loaded, Position, Record, SnapshotMeta, Storage, StoreError, entries_within, entry_bytes,
};

pub(crate) struct View<S> {
    storage: S,
    /// What is on disk. Invariant: its commit is never beyond the last entry on disk.
    hard_state: HardState,
    base: Base,
    last: Position,
    /// Runs of equal terms, by first index; the first run begins at `base.truncated`.
    terms: VecDeque<Position>,
    /// The newest entries. Invariant: without a gap, ending at `last`.
    tail: VecDeque<Entry>,
    tail_bytes: usize,
    /// The newest entry that the owner was given; the ones after it stay in `tail`.
    delivered: u64,
    failure: RefCell<Option<StoreError>>,
    /// Whether a member waits for a snapshot that is newer than the current one.
    snapshot_lacking: Cell<bool>,
}

impl<S: Storage> View<S> {
    /// Loads the storage and verifies that its parts fit together.
    pub(crate) fn load(storage: S) -> Result<Self, StoreError> {
        let Loaded { hard_state, base, entries } = storage.load()?;
        let truncated = base.truncated;
        let mut view = Self {
            storage,
            delivered: base.snapshot.position.index,
            base,
            last: truncated,
            terms: VecDeque::from([truncated]),
            tail: VecDeque::new(),
            tail_bytes: 0,
            hard_state,
            failure: RefCell::new(None),
            snapshot_lacking: Cell::new(false),
        };
        view.append(&entries);
        view.verify()?;
        Ok(view)
    }

    /// Raft panics on a log whose parts contradict each other; an operator gets a sentence instead.
    fn verify(&self) -> Result<(), StoreError> {
        let snapshot = self.base.snapshot.position;
        if self.term_at(snapshot.index) != Some(snapshot.term) || snapshot.index < self.base.truncated.index {
            return Err(StoreError::Malformed { record: Record::Base });
        }
        if self.hard_state.commit < snapshot.index || self.hard_state.commit > self.last.index {
            return Err(StoreError::Malformed { record: Record::HardState });
        }
        let ordered = self.terms.iter().zip(self.terms.iter().skip(1)).all(|(a, b)| a.term < b.term);
        if !ordered || self.last.term > self.hard_state.term {
            return Err(StoreError::Malformed { record: Record::Entry(self.last.index) });
        }
        Ok(())
    }

    pub(crate) fn storage(&self) -> &S {
        &self.storage
    }

    pub(crate) fn storage_mut(&mut self) -> &mut S {
        &mut self.storage
    }

    pub(crate) fn hard_state(&self) -> &HardState {
        &self.hard_state
    }

    pub(crate) fn base(&self) -> &Base {
        &self.base
    }

    pub(crate) fn last_index(&self) -> u64 {
        self.last.index
    }

    /// Returns the term of an entry that was not cut off.
    pub(crate) fn term_at(&self, index: u64) -> Option<u64> {
        if index < self.base.truncated.index || index > self.last.index {
            return None;
        }
        let run = self.terms.partition_point(|run| run.index <= index);
        Some(self.terms[run - 1].term)
    }

    /// Takes a read failure that happened inside raft.
    pub(crate) fn take_failure(&self) -> Option<StoreError> {
        self.failure.borrow_mut().take()
    }

    /// Returns whether, since the last call, a member needed a newer snapshot than there is.
    pub(crate) fn take_snapshot_lacking(&self) -> bool {
        self.snapshot_lacking.take()
    }

    /// Writes one transaction, and remembers what it wrote.
    pub(crate) fn write(&mut self, batch: &Batch<'_>) -> Result<(), StoreError> {
        self.storage.write(batch)?;
        if let Some(hard_state) = batch.hard_state {
            self.hard_state = hard_state.clone();
        }
        if let Some(base) = batch.base {
            self.rebase(base, batch.reset);
        }
        self.append(batch.entries);
        Ok(())
    }

    /// Notes that the owner was given everything up to `index`, and lets go of what is old.
    pub(crate) fn set_delivered(&mut self, index: u64) {
        self.delivered = index;
        while self.tail_bytes > TAIL_BYTES_MAX && self.tail.front().is_some_and(|entry| entry.index <= index)
        {
            self.pop_oldest();
        }
    }

    fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        while self.tail.back().is_some_and(|entry| entry.index >= first.index) {
            if let Some(replaced) = self.tail.pop_back() {
                self.tail_bytes -= entry_bytes(&replaced);
            }
        }
        while self.terms.back().is_some_and(|run| run.index >= first.index) {
            self.terms.pop_back();
        }
        for entry in entries {
            if self.terms.back().is_none_or(|run| run.term != entry.term) {
                self.terms.push_back(Position { index: entry.index, term: entry.term });
            }
            self.tail_bytes += entry_bytes(entry);
            self.tail.push_back(entry.clone());
            self.last = Position { index: entry.index, term: entry.term };
        }
    }

    fn rebase(&mut self, base: &Base, reset: bool) {
        if reset {
            self.tail.clear();
            self.tail_bytes = 0;
            self.terms = VecDeque::from([base.truncated]);
            self.last = base.truncated;
            self.delivered = base.snapshot.position.index;
        } else {
            while self.tail.front().is_some_and(|entry| entry.index <= base.truncated.index) {
                self.pop_oldest();
            }
            let run = self.terms.partition_point(|run| run.index <= base.truncated.index);
            self.terms.drain(..run);
            self.terms.push_front(base.truncated);
        }
        self.base = base.clone();
    }

    fn pop_oldest(&mut self) {
        if let Some(entry) = self.tail.pop_front() {
            self.tail_bytes -= entry_bytes(&entry);
        }
    }

    fn read_tail(&self, low: u64, high: u64, bytes_max: u64) -> Option<Vec<Entry>> {
        let first = self.tail.front().filter(|first| first.index <= low)?.index;
        let range = usize::try_from(low - first).ok()?..usize::try_from(high - first).ok()?;
        let wanted: Vec<_> = self.tail.range(range).cloned().collect();
        let fitting = entries_within(&wanted, bytes_max);
        Some(wanted.into_iter().take(fitting).collect())
    }

    fn note_failure(&self, error: StoreError, answer: RaftStorageError) -> raft::Error {
        self.failure.borrow_mut().get_or_insert(error);
        raft::Error::Store(answer)
    }
}

impl<S: Storage> raft::Storage for View<S> {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState::new(self.hard_state.clone(), self.base.snapshot.members.clone()))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low <= self.base.truncated.index {
            return Err(raft::Error::Store(RaftStorageError::Compacted));
        }
        assert!(high <= self.last.index + 1, "raft asks only for entries that it was told of");
        let bytes_max = max_size.into().unwrap_or(u64::MAX);
        match self.read_tail(low, high, bytes_max) {
            Some(entries) => Ok(entries),
            None => self
                .storage
                .entries(low, high, bytes_max)
                .map_err(|error| self.note_failure(error, RaftStorageError::Compacted)),
        }
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        let missing = if index < self.base.truncated.index {
            RaftStorageError::Compacted
        } else {
            RaftStorageError::Unavailable
        };
        self.term_at(index).ok_or(raft::Error::Store(missing))
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.base.truncated.index + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last.index)
    }

    fn snapshot(&self, request_index: u64, to: u64) -> raft::Result<Snapshot> {
        let SnapshotMeta { position, members } = &self.base.snapshot;
        let later = RaftStorageError::SnapshotTemporarilyUnavailable;
        // A member ignores a snapshot of a group that it did not belong to yet. Raft asks again later.
        if position.index < request_index || !includes(members, to) {
            self.snapshot_lacking.set(true);
            return Err(raft::Error::Store(later));
        }
        let data = self
            .storage
            .read_snapshot(&self.base.snapshot)
            .map_err(|error| self.note_failure(error, later))?;
        let mut snapshot = Snapshot { data, ..Snapshot::default() };
        let metadata = snapshot.mut_metadata();
        metadata.index = position.index;
        metadata.term = position.term;
        metadata.set_conf_state(members.clone());
        Ok(snapshot)
    }
}

fn includes(members: &ConfState, id: u64) -> bool {
    let lists = [&members.voters, &members.learners, &members.voters_outgoing, &members.learners_next];
    lists.iter().any(|list| list.contains(&id))
}

#[cfg(test)]
mod tests {
    use raft::Storage as _;

    use super::*;
    use crate::storage::{Bootstrap, Memory};

    fn entries(range: std::ops::Range<u64>, term: u64, bytes: usize) -> Vec<Entry> {
        let entry = |index| Entry { index, term, data: vec![0; bytes].into(), ..Entry::default() };
        range.map(entry).collect()
    }

    fn view() -> View<Memory> {
        View::load(Memory::new(1, Bootstrap::Found)).unwrap()
    }

    fn append(view: &mut View<Memory>, entries: &[Entry]) {
        let last = entries.last().unwrap();
        let hard_state = HardState { term: last.term, commit: 1, ..HardState::default() };
        view.write(&Batch { entries, hard_state: Some(&hard_state), ..Batch::default() }).unwrap();
    }

    fn indexes(view: &View<Memory>, low: u64, high: u64, bytes: u64) -> Vec<u64> {
        let read = view.entries(low, high, bytes, GetEntriesContext::empty(false)).unwrap();
        read.iter().map(|entry| entry.index).collect()
    }

    #[test]
    fn old_entries_leave_memory_and_come_from_storage() {
        let mut view = view();
        append(&mut view, &entries(2..8, 1, 1 << 20));
        assert_eq!(view.tail.len(), 6, "entries not delivered stay");
        view.set_delivered(7);
        assert_eq!(view.tail.front().unwrap().index, 7);
        assert_eq!(indexes(&view, 2, 8, u64::MAX), [2, 3, 4, 5, 6, 7]);
        assert_eq!(indexes(&view, 7, 8, 0), [7], "one entry is returned however large");
        assert_eq!(indexes(&view, 2, 8, 3 << 20), [2, 3]);
    }

    #[test]
    fn a_new_leader_replaces_a_suffix() {
        let mut view = view();
        append(&mut view, &entries(2..6, 1, 1));
        append(&mut view, &entries(4..5, 3, 1));
        assert_eq!(view.last, Position { index: 4, term: 3 });
        assert_eq!((view.term_at(3), view.term_at(4), view.term_at(5)), (Some(1), Some(3), None));
        let reloaded = View::load(view.storage.clone()).unwrap();
        assert_eq!(reloaded.terms, view.terms);
        assert_eq!(indexes(&reloaded, 2, 5, u64::MAX), [2, 3, 4]);
    }

    #[test]
    fn a_cut_keeps_the_term_it_was_made_at() {
        let mut view = view();
        append(&mut view, &entries(2..6, 1, 1));
        append(&mut view, &entries(6..9, 2, 1));
        let position = Position { index: 8, term: 2 };
        let snapshot = SnapshotMeta { position, ..SnapshotMeta::default() };
        let base = Base { truncated: Position { index: 5, term: 1 }, snapshot };
        view.write(&Batch { base: Some(&base), ..Batch::default() }).unwrap();
        assert_eq!((view.term_at(4), view.term_at(5), view.term_at(6)), (None, Some(1), Some(2)));
        assert_eq!(view.first_index().unwrap(), 6);
    }

    #[test]
    fn a_missing_entry_stops_the_member_and_not_the_process() {
        let mut view = view();
        append(&mut view, &entries(2..4, 1, 1));
        view.tail.clear();
        view.storage = Memory::new(1, Bootstrap::Found);
        let answer = view.entries(2, 4, None, GetEntriesContext::empty(false)).unwrap_err();
        assert_eq!(answer, raft::Error::Store(RaftStorageError::Compacted));
        assert!(matches!(view.take_failure(), Some(StoreError::Missing { record: Record::Entry(2) })));
    }
}
