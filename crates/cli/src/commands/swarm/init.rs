//! `swarm init`: makes a daemon a cluster of one.

use clap::Args;
use skep_api::wire::{ExternalCa, InitRequest, SwarmSpec};

use super::join_token::join_command;
use super::unlock_key::notice;
use crate::commands::none;
use crate::context::Context;
use crate::fault::Fault;
use crate::grammar::{duration, external_ca, listen_address, subnets, uint32, uint64};

/// The address pools of one flag.
type Pools = Vec<String>;

/// Initialize a swarm
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS]")]
pub(crate) struct Flags {
    /// Advertised address (format: "<ip|interface>[:port]")
    #[arg(long, value_name = "string")]
    advertise_addr: Option<String>,
    /// Enable manager autolocking (requiring an unlock key to start a stopped manager)
    #[arg(long)]
    autolock: bool,
    /// Availability of the node ("active", "pause", "drain") (default "active")
    #[arg(long, value_name = "string")]
    availability: Option<String>,
    /// Validity period for node certificates (ns|us|ms|s|m|h) (default 2160h0m0s)
    #[arg(long, value_name = "duration", value_parser = duration)]
    cert_expiry: Option<i64>,
    /// Address or interface to use for data path traffic (format: "<ip|interface>")
    #[arg(long, value_name = "string")]
    data_path_addr: Option<String>,
    /// Port number to use for data path traffic (1024 - 49151). If no value is set or is set to 0, the default port (4789) is used.
    #[arg(long, value_name = "uint32", value_parser = uint32, verbatim_doc_comment)]
    data_path_port: Option<u32>,
    /// default address pool in CIDR format (default [])
    #[arg(long, value_name = "ipNetSlice", value_parser = subnets)]
    default_addr_pool: Vec<Pools>,
    /// default address pool subnet mask length (default 24)
    #[arg(long, value_name = "uint32", value_parser = uint32)]
    default_addr_pool_mask_length: Option<u32>,
    /// Dispatcher heartbeat period (ns|us|ms|s|m|h) (default 5s)
    #[arg(long, value_name = "duration", value_parser = duration)]
    dispatcher_heartbeat: Option<i64>,
    /// Specifications of one or more certificate signing endpoints
    #[arg(long, value_name = "external-ca", value_parser = external_ca)]
    external_ca: Vec<ExternalCa>,
    /// Force create a new cluster from current state
    #[arg(long)]
    force_new_cluster: bool,
    /// Listen address (format: "<ip|interface>[:port]") (default 0.0.0.0:2377)
    #[arg(long, value_name = "node-addr", value_parser = listen_address)]
    listen_addr: Option<String>,
    /// Number of additional Raft snapshots to retain
    #[arg(long, value_name = "uint", value_parser = uint64)]
    max_snapshots: Option<u64>,
    /// Number of log entries between Raft snapshots (default 10000)
    #[arg(long, value_name = "uint", value_parser = uint64)]
    snapshot_interval: Option<u64>,
    /// Task history retention limit (default 5)
    #[arg(long, value_name = "int", value_parser = crate::grammar::int64)]
    task_history_limit: Option<i64>,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, mut flags: Flags) -> Result<(), Fault> {
    none(context, &std::mem::take(&mut flags.arguments))?;
    let autolock = flags.autolock;
    let request = request(flags)?;
    let client = context.client().await?;
    let node_id = client.init_swarm(&request).await.map_err(with_hint)?;
    context.io.line(format_args!("Swarm initialized: current node ({node_id}) is now a manager.\n"))?;
    if let Some(command) = join_command(&client, &node_id, true).await? {
        context.io.line(format_args!(
            "To add a worker to this swarm, run the following command:\n\n    {command}\n"
        ))?;
        context.io.line(
            "To add a manager to this swarm, run 'skep swarm join-token manager' and follow the instructions.",
        )?;
    }
    if autolock {
        let key = client.unlock_key().await?.unlock_key;
        context.io.text(&notice(&key))?;
    }
    Ok(())
}

fn request(flags: Flags) -> Result<InitRequest, Fault> {
    let availability = availability(flags.availability)?;
    let mut spec = SwarmSpec::default();
    spec.orchestration.task_history_retention_limit = flags.task_history_limit;
    spec.dispatcher.heartbeat_period = flags.dispatcher_heartbeat.unwrap_or(0);
    spec.ca_config.node_cert_expiry = flags.cert_expiry.unwrap_or(0);
    spec.ca_config.external_cas = flags.external_ca;
    spec.raft.keep_old_snapshots = flags.max_snapshots;
    spec.raft.snapshot_interval = flags.snapshot_interval.unwrap_or(0);
    spec.encryption_config.auto_lock_managers = flags.autolock;
    Ok(InitRequest {
        listen_addr: flags.listen_addr.unwrap_or_else(|| "0.0.0.0:2377".to_owned()),
        advertise_addr: flags.advertise_addr.unwrap_or_default(),
        data_path_addr: flags.data_path_addr.unwrap_or_default(),
        data_path_port: flags.data_path_port.unwrap_or(0),
        force_new_cluster: flags.force_new_cluster,
        spec,
        auto_lock_managers: flags.autolock,
        availability,
        default_addr_pool: flags.default_addr_pool.concat(),
        subnet_size: flags.default_addr_pool_mask_length.unwrap_or(24),
    })
}

/// Reads `--availability`; without one it is left to the daemon.
pub(super) fn availability(word: Option<String>) -> Result<String, Fault> {
    let Some(word) = word else { return Ok(String::new()) };
    let availability = word.to_lowercase();
    if !matches!(availability.as_str(), "active" | "pause" | "drain") {
        let text = format!("invalid availability {word:?}, only active, pause and drain are supported");
        return Err(Fault::new(text));
    }
    Ok(availability)
}

/// Names the flag that helps when the daemon cannot choose an address.
fn with_hint(error: skep_api::client::ClientError) -> Fault {
    let mut fault = Fault::from(error);
    let needs_address =
        ["could not choose an IP address to advertise", "could not find the system's IP address"];
    if needs_address.iter().any(|text| fault.text.contains(text)) {
        fault.text.push_str(" - specify one with --advertise-addr");
    }
    fault
}
