//! `image inspect`.

use bytes::Bytes;
use clap::Args;

use super::history::bare_platform_json;
use crate::commands::at_least_one;
use crate::commands::flags::ObjectFlags;
use crate::commands::inspect::{RawInspection, check_raw_format};
use crate::context::Context;
use crate::fault::Fault;

/// Display detailed information on one or more images
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] IMAGE [IMAGE...]")]
pub(crate) struct Flags {
    #[command(flatten)]
    object: ObjectFlags,
    #[arg(long, value_name = "string", default_value = "", help = PLATFORM_HELP)]
    platform: String,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

const PLATFORM_HELP: &str = "Inspect a specific platform of the multi-platform image.
If the image or the server is not multi-platform capable, the command will error out if the platform does not match.
'os[/arch[/variant]]': Explicit platform (eg. linux/amd64)";

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { object: ObjectFlags { format }, platform, arguments } = flags;
    at_least_one(context, &arguments)?;
    check_raw_format(&format)?;
    let platform = bare_platform_json(&platform)?;
    let mut inspection = RawInspection::default();
    for reference in &arguments {
        inspection.add("image", look(context, reference, &platform).await);
    }
    inspection.show(context, &format)
}

/// Everything about one image.
pub(crate) async fn look(context: &mut Context, reference: &str, platform: &str) -> Result<Bytes, Fault> {
    Ok(context.client().await?.inspect_image(reference, platform).await?)
}
