//! `container diff`.

use clap::Args;

use crate::commands::exactly_one;
use crate::context::Context;
use crate::fault::Fault;

/// Inspect changes to files or directories on a container's filesystem
#[derive(Args, Debug)]
#[command(before_help = "CONTAINER", after_help = "container diff, diff")]
pub(crate) struct Flags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let reference = exactly_one(context, flags.arguments)?;
    let client = context.client().await?;
    for change in client.changes(&reference).await? {
        let kind = match change.kind {
            0 => "C",
            1 => "A",
            2 => "D",
            _ => "",
        };
        context.io.line(format_args!("{kind} {}", change.path))?;
    }
    Ok(())
}
