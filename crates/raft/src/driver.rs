//! The thread that owns a member: it brings commands and ticks in, and takes outputs out.
//!
//! It waits for the first command, takes what else has arrived, and commits all of it together; while the
//! disk syncs, the next batch gathers. It blocks in two places only: on the disk, and on an owner that does
//! not take its deliveries. The second is deliberate (an owner that is stuck must not lead) and ends when the
//! log is told to stop. Snapshots are written by a thread of their own while consensus goes on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use raft::eraftpb::Message;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

use crate::MemberId;
use crate::delivery::{Delivery, Output, ProposalId, ReadId, Status};
use crate::limits::{COMMANDS_PER_COMMIT, INBOX_BYTES_MAX};
use crate::member::{ChangeError, Member, MemberChange, ReadError, SnapshotError, StepError, TransferError};
use crate::storage::{Disk, SnapshotMeta, StoreError};

type Reply<T> = oneshot::Sender<T>;
type SnapshotReply = Reply<Result<(), SnapshotError>>;

/// What a [`Log`](crate::Log) asks of its driver.
pub(crate) enum Command {
    Propose {
        id: ProposalId,
        data: Vec<u8>,
    },
    Step {
        message: Box<Message>,
        bytes: usize,
    },
    Read {
        reply: Reply<Result<u64, ReadError>>,
    },
    Change {
        change: MemberChange,
        reply: Reply<Result<(), ChangeError>>,
    },
    Transfer {
        to: MemberId,
        reply: Reply<Result<(), TransferError>>,
    },
    /// `done` is how the thread that writes the snapshot reports back.
    Snapshot {
        index: u64,
        data: Vec<u8>,
        reply: SnapshotReply,
        done: SyncSender<Command>,
    },
    SnapshotWritten {
        meta: SnapshotMeta,
        written: Result<(), StoreError>,
    },
    Unreachable {
        to: MemberId,
    },
    SnapshotArrived {
        to: MemberId,
        arrived: bool,
    },
    /// Nothing, but look whether to stop.
    Wake,
}

impl Command {
    /// Returns how much of the inbox's budget it takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Propose { data, .. } => data.len(),
            Self::Step { bytes, .. } => *bytes,
            _ => 0,
        }
    }
}

/// How many payload bytes the inbox may hold. Anything fits into an empty one, so that nothing starves.
#[derive(Default)]
pub(crate) struct Budget(AtomicUsize);

impl Budget {
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let grown = |held: usize| (held == 0 || held + bytes <= INBOX_BYTES_MAX).then_some(held + bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown).is_ok()
    }

    pub(crate) fn give_back(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

pub(crate) struct Driver {
    pub(crate) member: Member<Disk>,
    pub(crate) inbox: Receiver<Command>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) outlet: Outlet,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) finished: watch::Sender<bool>,
    pub(crate) tick: Duration,
    pub(crate) snapshot: Option<Writing>,
}

/// A snapshot on its way to the disk.
pub(crate) struct Writing {
    thread: JoinHandle<()>,
    reply: SnapshotReply,
}

enum Arrived {
    Command(Command),
    Nothing,
    /// Every handle is gone.
    Closed,
}

impl Driver {
    /// Runs until the log is told to stop, every handle is gone, or storage fails.
    pub(crate) fn run(mut self) {
        let served = self.serve().and_then(|()| self.member.flush());
        let Self { member, inbox, outlet, finished, snapshot, .. } = self;
        // Nobody may wait for an answer, or hold the lock of the directory, once the log is finished.
        drop((inbox, member));
        if let Some(Writing { thread, .. }) = snapshot {
            join(thread);
        }
        outlet.close(served);
        finished.send_replace(true);
    }

    fn serve(&mut self) -> Result<(), StoreError> {
        let mut tick_at = Instant::now() + self.tick;
        while !self.outlet.is_closing() {
            match self.wait(&mut tick_at) {
                Arrived::Command(command) => self.take(command)?,
                Arrived::Nothing => {}
                Arrived::Closed => break,
            }
            for _ in 1..COMMANDS_PER_COMMIT {
                let Ok(command) = self.inbox.try_recv() else { break };
                self.take(command)?;
            }
            let now = Instant::now();
            // Ticks that were missed while the disk was slow are not made up for: nobody else was slow.
            if now >= tick_at {
                self.member.tick();
                tick_at = now + self.tick;
            }
            let Self { member, outlet, .. } = self;
            member.ready(&mut |output| outlet.put(output))?;
            self.publish();
        }
        Ok(())
    }

    fn wait(&self, tick_at: &mut Instant) -> Arrived {
        if self.member.has_ready() {
            return match self.inbox.try_recv() {
                Ok(command) => Arrived::Command(command),
                Err(TryRecvError::Empty) => Arrived::Nothing,
                Err(TryRecvError::Disconnected) => Arrived::Closed,
            };
        }
        if self.member.needs_ticks() {
            return match self.inbox.recv_timeout(tick_at.saturating_duration_since(Instant::now())) {
                Ok(command) => Arrived::Command(command),
                Err(RecvTimeoutError::Timeout) => Arrived::Nothing,
                Err(RecvTimeoutError::Disconnected) => Arrived::Closed,
            };
        }
        let arrived = self.inbox.recv().map_or(Arrived::Closed, Arrived::Command);
        *tick_at = Instant::now() + self.tick;
        arrived
    }

    fn take(&mut self, command: Command) -> Result<(), StoreError> {
        self.budget.give_back(command.bytes());
        match command {
            Command::Propose { id, data } => {
                if let Err(error) = self.member.propose(id, data) {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "proposal of a size that the log refuses"
                    );
                    self.outlet.put(Output::Deliver(Delivery::Dropped(id)));
                }
            }
            Command::Step { message, .. } => self.step(*message),
            Command::Read { reply } => {
                let read = self.outlet.expect_read(reply);
                if let Err(error) = self.member.read(read) {
                    self.outlet.put(Output::Read { read, result: Err(error) });
                }
            }
            Command::Change { change, reply } => match self.member.change(change) {
                Ok(()) => self.outlet.change = Some(reply),
                Err(error) => answer(reply, Err(error)),
            },
            Command::Transfer { to, reply } => match self.member.transfer_leader(to) {
                Ok(()) => self.outlet.transfer = Some(reply),
                Err(error) => answer(reply, Err(error)),
            },
            Command::Snapshot { index, data, reply, done } => self.begin_snapshot(index, data, reply, done),
            Command::SnapshotWritten { meta, written } => self.end_snapshot(meta, written)?,
            Command::Unreachable { to } => self.member.report_unreachable(to),
            Command::SnapshotArrived { to, arrived } => self.member.report_snapshot(to, arrived),
            Command::Wake => {}
        }
        Ok(())
    }

    fn step(&mut self, message: Message) {
        match self.member.step_message(message) {
            Ok(()) => {}
            Err(error @ StepError::BeyondLog { .. }) => {
                tracing::error!(error = &error as &dyn std::error::Error, "message refused");
            }
            Err(error) => tracing::debug!(error = &error as &dyn std::error::Error, "message refused"),
        }
    }

    fn begin_snapshot(&mut self, index: u64, data: Vec<u8>, reply: SnapshotReply, done: SyncSender<Command>) {
        if self.snapshot.is_some() {
            return answer(reply, Err(SnapshotError::Busy));
        }
        let meta = match self.member.plan_snapshot(index, data.len()) {
            Ok(meta) => meta,
            Err(error) => return answer(reply, Err(error)),
        };
        let snapshots = self.member.storage().snapshots();
        let write = move || {
            let written = snapshots.write(&meta, &data);
            // Fails only when the driver has stopped; the file is removed at the next start.
            drop(done.send(Command::SnapshotWritten { meta, written }));
        };
        match std::thread::Builder::new().name("log-snapshot".into()).spawn(write) {
            Ok(thread) => self.snapshot = Some(Writing { thread, reply }),
            Err(source) => answer(reply, Err(SnapshotError::Thread { index, source })),
        }
    }

    /// A file that could not be written leaves the log as it was; a log that could not be cut stops it.
    fn end_snapshot(
        &mut self,
        meta: SnapshotMeta,
        written: Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let index = meta.position.index;
        let Writing { thread, reply } = self.snapshot.take().expect("one thread at a time, which ends once");
        join(thread);
        match written {
            Ok(()) => {
                self.member.adopt_snapshot(meta)?;
                self.publish();
                answer(reply, Ok(()));
            }
            Err(source) => answer(reply, Err(SnapshotError::Store { index, source })),
        }
        Ok(())
    }

    fn publish(&self) {
        let status = self.member.status();
        self.status.send_if_modified(|published| {
            let changed = *published != status;
            *published = status;
            changed
        });
    }
}

/// Where outputs go: deliveries to the owner, answers to whoever asked.
pub(crate) struct Outlet {
    owner: mpsc::Sender<Delivery>,
    stop: watch::Receiver<bool>,
    /// Only to wait for the owner, or for the stop, whichever comes first.
    runtime: Runtime,
    owner_gone: bool,
    reads: BTreeMap<ReadId, Reply<Result<u64, ReadError>>>,
    reads_begun: u64,
    change: Option<Reply<Result<(), ChangeError>>>,
    transfer: Option<Reply<Result<(), TransferError>>>,
}

impl Outlet {
    pub(crate) fn new(owner: mpsc::Sender<Delivery>, stop: watch::Receiver<bool>, runtime: Runtime) -> Self {
        Self {
            owner,
            stop,
            runtime,
            owner_gone: false,
            reads: BTreeMap::new(),
            reads_begun: 0,
            change: None,
            transfer: None,
        }
    }

    /// Returns whether to stop: told so, or left without an owner.
    fn is_closing(&self) -> bool {
        self.owner_gone || *self.stop.borrow() || self.owner.is_closed()
    }

    fn expect_read(&mut self, reply: Reply<Result<u64, ReadError>>) -> ReadId {
        self.reads_begun += 1;
        let read = ReadId(self.reads_begun);
        self.reads.insert(read, reply);
        read
    }

    fn put(&mut self, output: Output) {
        match output {
            Output::Deliver(delivery) => self.deliver(delivery),
            Output::Read { read, result } => {
                if let Some(reply) = self.reads.remove(&read) {
                    answer(reply, result);
                }
            }
            Output::Changed(result) => {
                if let Some(reply) = self.change.take() {
                    answer(reply, result);
                }
            }
            Output::Transferred(result) => {
                if let Some(reply) = self.transfer.take() {
                    answer(reply, result);
                }
            }
        }
    }

    /// Hands a delivery to the owner, and waits while the owner has too many. What is not delivered because
    /// the log stops is on disk, and recovered at the next start.
    fn deliver(&mut self, delivery: Delivery) {
        if let Delivery::Leader(leadership) = &delivery {
            let (term, leader) = (leadership.term, leadership.leader);
            tracing::info!(term, leader, is_self = leadership.is_self, "leader of the log");
        }
        match self.owner.try_send(delivery) {
            Ok(()) => {}
            Err(TrySendError::Closed(_)) => self.owner_gone = true,
            Err(TrySendError::Full(delivery)) => {
                let Self { owner, stop, runtime, .. } = self;
                let delivered = runtime.block_on(async {
                    tokio::select! {
                        sent = owner.send(delivery) => sent.is_ok(),
                        _ = stop.wait_for(|stop| *stop) => false,
                    }
                });
                self.owner_gone |= !delivered;
            }
        }
    }

    fn close(mut self, served: Result<(), StoreError>) {
        if let Err(error) = served {
            tracing::error!(error = &error as &dyn std::error::Error, "the log stopped");
            self.deliver(Delivery::Failed(error));
        }
    }
}

/// Waits for the thread of a snapshot, which has nothing left to do but end.
fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("the thread that wrote a snapshot panicked");
    }
}

/// Answers a caller, who may have stopped waiting.
fn answer<T>(reply: Reply<T>, value: T) {
    drop(reply.send(value));
}
