//! The handle of a running log.
//!
//! ```no_run
//! # use skep_raft::{Bootstrap, Config, Delivery, Log, ProposalId, SealKey};
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::new("/var/lib/skep/raft".into(), 1, SealKey::generate()?, Bootstrap::Found);
//! let (log, recovered, mut deliveries) = Log::open(config)?;
//! # let _ = recovered;
//! log.propose(ProposalId(1), b"a change".to_vec())?;
//! while let Some(delivery) = deliveries.recv().await {
//!     if let Delivery::Committed { index, data, .. } = delivery {
//!         println!("{index}: {} bytes", data.len());
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! Deliveries must be taken by a loop that never awaits an answer of this handle: the driver waits for that
//! loop when it is behind, so the answer might wait for the loop. [`Log::propose`] and [`Log::step`] never wait.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::delivery::{Delivery, ProposalId, Recovered, Status};
use crate::driver::{Budget, Command, Driver, Outlet};
use crate::limits::{DELIVERIES_MAX, INBOX_COMMANDS_MAX, TICK};
use crate::member::{
    ChangeError, Member, MemberChange, MemberConfig, ProposeError, ReadError, SnapshotError, StepError,
    TransferError, check_proposal,
};
use crate::seal::SealKey;
use crate::storage::{Bootstrap, Disk, OpenError};
use crate::{MemberId, wire};

/// What a log is opened with.
pub struct Config {
    /// Where it lives; made if it is not there. One log per directory.
    pub dir: PathBuf,
    /// Who this member is; never 0.
    pub member_id: MemberId,
    /// Seals every record.
    pub seal_key: SealKey,
    /// How to begin when the directory holds no log.
    pub bootstrap: Bootstrap,
    /// Entries after a snapshot at which the next one is wanted.
    pub snapshot_every: u64,
    /// Entries before a snapshot that are kept, so that a slow follower needs no snapshot.
    pub keep_entries: u64,
    /// The period of the clock: an election takes 10 to 20 of them.
    pub tick: Duration,
    /// Where election timeouts come from. Must differ from start to start, and from member to member.
    pub seed: u64,
}

impl Config {
    /// Returns a configuration with the usual numbers: a snapshot every 10,000 entries of which 500 are kept,
    /// a tick of 100 ms, and a seed that no other start has.
    #[must_use]
    pub fn new(dir: PathBuf, member_id: MemberId, seal_key: SealKey, bootstrap: Bootstrap) -> Self {
        // The standard library seeds its hasher from the operating system, once per value.
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), member_id);
        let (snapshot_every, keep_entries) = (10_000, 500);
        Self { dir, member_id, seal_key, bootstrap, snapshot_every, keep_entries, tick: TICK, seed }
    }
}

/// A handle on a running log. Clones are the same log; when the last one is dropped, it stops.
#[derive(Clone)]
pub struct Log(Arc<Handle>);

struct Handle {
    member_id: MemberId,
    inbox: SyncSender<Command>,
    budget: Arc<Budget>,
    status: watch::Receiver<Status>,
    stop: watch::Sender<bool>,
    finished: watch::Receiver<bool>,
}

enum Unsent {
    Busy,
    Closed,
}

impl Log {
    /// Opens a log and starts its driver. Returns what was known to be committed, and the channel on which
    /// everything after it is delivered. Blocks on the disk.
    ///
    /// # Errors
    /// When the directory is in use, damaged, sealed with another key or written by another release; every
    /// error says what to do.
    pub fn open(config: Config) -> Result<(Self, Recovered, mpsc::Receiver<Delivery>), OpenError> {
        let Config { dir, member_id, seal_key, bootstrap, snapshot_every, keep_entries, tick, seed } = config;
        if member_id == raft::INVALID_ID {
            return Err(OpenError::Config { reason: "a member id is never 0" });
        }
        if tick.is_zero() {
            return Err(OpenError::Config { reason: "a tick is never 0" });
        }
        let disk = Disk::open(&dir, member_id, &seal_key, bootstrap)?;
        let member_config = MemberConfig { id: member_id, snapshot_every, keep_entries, seed };
        let (member, recovered) =
            Member::open(&member_config, disk).map_err(|source| OpenError::from_store(&dir, source))?;

        let thread_error = |source| OpenError::Thread { source };
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(thread_error)?;
        let (inbox_sender, inbox) = sync_channel(INBOX_COMMANDS_MAX);
        let (owner, deliveries) = mpsc::channel(DELIVERIES_MAX);
        let (stop, stop_receiver) = watch::channel(false);
        let (finished_sender, finished) = watch::channel(false);
        let (status_sender, status) = watch::channel(member.status());
        let budget = Arc::new(Budget::default());
        let driver = Driver {
            member,
            inbox,
            budget: Arc::clone(&budget),
            outlet: Outlet::new(owner, stop_receiver, runtime),
            status: status_sender,
            finished: finished_sender,
            tick,
            snapshot: None,
        };
        std::thread::Builder::new().name("log".into()).spawn(move || driver.run()).map_err(thread_error)?;
        let handle = Handle { member_id, inbox: inbox_sender, budget, status, stop, finished };
        Ok((Self(Arc::new(handle)), recovered, deliveries))
    }

    /// Proposes an entry, without waiting. The outcome is delivered: [`Delivery::Committed`] with this id once
    /// it is durable, or [`Delivery::Dropped`] when this member does not lead.
    ///
    /// # Errors
    /// When it is empty or too large, when too many wait, or when the log is shut down.
    pub fn propose(&self, id: ProposalId, data: Vec<u8>) -> Result<(), ProposeError> {
        check_proposal(data.len())?;
        self.send(Command::Propose { id, data }).map_err(|unsent| match unsent {
            Unsent::Busy => ProposeError::Busy,
            Unsent::Closed => ProposeError::Closed,
        })
    }

    /// Returns the index that must be applied before a read that begins now may be answered. Any member
    /// answers, as long as there is a leader with a quorum; bounded by two long elections.
    ///
    /// # Errors
    /// When no leader confirms it in time, too many wait, or the log is shut down.
    pub async fn read_index(&self) -> Result<u64, ReadError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Read { reply }).map_err(|unsent| match unsent {
            Unsent::Busy => ReadError::Busy,
            Unsent::Closed => ReadError::Closed,
        })?;
        answer.await.unwrap_or(Err(ReadError::Closed))
    }

    /// Stores the owner's state as of `index`, an index that was delivered, and cuts the log before it.
    /// Consensus goes on meanwhile; returns when the snapshot is durable and current.
    ///
    /// # Errors
    /// When it is too large, too new or not new, when another one is being written, or when it cannot be
    /// stored: then the log goes on without it.
    pub async fn snapshot(&self, index: u64, data: Vec<u8>) -> Result<(), SnapshotError> {
        let (reply, answer) = oneshot::channel();
        let done = self.0.inbox.clone();
        self.send(Command::Snapshot { index, data, reply, done }).map_err(|unsent| match unsent {
            Unsent::Busy => SnapshotError::Busy,
            Unsent::Closed => SnapshotError::Closed,
        })?;
        answer.await.unwrap_or(Err(SnapshotError::Closed))
    }

    /// Returns where this member stands, as of its last commit.
    #[must_use]
    pub fn status(&self) -> Status {
        self.0.status.borrow().clone()
    }

    /// Returns a view of the status that can be awaited.
    #[must_use]
    pub fn watch_status(&self) -> watch::Receiver<Status> {
        self.0.status.clone()
    }

    /// Stops the log: what is committed is on disk, and the directory may be opened again. Deliveries that
    /// were not taken are recovered then.
    pub async fn shutdown(&self) {
        self.0.stop.send_replace(true);
        // Not sent when the inbox is full; then the driver is awake anyway.
        drop(self.0.inbox.try_send(Command::Wake));
        // Fails only when the driver is gone, which is what this waits for.
        drop(self.0.finished.clone().wait_for(|finished| *finished).await);
    }

    /// Takes a message that `from`, whose identity was verified, sent. Never waits.
    ///
    /// # Errors
    /// When it is refused, or too many wait; raft sends again what matters.
    pub fn step(&self, from: MemberId, bytes: &[u8]) -> Result<(), StepError> {
        let message = wire::decode(from, self.0.member_id, bytes)
            .map_err(|source| StepError::Decode { from, source })?;
        self.send(Command::Step { message: Box::new(message), bytes: bytes.len() }).map_err(|unsent| {
            match unsent {
                Unsent::Busy => StepError::Busy,
                Unsent::Closed => StepError::Closed,
            }
        })
    }

    /// Notes that a message to `to` could not be sent. It may be lost, as any message may.
    pub fn report_unreachable(&self, to: MemberId) {
        drop(self.send(Command::Unreachable { to }));
    }

    /// Reports whether a [`Delivery::Send`] with a snapshot reached `to`. Nothing else is sent there before.
    ///
    /// # Errors
    /// When too many commands wait, or the log is shut down; report it again then.
    pub fn report_snapshot(&self, to: MemberId, arrived: bool) -> Result<(), StepError> {
        self.send(Command::SnapshotArrived { to, arrived }).map_err(|unsent| match unsent {
            Unsent::Busy => StepError::Busy,
            Unsent::Closed => StepError::Closed,
        })
    }

    /// Changes the members; returns when the change is committed and in force here.
    ///
    /// # Errors
    /// When this member does not lead, another change is under way, or the change makes no sense.
    pub async fn change_members(&self, change: MemberChange) -> Result<(), ChangeError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Change { change, reply }).map_err(|unsent| match unsent {
            Unsent::Busy => ChangeError::Pending,
            Unsent::Closed => ChangeError::Closed,
        })?;
        answer.await.unwrap_or(Err(ChangeError::Closed))
    }

    /// Adds a member that receives the log and does not vote.
    ///
    /// # Errors
    /// As [`change_members`](Self::change_members).
    pub async fn add_learner(&self, id: MemberId) -> Result<(), ChangeError> {
        self.change_members(MemberChange::AddLearner(id)).await
    }

    /// Makes a learner that has caught up a voter.
    ///
    /// # Errors
    /// As [`change_members`](Self::change_members).
    pub async fn promote(&self, id: MemberId) -> Result<(), ChangeError> {
        self.change_members(MemberChange::Promote(id)).await
    }

    /// Removes a member. A leader must hand over before it is removed.
    ///
    /// # Errors
    /// As [`change_members`](Self::change_members).
    pub async fn remove(&self, id: MemberId) -> Result<(), ChangeError> {
        self.change_members(MemberChange::Remove(id)).await
    }

    /// Hands leadership over to another voter; returns when this member no longer leads.
    ///
    /// # Errors
    /// When this member does not lead, there is no such voter, or it did not take over in time.
    pub async fn transfer_leader(&self, to: MemberId) -> Result<(), TransferError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Transfer { to, reply }).map_err(|unsent| match unsent {
            Unsent::Busy => TransferError::Pending,
            Unsent::Closed => TransferError::Closed,
        })?;
        answer.await.unwrap_or(Err(TransferError::Closed))
    }

    fn send(&self, command: Command) -> Result<(), Unsent> {
        let bytes = command.bytes();
        if !self.0.budget.take(bytes) {
            return Err(Unsent::Busy);
        }
        self.0.inbox.try_send(command).map_err(|error| {
            self.0.budget.give_back(bytes);
            match error {
                TrySendError::Full(_) => Unsent::Busy,
                TrySendError::Disconnected(_) => Unsent::Closed,
            }
        })
    }
}
