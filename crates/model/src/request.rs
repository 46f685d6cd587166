//! What the API asks of the control plane, and what it may answer.
//!
//! References are resolved (name to id) before a request is made; everything else is judged by the
//! leader, on the state in which the request takes effect.

use serde::{Deserialize, Serialize};

use crate::cluster::{Authority, ClusterSpec};
use crate::node::{NodeDescription, NodeSpec};
use crate::template::RegistryAuth;
use crate::{ClusterId, NodeId, ServiceId, ServiceSpec};

/// One thing asked of the control plane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    InitCluster(Box<NewCluster>),
    UpdateCluster {
        version: u64,
        spec: ClusterSpec,
        rotate: Box<Rotation>,
    },
    /// `author`: who asks, as far as that is known.
    CreateService {
        spec: Box<ServiceSpec>,
        author: String,
    },
    UpdateService {
        id: ServiceId,
        version: u64,
        change: Box<ServiceChange>,
        author: String,
    },
    RemoveService {
        id: ServiceId,
    },
    /// Steers the service's rollout, whatever the version of the service.
    SteerRollout {
        id: ServiceId,
        verb: RolloutVerb,
        author: String,
    },
    UpdateNode {
        id: NodeId,
        version: u64,
        spec: NodeSpec,
    },
    /// `force`: even if the node is not down.
    RemoveNode {
        id: NodeId,
        force: bool,
    },
}

/// What a person may ask of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RolloutVerb {
    /// Take up no more slots.
    Pause,
    /// Go on, failures forgiven.
    Resume,
    /// Return to the proven revision, and make it the service's again.
    Abort,
    /// Go to an earlier revision: `to`, or the newest stable one that is not in force.
    Undo { to: Option<u64> },
}

/// The first state of a cluster. Ids and keys are drawn by the shell, which has entropy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewCluster {
    pub id: ClusterId,
    pub spec: ClusterSpec,
    pub authority: Authority,
    pub address_pools: Vec<String>,
    pub subnet_size: u32,
    pub data_path_port: u32,
    pub node_id: NodeId,
    pub node: NodeSpec,
    pub description: NodeDescription,
    /// Bare IP address of the node.
    pub node_addr: String,
    /// `address:port` of the manager.
    pub manager_addr: String,
}

/// New secrets, where they are to be replaced. Drawn by the shell, which has entropy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rotation {
    /// Takes the place of the cluster's authority, tokens included; theirs below, if any, name its root.
    pub authority: Option<Authority>,
    pub worker_token: Option<crate::cluster::Hidden>,
    pub manager_token: Option<crate::cluster::Hidden>,
}

/// How a service is to change. Requests hold it in a box.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "a request holds it in a box")]
pub enum ServiceChange {
    /// Replace the specification. Registry credentials in it win over those of `auth`.
    Spec { spec: ServiceSpec, auth: AuthFrom },
    /// Return to the specification before the current one.
    Rollback,
}

/// Where registry credentials come from when a request brings none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthFrom {
    #[default]
    Spec,
    PreviousSpec,
}

impl ServiceSpec {
    /// Returns the credentials stored with this specification.
    pub fn registry_auth(&self) -> Option<&RegistryAuth> {
        self.task.registry_auth.as_ref()
    }
}

/// The answer to a request that took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    Done,
    ServiceCreated(ServiceId),
}

/// The answer to a request that did not: a class that the API maps to a status, and the sentence that
/// the user reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    pub class: RefusalClass,
    pub message: String,
}

/// Swarm's classes of refusal, by the names of their gRPC codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalClass {
    InvalidArgument,
    FailedPrecondition,
    NotFound,
    AlreadyExists,
    Unimplemented,
    /// No leader, shutting down, overloaded: the same request may succeed later.
    Unavailable,
    /// What Swarm reports without a class.
    Unknown,
}

impl Refusal {
    /// Returns a refusal of this class.
    pub fn new(class: RefusalClass, message: impl Into<String>) -> Self {
        Refusal { class, message: message.into() }
    }
}

impl From<crate::validate::Invalid> for Refusal {
    fn from(invalid: crate::validate::Invalid) -> Self {
        let class = match &invalid {
            crate::validate::Invalid::Argument(_) => RefusalClass::InvalidArgument,
            crate::validate::Invalid::Constraint(_) => RefusalClass::Unknown,
        };
        Refusal::new(class, invalid.to_string())
    }
}
