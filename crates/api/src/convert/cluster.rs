//! The cluster: its settings both ways, itself on the way out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use skep_model::Cluster;
#[cfg(feature = "server")]
use skep_model::cluster::Hidden;
use skep_model::cluster::{Authority, ClusterSpec};

use super::{Unconverted, argument, duration, nanos, refuse_if, time, unsupported};
#[cfg(feature = "server")]
use crate::server::facts::Signing;
use crate::wire;

/// The only name a cluster has.
const NAME: &str = "default";

/// Converts settings; whatever is zero or absent becomes its default, as in Swarm.
pub fn to_model(spec: wire::SwarmSpec) -> Result<ClusterSpec, Unconverted> {
    refuse_if(spec.encryption_config.auto_lock_managers, "--autolock")?;
    refuse_if(!spec.ca_config.external_cas.is_empty(), "--external-ca")?;
    if let Some(log) = spec.task_defaults.log_driver.filter(|log| *log != wire::Driver::default()) {
        return Err(unsupported(format_args!("TaskDefaults.LogDriver {:?}", log.name)));
    }
    let span = |nanos: i64, sentence: &str| duration(nanos).ok_or_else(|| argument(sentence));
    let heartbeat_period =
        span(spec.dispatcher.heartbeat_period, "heartbeat time period cannot be a negative duration")?;
    let node_cert_expiry =
        span(spec.ca_config.node_cert_expiry, "minimum certificate expiry time is: 1h0m0s")?;
    let default = ClusterSpec::default();
    let or = |given: u64, default: u64| if given == 0 { default } else { given };
    let spec = ClusterSpec {
        labels: spec.labels,
        task_history_limit: spec
            .orchestration
            .task_history_retention_limit
            .unwrap_or(default.task_history_limit),
        snapshot_interval: or(spec.raft.snapshot_interval, default.snapshot_interval),
        keep_old_snapshots: spec.raft.keep_old_snapshots.unwrap_or(default.keep_old_snapshots),
        log_entries_for_slow_followers: or(
            spec.raft.log_entries_for_slow_followers,
            default.log_entries_for_slow_followers,
        ),
        election_tick: ticks(spec.raft.election_tick, default.election_tick)?,
        heartbeat_tick: ticks(spec.raft.heartbeat_tick, default.heartbeat_tick)?,
        heartbeat_period: if heartbeat_period.is_zero() {
            default.heartbeat_period
        } else {
            heartbeat_period
        },
        node_cert_expiry: if node_cert_expiry.is_zero() {
            default.node_cert_expiry
        } else {
            node_cert_expiry
        },
        force_rotate: spec.ca_config.force_rotate,
    };
    refuse_fixed(&spec, &default)?;
    Ok(spec)
}

/// Returns the root that the settings bring along. It is used once and is no part of them.
#[cfg(feature = "server")]
pub fn signing(config: &wire::CaConfig) -> Option<Signing> {
    let wire::CaConfig { signing_ca_cert: certificate, signing_ca_key: key, .. } = config;
    let is_there = !certificate.is_empty() || !key.is_empty();
    is_there.then(|| Signing { certificate: certificate.clone(), key: Hidden(key.clone()) })
}

/// What Skep shows but cannot change yet is refused when it would have to change.
fn refuse_fixed(spec: &ClusterSpec, fixed: &ClusterSpec) -> Result<(), Unconverted> {
    refuse_if(spec.snapshot_interval != fixed.snapshot_interval, "--snapshot-interval")?;
    refuse_if(spec.keep_old_snapshots != fixed.keep_old_snapshots, "--max-snapshots")?;
    let entries = spec.log_entries_for_slow_followers != fixed.log_entries_for_slow_followers;
    refuse_if(entries, "Raft.LogEntriesForSlowFollowers")?;
    refuse_if(spec.election_tick != fixed.election_tick, "Raft.ElectionTick")?;
    refuse_if(spec.heartbeat_tick != fixed.heartbeat_tick, "Raft.HeartbeatTick")?;
    refuse_if(spec.node_cert_expiry != fixed.node_cert_expiry, "--cert-expiry")
}

fn ticks(given: i64, default: u32) -> Result<u32, Unconverted> {
    match u32::try_from(given) {
        Ok(0) => Ok(default),
        Ok(ticks) => Ok(ticks),
        Err(_) => Err(argument("election tick and heartbeat tick cannot be negative")),
    }
}

/// Returns whether a cluster may be given this name; silence keeps it.
pub fn is_name(name: &str) -> bool {
    matches!(name, "" | NAME)
}

/// Where nodes reach each other's overlay networks, if nobody chose otherwise.
const DATA_PATH_PORT: u32 = 4789;

/// Shows the cluster without its tokens.
pub fn to_wire(cluster: &Cluster) -> wire::ClusterInfo {
    wire::ClusterInfo {
        id: cluster.id.to_string(),
        version: wire::Version { index: cluster.meta.version },
        created_at: time(cluster.meta.created_at),
        updated_at: time(cluster.meta.updated_at),
        spec: spec_to_wire(&cluster.spec),
        tls_info: tls_info(&cluster.authority),
        // A rotation is one write: no node has a certificate that would have to follow it.
        root_rotation_in_progress: false,
        default_addr_pool: cluster.address_pools.clone(),
        subnet_size: cluster.subnet_size,
        data_path_port: match cluster.data_path_port {
            0 => DATA_PATH_PORT,
            chosen => chosen,
        },
    }
}

/// Shows the cluster to somebody who may let nodes join.
pub fn to_wire_with_tokens(cluster: &Cluster) -> wire::Swarm {
    wire::Swarm {
        cluster: to_wire(cluster),
        join_tokens: wire::JoinTokens {
            worker: cluster.authority.worker_token.0.clone(),
            manager: cluster.authority.manager_token.0.clone(),
        },
    }
}

fn spec_to_wire(spec: &ClusterSpec) -> wire::SwarmSpec {
    wire::SwarmSpec {
        name: NAME.to_owned(),
        labels: spec.labels.clone(),
        orchestration: wire::OrchestrationConfig {
            task_history_retention_limit: Some(spec.task_history_limit),
        },
        raft: wire::RaftConfig {
            snapshot_interval: spec.snapshot_interval,
            keep_old_snapshots: Some(spec.keep_old_snapshots),
            log_entries_for_slow_followers: spec.log_entries_for_slow_followers,
            election_tick: i64::from(spec.election_tick),
            heartbeat_tick: i64::from(spec.heartbeat_tick),
        },
        dispatcher: wire::DispatcherConfig { heartbeat_period: nanos(spec.heartbeat_period) },
        ca_config: wire::CaConfig {
            node_cert_expiry: nanos(spec.node_cert_expiry),
            force_rotate: spec.force_rotate,
            ..Default::default()
        },
        ..Default::default()
    }
}

/// Shows the public part of the authority.
pub fn tls_info(authority: &Authority) -> wire::TlsInfo {
    wire::TlsInfo {
        trust_root: authority.certificate_pem.clone(),
        cert_issuer_subject: STANDARD.encode(&authority.subject),
        cert_issuer_public_key: STANDARD.encode(&authority.public_key),
    }
}
