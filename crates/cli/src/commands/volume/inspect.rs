//! `volume inspect`.

use bytes::Bytes;
use clap::Args;

use crate::commands::at_least_one;
use crate::commands::flags::ObjectFlags;
use crate::commands::inspect::{RawInspection, check_raw_format};
use crate::context::Context;
use crate::fault::Fault;

/// Display detailed information on one or more volumes
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] VOLUME [VOLUME...]")]
pub(crate) struct Flags {
    #[command(flatten)]
    object: ObjectFlags,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { object: ObjectFlags { format }, arguments } = flags;
    at_least_one(context, &arguments)?;
    check_raw_format(&format)?;
    // Compat: so it is in docker 28.2 with volumes alone.
    let mut inspection = RawInspection::of_decoded();
    for name in &arguments {
        inspection.add("volume", look(context, name).await);
    }
    inspection.show(context, &format)
}

/// Everything about one volume.
pub(crate) async fn look(context: &mut Context, name: &str) -> Result<Bytes, Fault> {
    Ok(context.client().await?.inspect_volume(name).await?)
}
