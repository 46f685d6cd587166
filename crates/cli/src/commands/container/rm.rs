//! `container rm`.

use clap::Args;

use crate::commands::{at_least_one, client_for};
use crate::context::Context;
use crate::fault::Fault;

/// Remove one or more containers
#[derive(Args, Debug)]
#[command(
    before_help = "[OPTIONS] CONTAINER [CONTAINER...]",
    after_help = "container rm, container remove, rm"
)]
pub(crate) struct Flags {
    /// Force the removal of a running container (uses SIGKILL)
    #[arg(short, long)]
    force: bool,
    /// Remove the specified link
    #[arg(short, long)]
    link: bool,
    /// Remove anonymous volumes associated with the container
    #[arg(short, long)]
    volumes: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { force, link, volumes, arguments } = flags;
    at_least_one(context, &arguments)?;
    if link {
        return Err(Fault::new("--link is not supported: containers of Skep have no links"));
    }
    let client = client_for(context, &arguments).await?;
    let mut faults = Vec::new();
    for reference in &arguments {
        match client.remove_container(reference, force, volumes).await {
            Ok(()) => context.io.line(reference)?,
            // Compat: docker 28.2 does not mind a container that is gone when forced.
            Err(error) if force && error.is_not_found() => context.io.warn(error)?,
            Err(error) => faults.push(error.into()),
        }
    }
    Fault::join(faults)
}
