//! The managers as a group: copies of one store that follow one log, each with a clock of its own.
//!
//! How a log comes to be agreed upon is `skep-raft`'s business. Here it is simply there, in the bytes that
//! production would write; a follower applies it some time later, or comes to it by a snapshot. Whoever is
//! to lead catches up first, and must then hold what the leader before it held.

use std::time::Duration;

use skep_core::store::Dump;
use skep_core::{ChangeSet, Store};
use skep_model::Timestamp;

use crate::Broken;
use crate::dice::Dice;

/// All managers.
pub(super) struct Group {
    members: Vec<Member>,
    /// Entries since the birth of the cluster, encoded; entry 1 is the first.
    log: Vec<Vec<u8>>,
}

struct Member {
    store: Store,
    /// Its clock is this much ahead of the world's.
    skew: Duration,
}

/// A follower that lags by more entries than this gets a snapshot instead.
const LAG_MAX: usize = 40;

impl Group {
    pub fn new(count: u64, skew_max: Duration, dice: &mut Dice) -> Self {
        let mut member = || {
            let skew = skew_max.mul_f64(dice.number(0, 100) as f64 / 100.0);
            Member { store: Store::default(), skew }
        };
        Group { members: (0..count).map(|_| member()).collect(), log: Vec::new() }
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Returns what the member's clock shows.
    pub fn clock(&self, member: usize, now: Timestamp) -> Timestamp {
        now + self.members[member].skew
    }

    /// Returns when the member's clock shows `at`.
    pub fn world_time(&self, member: usize, at: Timestamp) -> Timestamp {
        if at == Timestamp::MAX { at } else { at - self.members[member].skew }
    }

    /// Takes an entry that is agreed upon; returns its index.
    pub fn append(&mut self, changes: &ChangeSet) -> u64 {
        self.log.push(rmp_serde::to_vec_named(changes).expect("change sets are plain data"));
        self.log.len() as u64
    }

    /// Brings a member up to the end of the log, as an election does, and returns its store, which must be
    /// the same as `leaders`, the one that the last leader had.
    pub fn catch_up(&mut self, member: usize, leaders: &Store, snapshot: bool) -> Result<Store, Broken> {
        let applied = self.members[member].store.index() as usize;
        if snapshot || self.log.len() - applied > LAG_MAX {
            self.members[member].store = through_snapshot(leaders);
        } else {
            let store = &mut self.members[member].store;
            for (place, bytes) in self.log.iter().enumerate().skip(applied) {
                let changes: ChangeSet = rmp_serde::from_slice(bytes).map_err(|error| Broken {
                    invariant: "managers_agree",
                    detail: format!("entry {} cannot be read: {error}", place + 1),
                })?;
                store.apply(place as u64 + 1, &changes);
            }
        }
        let store = &self.members[member].store;
        match store.difference(leaders) {
            None => Ok(store.clone()),
            Some(difference) => {
                let how = if snapshot { "a snapshot" } else { "the log" };
                let detail = format!("member {member} came by {how} to another store: {difference}");
                Err(Broken { invariant: "managers_agree", detail })
            }
        }
    }
}

/// Returns the store as it comes out of a snapshot.
fn through_snapshot(store: &Store) -> Store {
    let bytes = rmp_serde::to_vec_named(&store.dump()).expect("a dump is plain data");
    let dump: Dump = rmp_serde::from_slice(&bytes).expect("what was just written");
    Store::restore(dump)
}
