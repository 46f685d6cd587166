//! `image rm`.

use clap::Args;

use crate::commands::{at_least_one, client_for};
use crate::context::Context;
use crate::fault::Fault;

/// Remove one or more images
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] IMAGE [IMAGE...]", after_help = "image rm, image remove, rmi")]
pub(crate) struct Flags {
    /// Force removal of the image
    #[arg(short, long)]
    force: bool,
    /// Do not delete untagged parents
    #[arg(long)]
    no_prune: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { force, no_prune, arguments } = flags;
    at_least_one(context, &arguments)?;
    let client = client_for(context, &arguments).await?;
    let mut faults = Vec::new();
    for reference in &arguments {
        match client.remove_image(reference, force, no_prune).await {
            Ok(removed) => {
                for one in removed {
                    match one.deleted.is_empty() {
                        true => context.io.line(format_args!("Untagged: {}", one.untagged))?,
                        false => context.io.line(format_args!("Deleted: {}", one.deleted))?,
                    }
                }
            }
            // Compat: docker 28.2 does not mind an image that is gone when forced.
            Err(error) if force && error.is_not_found() => context.io.warn(error)?,
            Err(error) => faults.push(error.into()),
        }
    }
    Fault::join(faults)
}
