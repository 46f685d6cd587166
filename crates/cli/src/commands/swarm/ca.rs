//! `swarm ca`: the certificate that every node of the cluster trusts.

use clap::Args;

use crate::commands::none;
use crate::context::Context;
use crate::fault::Fault;

/// Display and rotate the root CA
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS]", about = "Display the root CA")]
pub(crate) struct Flags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    none(context, &flags.arguments)?;
    let swarm = context.client().await?.swarm().await?;
    match swarm.cluster.tls_info.trust_root.trim() {
        "" => Err(Fault::new("No CA information available")),
        certificate => Ok(context.io.line(certificate)?),
    }
}
