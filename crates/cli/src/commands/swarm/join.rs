//! `swarm join`: makes this daemon a node of a cluster that exists.

use clap::Args;
use skep_api::wire::JoinRequest;

use super::init::availability;
use crate::commands::exactly_one;
use crate::context::Context;
use crate::fault::Fault;
use crate::grammar::listen_address;

/// Join a swarm as a node and/or manager
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] HOST:PORT")]
pub(crate) struct Flags {
    /// Advertised address (format: "<ip|interface>[:port]")
    #[arg(long, value_name = "string", default_value = "")]
    advertise_addr: String,
    /// Availability of the node ("active", "pause", "drain") (default "active")
    #[arg(long, value_name = "string")]
    availability: Option<String>,
    /// Address or interface to use for data path traffic (format: "<ip|interface>")
    #[arg(long, value_name = "string", default_value = "")]
    data_path_addr: String,
    /// Listen address (format: "<ip|interface>[:port]") (default 0.0.0.0:2377)
    #[arg(long, value_name = "node-addr", value_parser = listen_address, default_value = "0.0.0.0:2377")]
    listen_addr: String,
    /// Token for entry into the swarm
    #[arg(long, value_name = "string", default_value = "")]
    token: String,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { advertise_addr, availability: word, data_path_addr, listen_addr, token, arguments } = flags;
    let remote = exactly_one(context, arguments)?;
    let request = JoinRequest {
        listen_addr,
        advertise_addr,
        data_path_addr,
        remote_addrs: vec![remote],
        join_token: token,
        availability: availability(word)?,
    };
    let client = context.client().await?;
    client.join_swarm(&request).await?;
    let role = if client.info().await?.swarm.control_available { "manager" } else { "worker" };
    Ok(context.io.line(format_args!("This node joined a swarm as a {role}."))?)
}
