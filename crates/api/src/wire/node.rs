//! A node as the API shows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Platform, Resources, Time, Version, zero};

/// A member of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Node {
    /// 25 characters of base 36.
    #[serde(rename = "ID")]
    pub id: String,
    /// Docker's `Version`.
    pub version: Version,
    /// Docker's `CreatedAt`.
    pub created_at: Time,
    /// Docker's `UpdatedAt`.
    pub updated_at: Time,
    /// What the operator set.
    pub spec: NodeSpec,
    /// What the node says about itself.
    pub description: NodeDescription,
    /// Docker's `Status`.
    pub status: NodeStatus,
    /// Absent on workers.
    #[serde(skip_serializing_if = "zero")]
    pub manager_status: Option<ManagerStatus>,
}

/// What the operator set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NodeSpec {
    /// Docker's `Name`.
    #[serde(skip_serializing_if = "zero")]
    pub name: String,
    /// Docker's `Labels`.
    pub labels: BTreeMap<String, String>,
    /// `worker` or `manager`.
    #[serde(skip_serializing_if = "zero")]
    pub role: String,
    /// `active`, `pause` or `drain`.
    #[serde(skip_serializing_if = "zero")]
    pub availability: String,
}

/// What a node says about itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NodeDescription {
    /// Docker's `Hostname`.
    #[serde(skip_serializing_if = "zero")]
    pub hostname: String,
    /// Docker's `Platform`.
    pub platform: Platform,
    /// Docker's `Resources`.
    pub resources: Resources,
    /// Docker's `Engine`.
    pub engine: EngineDescription,
    /// Docker's `TLSInfo`.
    #[serde(rename = "TLSInfo")]
    pub tls_info: TlsInfo,
}

/// The software on a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EngineDescription {
    /// Docker's `EngineVersion`.
    #[serde(skip_serializing_if = "zero")]
    pub engine_version: String,
    /// Docker's `Labels`.
    #[serde(skip_serializing_if = "zero")]
    pub labels: BTreeMap<String, String>,
    /// Docker's `Plugins`.
    #[serde(skip_serializing_if = "zero")]
    pub plugins: Vec<PluginDescription>,
}

/// A driver that a node offers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct PluginDescription {
    /// `Log`, `Network` or `Volume`.
    #[serde(rename = "Type", skip_serializing_if = "zero")]
    pub kind: String,
    /// Docker's `Name`.
    #[serde(skip_serializing_if = "zero")]
    pub name: String,
}

/// The authority that signed a node's certificate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TlsInfo {
    /// PEM.
    #[serde(skip_serializing_if = "zero")]
    pub trust_root: String,
    /// Base64 of DER.
    #[serde(skip_serializing_if = "zero")]
    pub cert_issuer_subject: String,
    /// Base64 of DER.
    #[serde(skip_serializing_if = "zero")]
    pub cert_issuer_public_key: String,
}

/// What the managers know about a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NodeStatus {
    /// `unknown`, `down`, `ready` or `disconnected`.
    #[serde(skip_serializing_if = "zero")]
    pub state: String,
    /// Docker's `Message`.
    #[serde(skip_serializing_if = "zero")]
    pub message: String,
    /// A bare IP address.
    #[serde(skip_serializing_if = "zero")]
    pub addr: String,
}

/// The manager half of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ManagerStatus {
    /// Docker's `Leader`.
    #[serde(skip_serializing_if = "zero")]
    pub leader: bool,
    /// `unknown`, `unreachable` or `reachable`.
    #[serde(skip_serializing_if = "zero")]
    pub reachability: String,
    /// `ip:port` of the cluster port.
    #[serde(skip_serializing_if = "zero")]
    pub addr: String,
}
