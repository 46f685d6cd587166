//! `swarm update`: the settings of the cluster.

use clap::Args;
use skep_api::client::Rotate;
use skep_api::wire::{ClusterInfo, ExternalCa, SwarmSpec};

use super::unlock_key::notice;
use crate::commands::none;
use crate::context::Context;
use crate::fault::Fault;
use crate::grammar::{boolean, duration, external_ca, int64, uint64};

/// Update the swarm
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS]")]
pub(crate) struct Flags {
    /// Change manager autolocking setting (true|false)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    autolock: Option<bool>,
    /// Validity period for node certificates (ns|us|ms|s|m|h) (default 2160h0m0s)
    #[arg(long, value_name = "duration", value_parser = duration)]
    cert_expiry: Option<i64>,
    /// Dispatcher heartbeat period (ns|us|ms|s|m|h) (default 5s)
    #[arg(long, value_name = "duration", value_parser = duration)]
    dispatcher_heartbeat: Option<i64>,
    /// Specifications of one or more certificate signing endpoints
    #[arg(long, value_name = "external-ca", value_parser = external_ca)]
    external_ca: Vec<ExternalCa>,
    /// Number of additional Raft snapshots to retain
    #[arg(long, value_name = "uint", value_parser = uint64)]
    max_snapshots: Option<u64>,
    /// Number of log entries between Raft snapshots (default 10000)
    #[arg(long, value_name = "uint", value_parser = uint64)]
    snapshot_interval: Option<u64>,
    /// Task history retention limit (default 5)
    #[arg(long, value_name = "int", value_parser = int64)]
    task_history_limit: Option<i64>,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

impl Flags {
    fn is_empty(&self) -> bool {
        let Flags {
            autolock,
            cert_expiry,
            dispatcher_heartbeat,
            external_ca,
            max_snapshots,
            snapshot_interval,
            task_history_limit,
            arguments: _,
        } = self;
        let durations = [cert_expiry, dispatcher_heartbeat, task_history_limit];
        let counts = [max_snapshots, snapshot_interval];
        autolock.is_none()
            && durations.iter().all(|flag| flag.is_none())
            && counts.iter().all(|flag| flag.is_none())
            && external_ca.is_empty()
    }
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    none(context, &flags.arguments)?;
    if flags.is_empty() {
        return Err(Fault::help());
    }
    let client = context.client().await?;
    let mut cluster = client.swarm().await?.cluster;
    let was_locking = cluster.spec.encryption_config.auto_lock_managers;
    merge(&mut cluster, flags);
    client.update_swarm(cluster.version, &cluster.spec, Rotate::default()).await?;
    context.io.line("Swarm updated.")?;
    if cluster.spec.encryption_config.auto_lock_managers && !was_locking {
        let key = client.unlock_key().await?.unlock_key;
        context.io.text(&notice(&key))?;
    }
    Ok(())
}

fn merge(cluster: &mut ClusterInfo, flags: Flags) {
    let SwarmSpec { orchestration, raft, dispatcher, ca_config, encryption_config, .. } = &mut cluster.spec;
    if flags.task_history_limit.is_some() {
        orchestration.task_history_retention_limit = flags.task_history_limit;
    }
    if flags.max_snapshots.is_some() {
        raft.keep_old_snapshots = flags.max_snapshots;
    }
    raft.snapshot_interval = flags.snapshot_interval.unwrap_or(raft.snapshot_interval);
    dispatcher.heartbeat_period = flags.dispatcher_heartbeat.unwrap_or(dispatcher.heartbeat_period);
    ca_config.node_cert_expiry = flags.cert_expiry.unwrap_or(ca_config.node_cert_expiry);
    let locks = &mut encryption_config.auto_lock_managers;
    *locks = flags.autolock.unwrap_or(*locks);
    if !flags.external_ca.is_empty() {
        let certificate = &cluster.tls_info.trust_root;
        let trusted = |ca| ExternalCa { ca_cert: certificate.clone(), ..ca };
        ca_config.external_cas = flags.external_ca.into_iter().map(trusted).collect();
    }
}
