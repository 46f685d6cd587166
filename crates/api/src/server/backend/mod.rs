//! What the server needs from the daemon behind it.
//!
//! [`Backend`] is implemented by the `skep` binary and by the fake of this crate's tests, one trait for each group of
//! objects; [`View`] is one consistent picture of the cluster. Both speak the model: no type of Docker's JSON crosses this wall. References (name, id
//! prefix), filters, conversion, framing and status codes are the server's; whether a write is allowed is the control
//! plane's; what runs on this node is the agent's.
//!
//! Next: [`super::facts`], the plain data that crosses here.

mod containers;
mod images;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use skep_model::placement::Relocation;
use skep_model::request::{Refusal, Reply, Request, Rotation};
use skep_model::rollout::Wait;
use skep_model::{Cluster, Node, NodeId, Revision, Rollout, Service, ServiceId, Step, Task, TaskId};
use tokio::sync::broadcast;

use super::facts::{
    Changed, Fault, HostFacts, LocalNode, LogLine, LogRequest, NewSwarm, Secrets, SlotCounts,
};
use crate::wire::Finding;
pub use containers::{Containers, Download, Execs, Upload, Waiting};
pub use images::{Credentials, Images, Volumes};

/// Objects of a view, in the order of their ids.
pub type Rows<'a, T> = Box<dyn Iterator<Item = &'a T> + Send + 'a>;

/// The daemon behind the API: all groups together.
pub trait Backend: Swarm + Containers + Execs + Images + Volumes + 'static {}

impl<T: Swarm + Containers + Execs + Images + Volumes + 'static> Backend for T {}

/// The cluster, this node's part in it, and the machine.
pub trait Swarm: Send + Sync {
    /// Returns the state of the cluster, not older than the last request answered by any manager.
    ///
    /// A node that is no manager, or not yet, refuses with class `Unavailable` and the sentence that the user reads;
    /// a cluster without a leader refuses with class `Unknown`.
    fn view(&self) -> BoxFuture<'_, Result<Arc<dyn View>, Refusal>>;

    /// Asks the control plane, and answers once the change is committed and visible to [`Swarm::view`].
    fn request(&self, request: Request) -> BoxFuture<'_, Result<Reply, Refusal>>;

    /// Follows what happens from this call on: writes to the cluster, on managers, and events of this node.
    ///
    /// The channel is bounded. A slow reader loses the oldest changes and is told so; none is lost silently.
    fn changes(&self) -> broadcast::Receiver<Changed>;

    /// Returns this node's part in a cluster. Cheap: `/_ping` asks for it.
    fn local_node(&self) -> LocalNode;

    /// Returns what `/info` and `/version` say about the machine and the daemon.
    fn host(&self) -> BoxFuture<'_, HostFacts>;

    /// Looks at this node anew: what its kernel offers, what its disks hold, how it stands in its cluster.
    fn checkup(&self) -> BoxFuture<'_, Vec<Finding>>;

    /// Creates a cluster of this one node and returns the node's id once it leads.
    fn init_swarm(&self, new: NewSwarm) -> BoxFuture<'_, Result<NodeId, Refusal>>;

    /// Leaves the cluster; all containers of its tasks are gone before this answers.
    fn leave_swarm(&self, force: bool) -> BoxFuture<'_, Result<(), Refusal>>;

    /// Draws the secrets asked for, or refuses a root that cannot be the cluster's; nothing is stored.
    fn draw(&self, secrets: Secrets) -> Result<Rotation, Refusal>;

    /// Reads the log of one task's container, wherever the task runs.
    ///
    /// With `follow` the stream waits for a container that does not exist yet and ends when the task is over and its
    /// log is read; without, it ends after the lines there are. A task that never had a container yields none. Lines
    /// arrive whole, without their line end, oldest first; dropping the stream ends the reading.
    fn logs(&self, request: LogRequest) -> BoxStream<'static, Result<LogLine, Fault>>;
}

/// One consistent state of the cluster. Holding it costs the cluster nothing.
pub trait View: Send + Sync {
    /// Returns the index of the last log entry in it.
    fn index(&self) -> u64;
    /// Returns the manager that leads, if it is known.
    fn leader(&self) -> Option<NodeId>;
    fn cluster(&self) -> Option<&Cluster>;
    fn nodes(&self) -> Rows<'_, Node>;
    fn node(&self, id: NodeId) -> Option<&Node>;
    fn services(&self) -> Rows<'_, Service>;
    fn service(&self, id: ServiceId) -> Option<&Service>;
    /// Returns the service of exactly this name.
    fn service_named(&self, name: &str) -> Option<&Service>;
    fn rollout(&self, id: ServiceId) -> Option<&Rollout>;
    /// Returns the revisions of a service that are kept, oldest first.
    fn revisions_of(&self, id: ServiceId) -> Rows<'_, Revision>;
    /// Returns the slots of a service in mid-change.
    fn steps_of(&self, id: ServiceId) -> Rows<'_, Step>;
    /// Returns how many slots a service has, in which condition.
    fn slot_counts(&self, service: &Service) -> SlotCounts;
    /// Returns what a service waits for at this moment, most important first.
    fn waits(&self, id: ServiceId) -> Vec<Wait>;
    /// Returns what rebalancing would move, in its order.
    fn relocations(&self) -> Vec<Relocation>;
    /// Returns what a task waits for that does not run.
    fn waiting(&self, task: &Task) -> Option<Wait>;
    fn tasks(&self) -> Rows<'_, Task>;
    fn tasks_of(&self, id: ServiceId) -> Rows<'_, Task>;
    fn task(&self, id: TaskId) -> Option<&Task>;
    /// Returns whether an update of the service would leave the task as it is; the rollout judges by the same rule.
    fn is_current(&self, service: &Service, task: &Task) -> bool;
}
