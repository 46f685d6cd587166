//! Linearizable reads: which index must be applied before a read that began now may be answered.
//!
//! Reads that wait at the same time share one round of heartbeats. Raft forgets reads silently when
//! there is no leader, so they are asked again after some ticks and whenever the leader changes, and
//! fail in the end. A round is named by member, start and count: a leader answers a name it already
//! knows with an old index, so a name must never be used twice.

use std::collections::VecDeque;

use raft::{INVALID_ID, RawNode, ReadState, StateRole, Storage};
use thiserror::Error;

use crate::limits::{READ_RETRY_TICKS, READ_TICKS_MAX, READS_MAX};
use crate::{MemberId, ReadId};

/// Why a read could not be confirmed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ReadError {
    /// No leader with a quorum confirmed it in time.
    #[error("no leader confirmed the read: most managers are unreachable or elect a leader")]
    Unconfirmed,
    /// Too many reads wait already.
    #[error("too many reads wait for a leader")]
    Busy,
    /// The log was shut down.
    #[error("the log is shut down")]
    Closed,
}

struct Waiting {
    read: ReadId,
    age: u32,
}

struct Round {
    context: Vec<u8>,
    reads: Vec<Waiting>,
    age: u32,
}

pub(crate) struct Reads {
    member_id: MemberId,
    start: u64,
    rounds_begun: u64,
    waiting: Vec<Waiting>,
    rounds: VecDeque<Round>,
    /// The term and leader that the rounds were begun under.
    epoch: (u64, MemberId),
}

impl Reads {
    /// `start` tells this start of the member from every other one.
    pub(crate) fn new(member_id: MemberId, start: u64) -> Self {
        let (waiting, rounds) = (Vec::new(), VecDeque::new());
        Self { member_id, start, rounds_begun: 0, waiting, rounds, epoch: (0, INVALID_ID) }
    }

    pub(crate) fn add(&mut self, read: ReadId) -> Result<(), ReadError> {
        if self.len() >= READS_MAX {
            return Err(ReadError::Busy);
        }
        self.waiting.push(Waiting { read, age: 0 });
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.rounds.is_empty()
    }

    /// Begins a round for the reads that wait, if there is somebody to ask.
    pub(crate) fn begin_round<S: Storage>(&mut self, raw: &mut RawNode<S>) {
        let epoch = (raw.raft.term, raw.raft.leader_id);
        if epoch != self.epoch {
            self.epoch = epoch;
            self.ask_again(0);
        }
        if self.waiting.is_empty() || !can_ask(raw) {
            return;
        }
        self.rounds_begun += 1;
        let context: Vec<u8> =
            [self.member_id, self.start, self.rounds_begun].iter().flat_map(|n| n.to_be_bytes()).collect();
        raw.read_index(context.clone());
        self.rounds.push_back(Round { context, reads: std::mem::take(&mut self.waiting), age: 0 });
    }

    /// Returns the reads that `state` confirms, each of them once.
    pub(crate) fn confirm(&mut self, state: &ReadState) -> impl Iterator<Item = ReadId> + use<> {
        let found = self.rounds.iter().position(|round| round.context == state.request_ctx);
        let round = found.and_then(|at| self.rounds.remove(at));
        round.into_iter().flat_map(|round| round.reads).map(|waiting| waiting.read)
    }

    /// Lets a tick pass; returns the reads whose time is over.
    pub(crate) fn tick(&mut self) -> Vec<ReadId> {
        for round in &mut self.rounds {
            round.age += 1;
            round.reads.iter_mut().for_each(|waiting| waiting.age += 1);
        }
        self.waiting.iter_mut().for_each(|waiting| waiting.age += 1);
        self.ask_again(READ_RETRY_TICKS);
        let over = self.waiting.extract_if(.., |waiting| waiting.age >= READ_TICKS_MAX);
        over.map(|waiting| waiting.read).collect()
    }

    fn ask_again(&mut self, age_min: u32) {
        while self.rounds.front().is_some_and(|round| round.age >= age_min) {
            self.waiting.extend(self.rounds.pop_front().into_iter().flat_map(|round| round.reads));
        }
    }

    fn len(&self) -> usize {
        self.waiting.len() + self.rounds.iter().map(|round| round.reads.len()).sum::<usize>()
    }
}

/// A leader that has committed nothing of its own term does not yet know what is committed.
fn can_ask<S: Storage>(raw: &RawNode<S>) -> bool {
    match raw.raft.state {
        StateRole::Leader => raw.raft.commit_to_current_term(),
        StateRole::Follower => raw.raft.leader_id != INVALID_ID,
        StateRole::Candidate | StateRole::PreCandidate => false,
    }
}
