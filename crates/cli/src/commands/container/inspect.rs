//! `container inspect`.

use bytes::Bytes;
use clap::Args;

use crate::commands::at_least_one;
use crate::commands::flags::ObjectFlags;
use crate::commands::inspect::{RawInspection, check_raw_format};
use crate::context::Context;
use crate::fault::Fault;

/// Display detailed information on one or more containers
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] CONTAINER [CONTAINER...]")]
pub(crate) struct Flags {
    #[command(flatten)]
    object: ObjectFlags,
    /// Display total file sizes
    #[arg(short, long)]
    size: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { object: ObjectFlags { format }, size, arguments } = flags;
    at_least_one(context, &arguments)?;
    check_raw_format(&format)?;
    let mut inspection = RawInspection::default();
    for reference in &arguments {
        inspection.add("container", look(context, reference, size).await);
    }
    inspection.show(context, &format)
}

/// Everything about one container.
pub(crate) async fn look(context: &mut Context, reference: &str, size: bool) -> Result<Bytes, Fault> {
    Ok(context.client().await?.inspect_container(reference, size).await?)
}
