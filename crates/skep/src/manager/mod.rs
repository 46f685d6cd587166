//! The manager's shell: the loop around the leader, the log it writes to, and the state others read.
//!
//! The loop owns the store. It hands the leader events, proposes what it answers, applies what commits,
//! and publishes each new version of the store, which readers hold without disturbing it.

mod codec;
mod control_loop;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use skep_api::server::facts::Changed;
use skep_core::Store;
use skep_core::message::{ManagerMessage, NodeMessage};
use skep_model::NodeId;
use skep_model::request::{Refusal, RefusalClass, Reply, Request};
use skep_raft::{Bootstrap, Log, SealKey};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::daemon::fatal::Fatal;

/// Requests and messages that may wait for the loop; senders wait beyond it.
const INBOX_MAX: usize = 4096;
/// A request is answered within this time or refused; Docker's own bound.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Log member of a cluster's first manager.
const FIRST_MEMBER: skep_raft::MemberId = 1;

/// Why a manager cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    #[error(transparent)]
    Log(#[from] skep_raft::OpenError),
    #[error(transparent)]
    Decode(#[from] codec::DecodeError),
}

/// A version of the cluster's state, and who leads.
#[derive(Clone, Debug, Default)]
pub struct Published {
    pub store: Store,
    /// Whether this manager leads.
    pub leads: bool,
}

enum Input {
    Request(Request, oneshot::Sender<Result<Reply, Refusal>>),
    Heard(NodeId, NodeMessage),
    Attach(NodeId, mpsc::Sender<ManagerMessage>),
}

/// A running manager. Clones are the same manager.
#[derive(Clone)]
pub struct Manager {
    inbox: mpsc::Sender<Input>,
    published: watch::Receiver<Arc<Published>>,
    log: Log,
    task: Arc<tokio::sync::Mutex<Option<JoinHandle<()>>>>,
    fatal: Fatal,
}

impl Manager {
    /// Opens the log below `dir` and starts the loop. Blocks on the disk.
    pub fn start(
        dir: &Path,
        key: SealKey,
        bootstrap: Bootstrap,
        changes: broadcast::Sender<Changed>,
        fatal: Fatal,
    ) -> Result<Manager, ManagerError> {
        let config = skep_raft::Config::new(dir.to_owned(), FIRST_MEMBER, key, bootstrap);
        let (log, recovered, deliveries) = Log::open(config)?;
        let store = restore(recovered)?;
        let (inbox, inputs) = mpsc::channel(INBOX_MAX);
        let (publish, published) = watch::channel(Arc::new(Published { store: store.clone(), leads: false }));
        let running = control_loop::ControlLoop::new(log.clone(), store, publish, changes, fatal.clone());
        let task = tokio::spawn(running.run(inputs, deliveries));
        let task = Arc::new(tokio::sync::Mutex::new(Some(task)));
        Ok(Manager { inbox, published, log, task, fatal })
    }

    /// Asks the control plane; answers when the change is committed and readable.
    pub async fn request(&self, request: Request) -> Result<Reply, Refusal> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.inbox.send(Input::Request(request, answer)).await.map_err(|_| self.stopping())?;
            answered.await.unwrap_or_else(|_| Err(self.stopping()))
        };
        match tokio::time::timeout(REQUEST_TIMEOUT, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(Refusal::new(
                RefusalClass::Unknown,
                "context deadline exceeded: the cluster did not commit the change in time; it may still take effect",
            )),
        }
    }

    /// Returns the state of the cluster, not older than any answer given before the call.
    pub async fn view(&self) -> Result<Arc<Published>, Refusal> {
        let no_leader = |_| {
            Refusal::new(
                RefusalClass::Unknown,
                "The swarm does not have a leader. It's possible that too few managers are online. Make sure \
                 more than half of the managers are online.",
            )
        };
        let index = self.log.read_index().await.map_err(no_leader)?;
        let mut published = self.published.clone();
        let reached = published.wait_for(|published| published.store.index() >= index).await;
        reached.map(|published| published.clone()).map_err(|_| self.stopping())
    }

    /// Says why nobody answers any more.
    fn stopping(&self) -> Refusal {
        let text = match self.fatal.reason() {
            Some(reason) => format!("the manager cannot go on: {reason}"),
            None => "the manager is shutting down".to_owned(),
        };
        Refusal::new(RefusalClass::Unavailable, text)
    }

    /// Returns the state as it is here, without asking anybody.
    pub fn local_view(&self) -> Arc<Published> {
        self.published.borrow().clone()
    }

    /// Waits until this manager leads; returns whether it does, within a bounded time.
    pub async fn leads(&self) -> bool {
        let mut published = self.published.clone();
        let leads = published.wait_for(|published| published.leads);
        matches!(tokio::time::timeout(REQUEST_TIMEOUT, leads).await, Ok(Ok(_)))
    }

    /// Waits until the state is as wanted, or the manager stops.
    pub async fn await_state(&self, mut wanted: impl FnMut(&Store) -> bool) {
        let mut published = self.published.clone();
        // An error means that the manager stopped, which ends the wait as well.
        drop(published.wait_for(|published| wanted(&published.store)).await);
    }

    /// Opens the way to and from one node: messages heard on it are the node's.
    pub async fn attach(&self, node_id: NodeId) -> skep_agent::Link {
        let (to_node, from_manager) = mpsc::channel(INBOX_MAX);
        let (to_manager, mut from_node) = mpsc::channel(INBOX_MAX);
        let inbox = self.inbox.clone();
        // Both sends fail only when the loop is gone, and then nobody listens.
        drop(inbox.send(Input::Attach(node_id, to_node)).await);
        tokio::spawn(async move {
            while let Some(message) = from_node.recv().await {
                if inbox.send(Input::Heard(node_id, message)).await.is_err() {
                    break;
                }
            }
        });
        skep_agent::Link { to_manager, from_manager }
    }

    /// Stops the loop and the log. What was acknowledged is on disk.
    pub async fn shutdown(&self) {
        self.log.shutdown().await;
        if let Some(task) = self.task.lock().await.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the control loop ended badly");
        }
    }
}

fn restore(recovered: skep_raft::Recovered) -> Result<Store, codec::DecodeError> {
    let mut store = match recovered.snapshot {
        Some((_, bytes)) => codec::decode_store(&bytes)?,
        None => Store::default(),
    };
    for entry in recovered.entries {
        let changes = match entry.data.is_empty() {
            true => skep_core::ChangeSet::default(),
            false => codec::decode_changes(&entry.data)?,
        };
        store.apply(entry.index, &changes);
    }
    Ok(store)
}

/// Returns a number from the system's entropy.
pub fn entropy<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        let got = rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty());
        filled += got.expect("the kernel has entropy once it has booted");
    }
    bytes
}
