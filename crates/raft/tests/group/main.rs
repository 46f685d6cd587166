//! Several members in one thread and virtual time: lost, repeated and overtaking messages, members that
//! vanish and come back with what was on their disk, leaders cut off, members that join and leave.
//!
//! Everything follows from a seed; a failure prints it, and `SKEP_RAFT_SEED=<n>` replays it alone. Each run
//! has a phase with faults, in which nothing wrong may happen, and one without, in which something must.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod world;

use std::ops::Range;

use skep_raft::{MemberChange, TransferError};
use world::{Faults, World};

/// How many seeds a test runs. More: `SKEP_RAFT_SEEDS=<n>`.
const SEEDS: u64 = 200;

fn each_seed(run: impl Fn(u64)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seeds: Range<u64> = match number("SKEP_RAFT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SKEP_RAFT_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let on_failure = Announce(seed);
        run(seed);
        std::mem::forget(on_failure);
    }
}

/// Says which seed failed, when dropped by a panic.
struct Announce(u64);

impl Drop for Announce {
    fn drop(&mut self) {
        eprintln!("replay with SKEP_RAFT_SEED={}", self.0);
    }
}

#[test]
fn no_acknowledged_write_is_lost() {
    each_seed(|seed| {
        let mut world = World::of_three(seed);
        for _ in 0..2_000 {
            world.step(&Faults::ALL);
        }
        world.heal_and_converge();
        assert!(world.acknowledged_count() > 0, "nothing was ever written");
    });
}

#[test]
fn equal_seeds_run_alike() {
    each_seed(|seed| {
        let run = || {
            let mut world = World::of_three(seed);
            (0..300).for_each(|_| world.step(&Faults::ALL));
            world.trace()
        };
        assert_eq!(run(), run());
    });
}

#[test]
fn a_leader_cut_off_steps_down_and_its_writes_are_kept_or_given_up() {
    each_seed(|seed| {
        let mut world = World::of_three(seed);
        world.write_until_acknowledged();
        let old = world.leader().unwrap();
        world.cut_off(old);
        world.propose(old);
        world.run_until("another leader", |world| world.leader().is_some_and(|leader| leader != old));
        world.write_until_acknowledged();
        world.run_until("the old leader to step down", |world| !world.believes_to_lead(old));
        assert_eq!(world.undecided_count(old), 0, "every proposal is committed or dropped");
        world.heal_and_converge();
    });
}

#[test]
fn a_learner_joins_is_promoted_and_votes() {
    each_seed(|seed| {
        let mut world = World::of_one(seed);
        for _ in 0..30 {
            world.write_until_acknowledged();
        }
        for id in [2, 3] {
            world.join(id);
            world.change_until_done(MemberChange::AddLearner(id));
            world.run_until("the learner to catch up", |world| world.has_caught_up(id));
            world.change_until_done(MemberChange::Promote(id));
        }
        world.write_until_acknowledged();
        let first = world.leader().unwrap();
        world.vanish(first);
        world.run_until("one of the others to lead", |world| world.leader().is_some_and(|id| id != first));
        world.write_until_acknowledged();
        world.come_back(first);
        world.heal_and_converge();

        let leader = world.leader().unwrap();
        let gone = (1..=3).find(|id| *id != leader).unwrap();
        world.change_until_done(MemberChange::Remove(gone));
        world.discard(gone);
        world.write_until_acknowledged();
        world.heal_and_converge();
    });
}

/// The members of two changes ago must not come back with a member that restarts.
#[test]
fn members_survive_a_restart_at_any_moment_of_a_change() {
    each_seed(|seed| {
        let mut world = World::of_one(seed);
        world.write_until_acknowledged();
        for id in [2, 3] {
            world.join(id);
            world.change_until_done(MemberChange::AddLearner(id));
            world.run_until("the learner to catch up", |world| world.has_caught_up(id));
            world.change_until_done(MemberChange::Promote(id));
            let leader = world.leader().unwrap();
            world.vanish(leader);
            for _ in 0..(seed % 40) {
                world.step(&Faults::NONE);
            }
            world.come_back(leader);
            world.run_until("a leader", |world| world.leader().is_some());
        }
        world.heal_and_converge();
    });
}

#[test]
fn a_member_far_behind_is_sent_a_snapshot() {
    each_seed(|seed| {
        let mut world = World::of_three(seed);
        world.write_until_acknowledged();
        let leader = world.leader().unwrap();
        let behind = (1..=3).find(|id| *id != leader).unwrap();
        world.vanish(behind);
        for _ in 0..3 * world::SNAPSHOT_EVERY {
            world.write_until_acknowledged();
        }
        world.come_back(behind);
        world.heal_and_converge();
        assert!(world.snapshots_installed(behind) > 0, "it caught up without a snapshot");
    });
}

#[test]
fn leadership_is_handed_over() {
    each_seed(|seed| {
        let mut world = World::of_three(seed);
        world.write_until_acknowledged();
        let leader = world.leader().unwrap();
        let next = (1..=3).find(|id| *id != leader).unwrap();
        assert_eq!(world.transfer(next, leader), Err(TransferError::NotLeader));
        assert_eq!(world.transfer(leader, 9), Err(TransferError::Unknown { id: 9 }));
        world.transfer(leader, next).unwrap();
        world.run_until("the next leader", |world| world.leader() == Some(next));
        world.write_until_acknowledged();
        assert_eq!(world.transfers(leader), [Ok(())]);
    });
}

#[test]
fn leadership_that_nobody_takes_stays() {
    each_seed(|seed| {
        let mut world = World::of_three(seed);
        world.write_until_acknowledged();
        let leader = world.leader().unwrap();
        let next = (1..=3).find(|id| *id != leader).unwrap();
        world.vanish(next);
        world.transfer(leader, next).unwrap();
        world.run_until("the transfer to end", |world| !world.transfers(leader).is_empty());
        assert_eq!(world.transfers(leader), [Err(TransferError::TimedOut { id: next })]);
        world.write_until_acknowledged();
    });
}

#[test]
fn any_member_confirms_reads_and_nobody_alone_does() {
    each_seed(|seed| {
        let mut world = World::of_three(seed);
        world.write_until_acknowledged();
        for id in 1..=3 {
            world.read(id);
        }
        world.run_until("all reads", |world| world.reads_confirmed() == 3);
        let leader = world.leader().unwrap();
        world.cut_off(leader);
        world.read(leader);
        world.run_until("the read to fail", |world| world.reads_failed() == 1);
        assert_eq!(world.reads_confirmed(), 3);
    });
}

/// Raft itself panics when a member forgot what it acknowledged.
#[test]
fn a_member_that_lost_its_disk_is_told_and_replaced() {
    each_seed(|seed| {
        let mut world = World::of_three(seed);
        world.write_until_acknowledged();
        let leader = world.leader().unwrap();
        let replaced = (1..=3).find(|id| *id != leader).unwrap();
        world.run_until("the follower to catch up", |world| world.has_caught_up(replaced));
        world.lose_disk(replaced);
        world.run_until("the member to be told", |world| world.is_told_of_its_lost_disk(replaced));
        world.write_until_acknowledged();

        world.change_until_done(MemberChange::Remove(replaced));
        world.discard(replaced);
        world.join(4);
        world.change_until_done(MemberChange::AddLearner(4));
        world.run_until("the learner to catch up", |world| world.has_caught_up(4));
        world.change_until_done(MemberChange::Promote(4));
        world.heal_and_converge();
    });
}
