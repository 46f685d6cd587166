//! `service rollback`.

use clap::Args;
use skep_api::client::UpdateOptions;

use super::warn;
use crate::commands::exactly_one;
use crate::context::Context;
use crate::fault::Fault;
use crate::progress::{self, Wait};

/// Revert changes to a service's configuration
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] SERVICE")]
pub(crate) struct Flags {
    /// Exit immediately instead of waiting for the service to converge
    #[arg(short, long)]
    detach: bool,
    /// Suppress progress output
    #[arg(short, long)]
    quiet: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { detach, quiet, arguments } = flags;
    let reference = exactly_one(context, arguments)?;
    let client = context.client().await?;
    let service = client.service(&reference, false).await?;
    let options = UpdateOptions { rollback: true, ..UpdateOptions::default() };
    let updated = client.update_service(&service.id, service.version, &service.spec, &options).await?;
    warn(context, updated.warnings)?;
    context.io.line(&reference)?;
    if detach {
        return Ok(());
    }
    progress::wait(context, Wait { service: &reference, quiet }).await
}
