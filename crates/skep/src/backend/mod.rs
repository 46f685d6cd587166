//! What the API server asks, answered by the parts of the daemon: the cluster here, what this node has in a file for
//! each kind of object.

mod containers;
mod detail;
mod execs;
mod files;
mod images;
mod images_shown;
mod pulls;
mod volumes;

pub(crate) use detail::{NETWORK, NETWORK_ID};

use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};
use skep_agent::{Engine, LogQuery, chain};
use skep_api::server::backend::{Swarm, View};
use skep_api::server::facts::{
    Changed, Fault, FaultClass, HostFacts, LocalNode, LogLine, LogRequest, NewSwarm, Secrets,
};
use skep_api::wire::Finding;
use skep_model::request::{Refusal, RefusalClass, Reply, Request, Rotation};
use skep_model::{NodeId, TaskId, Timestamp};
use tokio::sync::{OnceCell, broadcast};

use crate::daemon::options::Settings;
use crate::doctor::Features;
use crate::membership::Membership;
use crate::view::StoreView;
use crate::{authority, doctor, host};

/// The daemon behind the API.
pub struct Daemon {
    pub engine_id: String,
    pub settings: Settings,
    pub engine: Arc<Engine>,
    pub containers: Arc<skep_agent::containers::Containers>,
    /// Bytes of memory of the machine.
    pub machine_memory: u64,
    pub membership: Membership,
    pub changes: broadcast::Sender<Changed>,
    /// What the kernel offers, tried when somebody first asks.
    pub features: OnceCell<Features>,
}

impl Daemon {
    /// Resolves when the task is over or forgotten, or this node is in no cluster.
    fn task_over(&self, id: TaskId) -> BoxFuture<'static, ()> {
        let manager = self.membership.manager();
        async move {
            if let Ok(manager) = manager {
                manager.await_state(|store| store.task(id).is_none_or(|task| task.is_over())).await;
            }
        }
        .boxed()
    }
}

impl Swarm for Daemon {
    fn view(&self) -> BoxFuture<'_, Result<Arc<dyn View>, Refusal>> {
        async {
            let published = self.membership.manager()?.view().await?;
            let node_id = self.membership.local_node().id;
            Ok(Arc::new(StoreView { published, node_id }) as Arc<dyn View>)
        }
        .boxed()
    }

    fn request(&self, request: Request) -> BoxFuture<'_, Result<Reply, Refusal>> {
        async move { self.membership.manager()?.request(request).await }.boxed()
    }

    fn changes(&self) -> broadcast::Receiver<Changed> {
        self.changes.subscribe()
    }

    fn local_node(&self) -> LocalNode {
        self.membership.local_node()
    }

    fn host(&self) -> BoxFuture<'_, HostFacts> {
        async {
            let features = self.features.get_or_init(Features::find).await;
            host::facts(&self.engine_id, &self.settings, &self.engine, features).await
        }
        .boxed()
    }

    fn checkup(&self) -> BoxFuture<'_, Vec<Finding>> {
        async {
            let mut findings = doctor::of_machine(&Features::find().await, &self.settings);
            findings.extend(doctor::look_at_cluster(&self.membership, instant(SystemTime::now())).await);
            findings
        }
        .boxed()
    }

    fn init_swarm(&self, new: NewSwarm) -> BoxFuture<'_, Result<NodeId, Refusal>> {
        self.membership.init(new).boxed()
    }

    fn leave_swarm(&self, force: bool) -> BoxFuture<'_, Result<(), Refusal>> {
        self.membership.leave(force).boxed()
    }

    fn draw(&self, secrets: Secrets) -> Result<Rotation, Refusal> {
        let published = self.membership.manager()?.local_view();
        let Some(cluster) = published.store.cluster() else {
            return Err(Refusal::new(
                RefusalClass::Unavailable,
                "the cluster is being initialised; try again",
            ));
        };
        authority::draw(cluster, &secrets)
    }

    fn logs(&self, request: LogRequest) -> BoxStream<'static, Result<LogLine, Fault>> {
        let follow = request.follow.then(|| self.task_over(request.task_id));
        let query = LogQuery {
            tail: request.tail,
            since: request.since,
            stdout: request.stdout,
            stderr: request.stderr,
            follow,
        };
        let records = self.engine.clone().logs(request.task_id, query);
        records.map(|record| record.map(containers::log_line).map_err(|error| failed(&error))).boxed()
    }
}

/// Returns an instant of the machine's clock as the model has it.
fn instant(at: SystemTime) -> Timestamp {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Returns an instant in RFC 3339, as images carry it; zero if it is none.
fn rfc3339(text: &str) -> Timestamp {
    let at: Option<jiff::Timestamp> = text.parse().ok();
    Timestamp(at.map_or(0, |at| i64::try_from(at.as_nanosecond()).unwrap_or(0)))
}

/// What went wrong on this node, with all its causes.
fn failed(error: &dyn std::error::Error) -> Fault {
    Fault::new(FaultClass::Failed, chain(error))
}
