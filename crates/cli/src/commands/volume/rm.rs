//! `volume rm`.

use clap::Args;

use crate::commands::{at_least_one, client_for};
use crate::context::Context;
use crate::fault::Fault;

/// Remove one or more volumes. You cannot remove a volume that is in use by a container.
#[derive(Args, Debug)]
#[command(
    before_help = "[OPTIONS] VOLUME [VOLUME...]",
    about = "Remove one or more volumes. You cannot remove a volume that is in use by a container."
)]
pub(crate) struct Flags {
    /// Force the removal of one or more volumes
    #[arg(short, long)]
    force: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { force, arguments } = flags;
    at_least_one(context, &arguments)?;
    let client = client_for(context, &arguments).await?;
    let mut faults = Vec::new();
    for name in &arguments {
        match client.remove_volume(name, force).await {
            Ok(()) => context.io.line(name)?,
            Err(error) => faults.push(error.into()),
        }
    }
    Fault::join(faults)
}
