//! The world that the members live in: a network, disks, owners that remember, and the invariants.
//!
//! Checked at every delivery:
//! - an index holds the same entry for whoever delivers it (*log matching*);
//! - at most one member leads in a term (*election safety*), and has everything acknowledged before;
//! - indexes are delivered without a gap;
//! - a confirmed read is not older than any write acknowledged before it began (*linearizable reads*);
//! - a write reported dropped is never acknowledged later, nor the other way round.
//!
//! And at the end: every member's state holds every acknowledged write (*durability*), and all are equal.

mod look;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use skep_raft::{
    Bootstrap, ChangeError, Delivery, Member, MemberChange, MemberConfig, MemberId, Memory, Output,
    ProposalId, ReadId, StepError, TransferError,
};

/// Small, so that snapshots happen all the time.
pub const SNAPSHOT_EVERY: u64 = 20;
const KEEP_ENTRIES: u64 = 5;

/// Steps that anything here may take; an election takes some hundred.
const STEPS_MAX: usize = 20_000;

/// How likely things go wrong in a step, per thousand.
pub struct Faults {
    lose: u64,
    repeat: u64,
    delay: u64,
    vanish: u64,
    cut_off: u64,
}

impl Faults {
    pub const NONE: Self = Self { lose: 0, repeat: 0, delay: 0, vanish: 0, cut_off: 0 };
    pub const ALL: Self = Self { lose: 80, repeat: 50, delay: 300, vanish: 3, cut_off: 2 };
}

/// What the owner of a member remembers. A member that vanishes takes it along, as a process does.
#[derive(Default)]
struct Owner {
    index: u64,
    /// The writes in its state, in order.
    writes: Vec<u64>,
    leads: bool,
    undecided: BTreeSet<u64>,
    snapshots_installed: u64,
    transfers: Vec<Result<(), TransferError>>,
    changes: Vec<Result<(), ChangeError>>,
}

struct Message {
    from: MemberId,
    to: MemberId,
    bytes: Vec<u8>,
    is_snapshot: bool,
}

pub struct World {
    random: u64,
    seed: u64,
    members: BTreeMap<MemberId, Member<Memory>>,
    owners: BTreeMap<MemberId, Owner>,
    disks: BTreeMap<MemberId, Memory>,
    network: VecDeque<Message>,
    cut_off: BTreeSet<MemberId>,
    starts: u64,
    proposed: u64,
    /// Members that came back with an empty disk, and how often they were told so.
    lost_disk: BTreeMap<MemberId, u64>,
    acknowledged: BTreeMap<u64, u64>,
    dropped: BTreeSet<u64>,
    committed: BTreeMap<u64, (u64, Vec<u8>)>,
    leaders: BTreeMap<u64, MemberId>,
    /// Reads under way, with the newest index acknowledged before they began.
    reads: BTreeMap<u64, u64>,
    reads_begun: u64,
    reads_confirmed: u64,
    reads_failed: u64,
    trace: Vec<(MemberId, u64, u64)>,
}

impl World {
    pub fn of_one(seed: u64) -> Self {
        let mut world = Self {
            random: seed,
            seed,
            members: BTreeMap::new(),
            owners: BTreeMap::new(),
            disks: BTreeMap::from([(1, Memory::new(1, Bootstrap::Found))]),
            network: VecDeque::new(),
            cut_off: BTreeSet::new(),
            starts: 0,
            proposed: 0,
            lost_disk: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            dropped: BTreeSet::new(),
            committed: BTreeMap::new(),
            leaders: BTreeMap::new(),
            reads: BTreeMap::new(),
            reads_begun: 0,
            reads_confirmed: 0,
            reads_failed: 0,
            trace: Vec::new(),
        };
        world.come_back(1);
        world
    }

    pub fn of_three(seed: u64) -> Self {
        let mut world = Self::of_one(seed);
        for id in [2, 3] {
            world.join(id);
            world.change_until_done(MemberChange::AddLearner(id));
            world.run_until("the learner to catch up", |world| world.has_caught_up(id));
            world.change_until_done(MemberChange::Promote(id));
        }
        world
    }

    // What a test does to the world.

    /// Lets a little happen: one message, one tick, one write or one fault, as chance has it.
    pub fn step(&mut self, faults: &Faults) {
        self.deliver_one(faults);
        match self.chance(100) {
            0..10 => self.tick_all(),
            10..13 => self.propose_somewhere(),
            13..15 => self.read_somewhere(),
            _ => {}
        }
        if self.chance(1_000) < faults.vanish {
            let id = self.any_member();
            self.vanish(id);
        }
        if self.chance(1_000) < faults.cut_off {
            let id = self.any_member();
            self.cut_off(id);
        }
        if self.chance(1_000) < 20 {
            self.cut_off.clear();
            for id in self.absent() {
                self.come_back(id);
            }
        }
    }

    pub fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..STEPS_MAX {
            if done(self) {
                return;
            }
            self.quiet_step();
        }
        panic!("waited in vain for {what}");
    }

    /// One step in which nothing goes wrong and nobody asks for anything.
    fn quiet_step(&mut self) {
        if self.network.is_empty() {
            self.tick_all();
        } else {
            self.deliver_one(&Faults::NONE);
        }
    }

    pub fn vanish(&mut self, id: MemberId) {
        if self.members.remove(&id).is_some() {
            let owner = self.owners.remove(&id).unwrap();
            // Whoever waited for these was told nothing, and may find them committed or not.
            self.dropped.extend(owner.undecided);
            self.reads.clear();
        }
    }

    /// Takes a member that was removed out of the world, with its disk.
    pub fn discard(&mut self, id: MemberId) {
        self.vanish(id);
        self.disks.remove(&id);
    }

    pub fn come_back(&mut self, id: MemberId) {
        self.starts += 1;
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(self.starts);
        let config = MemberConfig { id, snapshot_every: SNAPSHOT_EVERY, keep_entries: KEEP_ENTRIES, seed };
        let (member, recovered) = Member::open(&config, self.disks[&id].clone()).unwrap();
        self.members.insert(id, member);
        self.owners.insert(id, Owner::default());
        if let Some((index, data)) = recovered.snapshot {
            self.install(id, index, &data);
        }
        for entry in recovered.entries {
            self.apply(id, entry.index, entry.term, &entry.data);
        }
        self.ready(id);
    }

    pub fn join(&mut self, id: MemberId) {
        self.disks.insert(id, Memory::new(id, Bootstrap::Join));
        self.come_back(id);
    }

    /// Brings a member back with an empty disk, as when somebody replaced it.
    pub fn lose_disk(&mut self, id: MemberId) {
        self.vanish(id);
        self.lost_disk.insert(id, 0);
        self.join(id);
    }

    pub fn cut_off(&mut self, id: MemberId) {
        self.cut_off.insert(id);
    }

    pub fn propose(&mut self, id: MemberId) {
        self.proposed += 1;
        let write = self.proposed;
        self.owners.get_mut(&id).unwrap().undecided.insert(write);
        let member = self.members.get_mut(&id).unwrap();
        member.propose(ProposalId(write), write.to_be_bytes().to_vec()).unwrap();
        self.ready(id);
    }

    pub fn read(&mut self, id: MemberId) {
        self.reads_begun += 1;
        let newest = self.acknowledged.values().copied().max().unwrap_or(0);
        self.reads.insert(self.reads_begun, newest);
        self.members.get_mut(&id).unwrap().read(ReadId(self.reads_begun)).unwrap();
        self.ready(id);
    }

    pub fn transfer(&mut self, from: MemberId, to: MemberId) -> Result<(), TransferError> {
        let result = self.members.get_mut(&from).unwrap().transfer_leader(to);
        self.ready(from);
        result
    }

    pub fn write_until_acknowledged(&mut self) {
        let before = self.acknowledged.len();
        for _ in 0..STEPS_MAX {
            if self.acknowledged.len() > before {
                return;
            }
            match self.leader() {
                Some(id) if self.owners[&id].undecided.is_empty() => self.propose(id),
                _ => self.quiet_step(),
            }
        }
        panic!("nothing was acknowledged");
    }

    /// Asks whoever leads for a change until one of them made it.
    pub fn change_until_done(&mut self, change: MemberChange) {
        for _ in 0..STEPS_MAX {
            if self.is_done(change) {
                return;
            }
            if let Some(id) = self.leader() {
                // Refused while another change is under way; asked again then.
                let answer = self.members.get_mut(&id).unwrap().change(change);
                let again = [ChangeError::Pending, ChangeError::NotLeader, ChangeError::Dropped];
                if let Err(refused) = answer {
                    assert!(again.contains(&refused), "{change:?}: {refused}");
                }
                self.ready(id);
            }
            self.quiet_step();
        }
        panic!("{change:?} never happened");
    }

    /// Ends all faults; then everything must come to rest, and be in its place.
    pub fn heal_and_converge(&mut self) {
        self.cut_off.clear();
        for id in self.absent() {
            self.come_back(id);
        }
        self.write_until_acknowledged();
        self.run_until("everyone to catch up", |world| {
            world.members.keys().all(|id| world.has_caught_up(*id))
        });
        let ids: Vec<_> = self.members.keys().copied().collect();
        for id in &ids {
            let writes = &self.owners[id].writes;
            assert_eq!(writes, &self.owners[&ids[0]].writes, "members {id} and {} differ", ids[0]);
            let held: BTreeSet<_> = writes.iter().copied().collect();
            assert_eq!(held.len(), writes.len(), "member {id} applied a write twice");
            for write in self.acknowledged.keys() {
                assert!(held.contains(write), "member {id} lost the acknowledged write {write}");
            }
        }
    }

    // What a test asks.

    fn is_done(&self, change: MemberChange) -> bool {
        let Some(leader) = self.leader() else { return false };
        let members = self.members[&leader].status().members;
        match change {
            MemberChange::AddLearner(id) => members.learners.contains(&id) || members.voters.contains(&id),
            MemberChange::Promote(id) => members.voters.contains(&id),
            MemberChange::Demote(id) => members.learners.contains(&id),
            MemberChange::Remove(id) => !members.voters.contains(&id) && !members.learners.contains(&id),
        }
    }

    fn absent(&self) -> Vec<MemberId> {
        self.disks.keys().copied().filter(|id| !self.members.contains_key(id)).collect()
    }

    // How the world works.

    fn chance(&mut self, below: u64) -> u64 {
        // Xorshift, from a state that is never 0.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.random;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % below
    }

    fn any_member(&mut self) -> MemberId {
        let ids: Vec<_> = self.disks.keys().copied().collect();
        ids[usize::try_from(self.chance(ids.len() as u64)).unwrap()]
    }

    fn present_member(&mut self) -> Option<MemberId> {
        let id = self.any_member();
        self.members.contains_key(&id).then_some(id)
    }

    fn propose_somewhere(&mut self) {
        if let Some(id) = self.present_member() {
            self.propose(id);
        }
    }

    fn read_somewhere(&mut self) {
        if let Some(id) = self.present_member() {
            self.read(id);
        }
    }

    fn tick_all(&mut self) {
        let ids: Vec<_> = self.members.keys().copied().collect();
        for id in ids {
            self.members.get_mut(&id).unwrap().tick();
            self.ready(id);
        }
    }

    fn deliver_one(&mut self, faults: &Faults) {
        let Some(message) = self.network.pop_front() else { return };
        if self.chance(1_000) < faults.delay {
            self.network.push_back(message);
            return;
        }
        let reachable = |id| self.members.contains_key(&id) && !self.cut_off.contains(&id);
        let mut arrives = reachable(message.from) && reachable(message.to);
        arrives &= self.chance(1_000) >= faults.lose;
        if arrives {
            self.arrive(&message);
            if self.chance(1_000) < faults.repeat {
                self.arrive(&message);
            }
        }
        if let Some(sender) = self.members.get_mut(&message.from) {
            if message.is_snapshot {
                sender.report_snapshot(message.to, arrives);
            } else if !arrives {
                sender.report_unreachable(message.to);
            }
            self.ready(message.from);
        }
    }

    fn arrive(&mut self, message: &Message) {
        let receiver = self.members.get_mut(&message.to).unwrap();
        if let Err(error) = receiver.step(message.from, &message.bytes) {
            match (error, self.lost_disk.get_mut(&message.to)) {
                (StepError::BeyondLog { .. }, Some(count)) => *count += 1,
                // Raft answers so to a response of a member that is not, or not yet, one of the group.
                (StepError::Refused { .. }, _) => {}
                (error, _) => panic!("{error:?}"),
            }
        }
        self.ready(message.to);
    }

    fn ready(&mut self, id: MemberId) {
        let mut outputs = Vec::new();
        let member = self.members.get_mut(&id).unwrap();
        while member.has_ready() {
            member.ready(&mut |output| outputs.push(output)).unwrap();
        }
        member.ready(&mut |output| outputs.push(output)).unwrap();
        for output in outputs {
            self.take(id, output);
        }
    }

    fn take(&mut self, id: MemberId, output: Output) {
        match output {
            Output::Deliver(delivery) => self.take_delivery(id, delivery),
            Output::Read { read, result } => {
                if let Some(newest) = self.reads.remove(&read.0) {
                    match result {
                        Ok(index) => {
                            assert!(index >= newest, "a read at {index} misses the write at {newest}");
                            self.reads_confirmed += 1;
                        }
                        Err(_) => self.reads_failed += 1,
                    }
                }
            }
            Output::Changed(result) => self.owners.get_mut(&id).unwrap().changes.push(result),
            Output::Transferred(result) => self.owners.get_mut(&id).unwrap().transfers.push(result),
        }
    }

    fn take_delivery(&mut self, id: MemberId, delivery: Delivery) {
        match delivery {
            Delivery::Committed { index, term, data, proposal } => {
                self.apply(id, index, term, &data);
                if let Some(ProposalId(write)) = proposal {
                    assert_eq!(data[..], write.to_be_bytes(), "acknowledged with another's data");
                    assert!(self.owners.get_mut(&id).unwrap().undecided.remove(&write));
                    assert!(!self.dropped.contains(&write), "write {write} was dropped before");
                    self.acknowledged.insert(write, index);
                }
            }
            Delivery::Dropped(ProposalId(write)) => {
                assert!(self.owners.get_mut(&id).unwrap().undecided.remove(&write));
                assert!(!self.acknowledged.contains_key(&write), "write {write} was acknowledged before");
                self.dropped.insert(write);
            }
            Delivery::Snapshot { index, data } => {
                self.install(id, index, &data);
                self.owners.get_mut(&id).unwrap().snapshots_installed += 1;
            }
            Delivery::Leader(leadership) => {
                self.owners.get_mut(&id).unwrap().leads = leadership.is_self;
                if leadership.is_self {
                    let newest = self.acknowledged.values().copied().max().unwrap_or(0);
                    assert!(self.owners[&id].index >= newest, "leads without what was acknowledged");
                    let other = self.leaders.insert(leadership.term, id);
                    assert!(other.is_none_or(|other| other == id), "two leaders in term {}", leadership.term);
                }
            }
            Delivery::SnapshotWanted { index } => {
                let owner = &self.owners[&id];
                assert_eq!(owner.index, index);
                let state: Vec<u8> = owner.writes.iter().flat_map(|write| write.to_be_bytes()).collect();
                self.members.get_mut(&id).unwrap().snapshot(index, &state).unwrap();
            }
            Delivery::Send { to, bytes, is_snapshot } => {
                self.network.push_back(Message { from: id, to, bytes, is_snapshot });
            }
            Delivery::Members(_) => {}
            Delivery::Failed(error) => panic!("{error}"),
        }
    }

    fn apply(&mut self, id: MemberId, index: u64, term: u64, data: &[u8]) {
        self.trace.push((id, index, term));
        let entry = (term, data.to_vec());
        let first = self.committed.entry(index).or_insert_with(|| entry.clone());
        assert_eq!(*first, entry, "member {id} delivers another entry at {index}");
        let owner = self.owners.get_mut(&id).unwrap();
        assert!(owner.index == 0 || index == owner.index + 1, "a gap from {} to {index}", owner.index);
        owner.index = index;
        if !data.is_empty() {
            owner.writes.push(u64::from_be_bytes(data.try_into().unwrap()));
        }
    }

    fn install(&mut self, id: MemberId, index: u64, state: &[u8]) {
        let owner = self.owners.get_mut(&id).unwrap();
        assert!(index > owner.index || owner.index == 0, "a snapshot of the past");
        owner.index = index;
        let (writes, rest) = state.as_chunks();
        assert!(rest.is_empty());
        owner.writes = writes.iter().copied().map(u64::from_be_bytes).collect();
    }
}
