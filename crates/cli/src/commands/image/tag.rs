//! `image tag`.

use clap::Args;

use crate::commands::exactly_two;
use crate::context::Context;
use crate::fault::Fault;
use crate::format::Reference;

/// Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE
#[derive(Args, Debug)]
#[command(before_help = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", after_help = "image tag, tag")]
pub(crate) struct Flags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let (source, target) = exactly_two(context, flags.arguments)?;
    let malformed = |reason| {
        Fault::new(format!("Error parsing reference: {target:?} is not a valid repository/tag: {reason}"))
    };
    let name = Reference::read(&target).map_err(malformed)?;
    if name.digest().is_some() {
        return Err(Fault::new("refusing to create a tag with a digest reference"));
    }
    let name = name.with_default_tag();
    let client = context.client().await?;
    Ok(client.tag_image(&source, &name.full_name(), name.tag().unwrap_or_default()).await?)
}
