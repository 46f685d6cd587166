//! `service rm`.

use clap::Args;

use crate::commands::{at_least_one, client_for};
use crate::context::Context;
use crate::fault::Fault;

/// Remove one or more services
#[derive(Args, Debug)]
#[command(before_help = "SERVICE [SERVICE...]")]
pub(crate) struct Flags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { arguments } = flags;
    at_least_one(context, &arguments)?;
    let client = client_for(context, &arguments).await?;
    let mut faults = Vec::new();
    for reference in &arguments {
        match client.remove_service(reference).await {
            Ok(()) => context.io.line(reference)?,
            Err(error) => faults.push(error.into()),
        }
    }
    Fault::join(faults)
}
