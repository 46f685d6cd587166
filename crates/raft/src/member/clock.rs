//! Election timeouts from a seed.
//!
//! raft 0.7 draws a timeout from a thread-local generator whenever it resets itself. So that a seed replays
//! exactly, the timeout is replaced after each step by one of ours: a new one when term, role or leader
//! changed or an election began, else the same as before.

use raft::{RawNode, StateRole, Storage};

use crate::limits::{ELECTION_TICKS_MAX, ELECTION_TICKS_MIN};

pub(crate) struct ElectionClock {
    source: SplitMix,
    seen: (u64, StateRole, u64),
    ticks: usize,
}

impl ElectionClock {
    pub(crate) fn new(seed: u64) -> Self {
        let mut source = SplitMix(seed);
        let ticks = draw_ticks(&mut source);
        Self { source, seen: (0, StateRole::Follower, 0), ticks }
    }

    /// Draws a number that no other start of any member has, for a seed that no other start has.
    pub(crate) fn draw(&mut self) -> u64 {
        self.source.next()
    }

    /// Advances time by one tick.
    pub(crate) fn tick<S: Storage>(&mut self, raw: &mut RawNode<S>) {
        let acted = raw.tick();
        if acted && raw.raft.state != StateRole::Leader {
            self.ticks = draw_ticks(&mut self.source);
        }
        self.set(raw);
    }

    /// Puts our timeout in place of the one raft may have drawn.
    pub(crate) fn set<S: Storage>(&mut self, raw: &mut RawNode<S>) {
        let now = (raw.raft.term, raw.raft.state, raw.raft.leader_id);
        if now != self.seen {
            self.seen = now;
            self.ticks = draw_ticks(&mut self.source);
        }
        raw.raft.set_randomized_election_timeout(self.ticks);
    }
}

fn draw_ticks(source: &mut SplitMix) -> usize {
    let span = (ELECTION_TICKS_MAX - ELECTION_TICKS_MIN) as u64;
    ELECTION_TICKS_MIN + usize::try_from(source.next() % span).expect("less than a span of ticks")
}

/// Steele, Lea and Flood's generator: small, fast, and every seed gives another sequence.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_stay_in_range_and_differ() {
        let mut source = SplitMix(7);
        let drawn: Vec<_> = (0..1_000).map(|_| draw_ticks(&mut source)).collect();
        for ticks in ELECTION_TICKS_MIN..ELECTION_TICKS_MAX {
            assert!(drawn.contains(&ticks), "{ticks} never drawn");
        }
        assert!(drawn.iter().all(|ticks| (ELECTION_TICKS_MIN..ELECTION_TICKS_MAX).contains(ticks)));
    }
}
