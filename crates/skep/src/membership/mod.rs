//! This node's part in a cluster: none, or manager of a cluster of one.
//!
//! Everything of a membership lies in `<data-root>/swarm`. `state.json` is written last when a cluster is
//! made and its directory is renamed first when it is left, so that either happened whole or not at all,
//! whenever the daemon dies.

mod address;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use skep_agent::Engine;
use skep_api::server::facts::{Changed, LocalNode, LocalState, NewSwarm};
use skep_model::node::{NodeDescription, NodeSpec, Role};
use skep_model::request::{NewCluster, Refusal, RefusalClass, Request};
use skep_model::{Id, NodeId};
use skep_raft::{Bootstrap, SealKey};
use tokio::sync::{Mutex, broadcast};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::authority;
use crate::daemon::fatal::Fatal;
use crate::daemon::root::{RootError, sync_dir, write_atomically};
use crate::manager::{Manager, ManagerError, entropy};

const NO_SWARM: &str = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to \
                        connect this node to swarm and try again.";
const ALREADY: &str = "This node is already part of a swarm. Use \"docker swarm leave\" to leave this swarm and \
                       join another one.";
const LAST_MANAGER: &str = "You are attempting to leave the swarm on a node that is participating as a manager. \
                            Removing the last manager erases all current state of the swarm. Use `--force` to \
                            ignore this message. ";

/// Why a membership cannot be taken up again.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    #[error(transparent)]
    Root(#[from] RootError),
    #[error(transparent)]
    Manager(#[from] ManagerError),
    #[error("cannot {action} {path}")]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error(
        "the file {path} is damaged; restore it from a backup, or remove its directory to give the cluster up"
    )]
    State { path: PathBuf, source: serde_json::Error },
    #[error(
        "the cluster's file {path} is missing while the rest of the cluster is there; restore it from a backup, or \
         move {dir} away to give the cluster up"
    )]
    StateLost { path: PathBuf, dir: PathBuf },
    #[error("this manager does not begin to lead its cluster: {0}")]
    Stopped(String),
    #[error("this manager was not elected in time; see the messages before this one")]
    NotElected,
    #[error("the key file {path} is damaged: it has {length} bytes, not 32; restore it from a backup")]
    Key { path: PathBuf, length: usize },
}

/// What the node keeps about its membership.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    node_id: NodeId,
    /// Bare IP address at which others reach the node.
    addr: String,
}

/// What makes up a node that is in a cluster.
struct Active {
    manager: Manager,
    agent: JoinHandle<()>,
    stop: CancellationToken,
}

/// This node and its cluster.
pub struct Membership {
    dir: PathBuf,
    engine: Arc<Engine>,
    description: NodeDescription,
    changes: broadcast::Sender<Changed>,
    fatal: Fatal,
    /// Held while the membership changes; requests only read `shown`.
    active: Mutex<Option<Active>>,
    shown: RwLock<Shown>,
}

/// What requests see without waiting.
#[derive(Clone, Default)]
struct Shown {
    node: LocalNode,
    manager: Option<Manager>,
}

impl Membership {
    /// Takes up the membership found below `data_root`, if there is one.
    pub async fn open(
        data_root: &Path,
        engine: Arc<Engine>,
        description: NodeDescription,
        changes: broadcast::Sender<Changed>,
        fatal: Fatal,
    ) -> Result<Membership, MembershipError> {
        let membership = Membership {
            dir: data_root.join("swarm"),
            engine,
            description,
            changes,
            fatal,
            active: Mutex::new(None),
            shown: RwLock::default(),
        };
        remove(&membership.dir.with_extension("left"))?;
        match membership.read_state()? {
            Some(state) => {
                membership.finish()?;
                membership.take_up(state).await?;
            }
            None => membership.clear_unfinished()?,
        }
        Ok(membership)
    }

    /// Removes a cluster that nobody was told of, because the daemon died while it made it.
    fn clear_unfinished(&self) -> Result<(), MembershipError> {
        if self.unfinished().exists() || !self.dir.exists() {
            return remove(&self.dir);
        }
        Err(MembershipError::StateLost { path: self.dir.join("state.json"), dir: self.dir.clone() })
    }

    /// Returns the file that marks a cluster which is being made.
    fn unfinished(&self) -> PathBuf {
        self.dir.join("unfinished")
    }

    /// The cluster is made: from here on a missing state is a loss.
    fn finish(&self) -> Result<(), MembershipError> {
        let path = self.unfinished();
        let io = |source| MembershipError::Io { action: "remove", path: path.clone(), source };
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(io(error)),
            Ok(()) => sync_dir(&self.dir).map_err(io),
        }
    }

    fn read_state(&self) -> Result<Option<State>, MembershipError> {
        let path = self.dir.join("state.json");
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|source| MembershipError::State { path, source }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(MembershipError::Io { action: "read", path, source }),
        }
    }

    async fn take_up(&self, state: State) -> Result<(), MembershipError> {
        let mut active = self.active.lock().await;
        let manager = self.start_manager(Bootstrap::Refuse)?;
        if !manager.leads().await {
            return Err(self.fatal.reason().map_or(MembershipError::NotElected, MembershipError::Stopped));
        }
        *active = Some(self.start_agent(manager, state).await);
        Ok(())
    }

    fn start_manager(&self, bootstrap: Bootstrap) -> Result<Manager, MembershipError> {
        let key = self.key(bootstrap)?;
        let dir = self.dir.join("raft");
        Ok(Manager::start(&dir, key, bootstrap, self.changes.clone(), self.fatal.clone())?)
    }

    /// Returns the key of the log, drawing one for a new log.
    fn key(&self, bootstrap: Bootstrap) -> Result<SealKey, MembershipError> {
        let path = self.dir.join("raft.key");
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && bootstrap == Bootstrap::Found => {
                let bytes = entropy::<32>().to_vec();
                write_atomically(&path, &bytes)?;
                bytes
            }
            Err(source) => return Err(MembershipError::Io { action: "read", path, source }),
        };
        let key: [u8; 32] =
            bytes.try_into().map_err(|bytes: Vec<u8>| MembershipError::Key { path, length: bytes.len() })?;
        Ok(SealKey::new(key))
    }

    async fn start_agent(&self, manager: Manager, state: State) -> Active {
        let link = manager.attach(state.node_id).await;
        let stop = CancellationToken::new();
        let engine = self.engine.clone();
        let running =
            skep_agent::run(engine, self.description.clone(), state.addr.clone(), link, stop.clone());
        let fatal = self.fatal.clone();
        let agent = tokio::spawn(async move {
            if let Err(error) = running.await {
                fatal.tell(format!("the node's agent failed: {}", skep_agent::chain(&error)));
            }
        });
        self.show(Shown {
            node: LocalNode {
                state: LocalState::Active,
                id: Some(state.node_id),
                addr: state.addr,
                is_manager: true,
                error: String::new(),
            },
            manager: Some(manager.clone()),
        });
        Active { manager, agent, stop }
    }

    fn show(&self, shown: Shown) {
        *self.shown.write().unwrap_or_else(PoisonError::into_inner) = shown;
    }

    fn shown(&self) -> Shown {
        self.shown.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn local_node(&self) -> LocalNode {
        self.shown().node
    }

    /// Returns the manager on this node, or what to tell whoever asks for one.
    pub fn manager(&self) -> Result<Manager, Refusal> {
        self.shown().manager.ok_or_else(|| Refusal::new(RefusalClass::Unavailable, NO_SWARM))
    }

    /// Makes a cluster of this node.
    pub async fn init(&self, new: NewSwarm) -> Result<NodeId, Refusal> {
        let mut active = self.active.lock().await;
        if active.is_some() {
            return Err(Refusal::new(RefusalClass::Unavailable, ALREADY));
        }
        let endpoint = address::choose(&new, &self.engine.config().bridge)?;
        let state = State { node_id: id(), addr: endpoint.addr.clone() };
        let made = self.make_cluster(&new, &endpoint, &state).await;
        match made {
            Ok(manager) => {
                *active = Some(self.start_agent(manager, state.clone()).await);
                tracing::info!(node.id = %state.node_id, addr = state.addr, "this node made a cluster");
                Ok(state.node_id)
            }
            Err(refusal) => {
                if let Err(error) = remove(&self.dir) {
                    tracing::warn!(error = %skep_agent::chain(&error), "a cluster that was not made left files");
                }
                Err(refusal)
            }
        }
    }

    async fn make_cluster(
        &self,
        new: &NewSwarm,
        endpoint: &address::Endpoint,
        state: &State,
    ) -> Result<Manager, Refusal> {
        let unknown =
            |error: &dyn std::error::Error| Refusal::new(RefusalClass::Unknown, skep_agent::chain(error));
        std::fs::create_dir_all(&self.dir).map_err(|error| unknown(&error))?;
        write_atomically(&self.unfinished(), b"").map_err(|error| unknown(&error))?;
        let authority = authority::create().map_err(|error| unknown(&error))?;
        let manager = self.start_manager(Bootstrap::Found).map_err(|error| unknown(&error))?;
        let request = Request::InitCluster(Box::new(NewCluster {
            id: id(),
            spec: new.spec.clone(),
            authority,
            address_pools: new.address_pools.clone(),
            subnet_size: new.subnet_size,
            data_path_port: new.data_path_port,
            node_id: state.node_id,
            node: NodeSpec { role: Role::Manager, availability: new.availability, ..NodeSpec::default() },
            description: self.description.clone(),
            node_addr: endpoint.addr.clone(),
            manager_addr: endpoint.manager_addr(),
        }));
        let made = match manager.leads().await {
            true => manager.request(request).await,
            false => Err(Refusal::new(
                RefusalClass::Unavailable,
                "the new manager does not begin to lead; see the daemon's log",
            )),
        };
        let kept = match made {
            Ok(_) => {
                let json = serde_json::to_vec(state).expect("our own type serialises into memory");
                write_atomically(&self.dir.join("state.json"), &json)
                    .map_err(MembershipError::from)
                    .and_then(|()| self.finish())
                    .map_err(|error| unknown(&error))
            }
            Err(refusal) => Err(refusal),
        };
        if kept.is_err() {
            manager.shutdown().await;
        }
        kept.map(|()| manager)
    }

    /// Leaves the cluster: containers first, then the state.
    pub async fn leave(&self, force: bool) -> Result<(), Refusal> {
        let mut active = self.active.lock().await;
        if active.is_none() {
            return Err(Refusal::new(RefusalClass::Unavailable, "This node is not part of a swarm"));
        }
        if !force {
            return Err(Refusal::new(RefusalClass::Unavailable, LAST_MANAGER));
        }
        let leaving = active.take().expect("checked above");
        self.show(Shown::default());
        stop(leaving).await;
        let unknown =
            |error: &dyn std::error::Error| Refusal::new(RefusalClass::Unknown, skep_agent::chain(error));
        let removed = self.engine.remove_all().await;
        self.discard().map_err(|error| unknown(&error))?;
        removed.map_err(|error| unknown(&error))?;
        tracing::info!("this node left its cluster");
        Ok(())
    }

    /// Forgets the cluster's state, at once and for good.
    fn discard(&self) -> Result<(), MembershipError> {
        let left = self.dir.with_extension("left");
        let io = |source| MembershipError::Io { action: "rename", path: self.dir.clone(), source };
        std::fs::rename(&self.dir, &left).map_err(io)?;
        sync_dir(self.dir.parent().unwrap_or(Path::new("/"))).map_err(io)?;
        remove(&left)
    }

    /// Stops what runs here. Containers and the membership live on.
    pub async fn shutdown(&self) {
        if let Some(active) = self.active.lock().await.take() {
            stop(active).await;
        }
    }
}

async fn stop(active: Active) {
    active.stop.cancel();
    if let Err(error) = active.agent.await {
        tracing::error!(%error, "the agent ended badly");
    }
    active.manager.shutdown().await;
}

fn id<T: Id>() -> T {
    T::from_number(u128::from_ne_bytes(entropy()))
}

/// Removes a directory that may not be there.
fn remove(path: &Path) -> Result<(), MembershipError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(MembershipError::Io { action: "remove", path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}
