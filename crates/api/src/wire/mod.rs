//! The JSON of Docker's HTTP API, as plain data. Frozen by Docker, shared by the server and the client.
//!
//! Services, tasks, nodes and the swarm are our own structs: the generated ones of `bollard-stubs` write `HealthCheck`
//! for `Healthcheck`, turn unknown words into decoding errors, shuffle labels and drop Go's field order, all of which
//! users see. Objects without those traits are re-exported from there. Conversion to the model is `convert`'s work,
//! leniency about case and `null` is the decoder's.

use std::cell::Cell;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

mod container;
pub mod decode;
mod doctor;
pub mod local;
mod node;
mod rollout;
mod service;
mod swarm;
mod system;
mod task;

pub use bollard_stubs::models::{DistributionInspect, OciDescriptor, OciPlatform};

pub use container::{
    AppArmorOptions, BindOptions, ConfigReference, ContainerSpec, CredentialSpec, DnsConfig, EmptyOptions,
    FileTarget, HealthConfig, ImageOptions, Mount, Privileges, SeccompOptions, SecretReference,
    SelinuxContext, TmpfsOptions, Ulimit, VolumeOptions,
};
pub use doctor::{Checkup, Condition, Finding};
pub use node::{
    EngineDescription, ManagerStatus, Node, NodeDescription, NodeSpec, NodeStatus, PluginDescription, TlsInfo,
};
pub use rollout::{Relocation, Revision, Rollout, Slots, Step, Wait};
pub use service::{
    Empty, Endpoint, EndpointSpec, EndpointVirtualIp, JobStatus, PortConfig, ReplicatedJob,
    ReplicatedService, Service, ServiceCreated, ServiceMode, ServiceSpec, ServiceStatus, ServiceUpdated,
    UpdateConfig, UpdateStatus,
};
pub use swarm::{
    CaConfig, ClusterInfo, DispatcherConfig, EncryptionConfig, ExternalCa, InitRequest, JoinRequest,
    JoinTokens, OrchestrationConfig, Peer, RaftConfig, Swarm, SwarmInfo, SwarmSpec, TaskDefaults, UnlockKey,
};
pub use system::{Commit, Component, Info, PlatformName, PluginsInfo, SystemVersion};
pub use task::{
    ContainerStatus, DiscreteResource, Driver, GenericResource, Limit, NamedResource, NetworkAttachment,
    NetworkAttachmentConfig, Placement, PlacementPreference, Platform, PortStatus, ResourceRequirements,
    Resources, RestartPolicy, SpreadOver, Task, TaskSpec, TaskStatus,
};

/// The version of an object: what an update must show in order to be accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Version {
    /// Moves on with every write of the object.
    #[serde(skip_serializing_if = "zero")]
    pub index: u64,
}

/// Body of every answer that is not a success.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorBody {
    /// The sentence that the user reads.
    pub message: String,
}

/// An object of which a client needs only the identity: a network, a secret, a config.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Named {
    /// `ID` for cluster objects, `Id` for networks.
    #[serde(rename = "ID", alias = "Id")]
    pub id: String,
    /// Where networks keep their name.
    pub name: String,
    /// Where secrets and configs keep theirs.
    pub spec: NamedSpec,
}

/// The one field that [`Named`] reads of a spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NamedSpec {
    /// The name of the object.
    pub name: String,
}

/// An instant in RFC 3339 with as many digits as it needs. The default is Go's zero time, the year 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub jiff::Timestamp);

impl Time {
    /// Go's zero time, `0001-01-01T00:00:00Z`, which stands for "never".
    pub const ZERO: Time = Time(jiff::Timestamp::constant(-62_135_596_800, 0));

    /// Tells whether this is Go's zero time.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
}

impl Default for Time {
    fn default() -> Self {
        Self::ZERO
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The name survives in serializers that care, such as the templates of the command line.
        serializer.serialize_newtype_struct("Time", &self.to_string())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Time).map_err(|error| de::Error::custom(format!("time {text:?}: {error}")))
    }
}

thread_local! {
    static KEEPS_ZEROS: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` with Go's `omitempty` turned off on this thread: fields that hold nothing are written all the same.
///
/// Templates need it: `{{.PublishedPort}}` prints `0` for a field that JSON leaves out.
pub fn with_zeros<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            KEEPS_ZEROS.set(self.0);
        }
    }
    let _restore = Restore(KEEPS_ZEROS.replace(true));
    work()
}

/// Go's `omitempty`: what equals its default is left out.
fn zero<T: Default + PartialEq>(value: &T) -> bool {
    !KEEPS_ZEROS.get() && *value == T::default()
}

/// Writes a whole number without a fraction, as Go does: `0`, not `0.0`.
fn ratio<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 && value.abs() < 1e9 {
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f32(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_keeps_gos_order_and_omissions() {
        let text = concat!(
            r#"{"ID":"s","Version":{"Index":3},"CreatedAt":"2026-01-02T03:04:05.5Z","UpdatedAt":"0001-01-01T00:00:00Z","#,
            r#""Spec":{"Name":"web","Labels":{},"TaskTemplate":{"ContainerSpec":{"Image":"i","Init":false,"DNSConfig":{}},"#,
            r#""ForceUpdate":0},"Mode":{"Replicated":{"Replicas":0}},"UpdateConfig":{"Parallelism":1,"MaxFailureRatio":0,"#,
            r#""Order":""}},"Endpoint":{"Spec":{}}}"#
        );
        let service: Service = serde_json::from_str(text).expect("decodes");
        assert_eq!(serde_json::to_string(&service).expect("encodes"), text);
    }

    #[test]
    fn zeros_are_kept_on_demand() {
        let port = PortConfig { target_port: 80, ..PortConfig::default() };
        let text = || serde_json::to_string(&port).expect("encodes");
        assert_eq!(text(), r#"{"TargetPort":80}"#);
        assert_eq!(
            with_zeros(text),
            r#"{"Name":"","Protocol":"","TargetPort":80,"PublishedPort":0,"PublishMode":""}"#
        );
        assert_eq!(text(), r#"{"TargetPort":80}"#);
    }

    #[test]
    fn the_zero_time_is_the_year_one() {
        assert_eq!(Time::ZERO.to_string(), "0001-01-01T00:00:00Z");
        assert!(Time::default().is_zero());
    }
}
