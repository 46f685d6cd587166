//! The cluster itself: its settings, its certificate authority's public part and its join tokens.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ClusterId, Labels, Meta, limits};

/// The cluster as stored; there is exactly one once it is initialised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cluster {
    pub id: ClusterId,
    pub meta: Meta,
    pub spec: ClusterSpec,
    pub authority: Authority,
    /// CIDRs that overlay networks are cut from.
    pub address_pools: Vec<String>,
    pub subnet_size: u32,
    pub data_path_port: u32,
}

/// What an operator sets. The raft figures are Swarm's names for what Skep's log does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterSpec {
    pub labels: Labels,
    /// Tasks kept per slot; below 0: all.
    pub task_history_limit: i64,
    pub snapshot_interval: u64,
    pub keep_old_snapshots: u64,
    pub log_entries_for_slow_followers: u64,
    pub election_tick: u32,
    pub heartbeat_tick: u32,
    pub heartbeat_period: Duration,
    pub node_cert_expiry: Duration,
    /// Another number than before asks for another root of the authority.
    pub force_rotate: u64,
}

impl Default for ClusterSpec {
    fn default() -> Self {
        ClusterSpec {
            labels: Labels::new(),
            task_history_limit: limits::TASK_HISTORY_DEFAULT,
            snapshot_interval: 10_000,
            keep_old_snapshots: 0,
            log_entries_for_slow_followers: 500,
            election_tick: 10,
            heartbeat_tick: 1,
            heartbeat_period: limits::HEARTBEAT_PERIOD_DEFAULT,
            node_cert_expiry: Duration::from_secs(90 * 24 * 3600),
            force_rotate: 0,
        }
    }
}

/// The cluster's certificate authority and the tokens that admit new nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    pub certificate_pem: String,
    pub key_pem: Hidden,
    /// DER of the issuer's subject.
    pub subject: Vec<u8>,
    /// DER of the issuer's public key.
    pub public_key: Vec<u8>,
    pub worker_token: Hidden,
    pub manager_token: Hidden,
}

/// A text whose debug form hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}
