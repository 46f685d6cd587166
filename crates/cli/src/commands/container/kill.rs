//! `container kill`.

use clap::Args;

use crate::commands::{at_least_one, client_for};
use crate::context::Context;
use crate::fault::Fault;

/// Kill one or more running containers
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] CONTAINER [CONTAINER...]", after_help = "container kill, kill")]
pub(crate) struct Flags {
    /// Signal to send to the container
    #[arg(short, long, value_name = "string", default_value = "")]
    signal: String,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { signal, arguments } = flags;
    at_least_one(context, &arguments)?;
    let client = client_for(context, &arguments).await?;
    let mut faults = Vec::new();
    for reference in &arguments {
        match client.kill_container(reference, &signal).await {
            Ok(()) => context.io.line(reference)?,
            Err(error) => faults.push(error.into()),
        }
    }
    Fault::join(faults)
}
