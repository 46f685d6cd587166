//! `image prune`.

use clap::Args;
use skep_api::client::{Filters, Pruned};

use crate::commands::flags::collect;
use crate::commands::prune::confirm;
use crate::commands::{Condition, none};
use crate::context::Context;
use crate::fault::Fault;
use crate::format::decimal_bytes;
use crate::grammar::filter;

const DANGLING: &str = "WARNING! This will remove all dangling images.";
const ALL: &str = "WARNING! This will remove all images without at least one container associated to them.";

/// Remove unused images
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS]")]
pub(crate) struct Flags {
    /// Remove all unused images, not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Provide filter values (e.g. "until=<timestamp>")
    #[arg(long, value_name = "filter", value_parser = filter)]
    filter: Vec<Condition>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { all, filter, force, arguments } = flags;
    none(context, &arguments)?;
    if !force && !confirm(context, if all { ALL } else { DANGLING }).await? {
        return Ok(());
    }
    let (text, reclaimed) = prune(context, all, &collect(&filter)).await?;
    context.io.text(&text)?;
    Ok(context.io.line(format_args!("Total reclaimed space: {}", decimal_bytes(reclaimed as i64, 4)))?)
}

/// Removes images that nothing needs; what was removed as text, and the bytes.
pub(crate) async fn prune(
    context: &mut Context,
    all: bool,
    filters: &Filters,
) -> Result<(String, u64), Fault> {
    let mut filters = filters.clone();
    filters.add("dangling", (!all).to_string());
    let Pruned { images_deleted, space_reclaimed, .. } =
        context.client().await?.prune_images(&filters).await?;
    let mut text = String::new();
    if !images_deleted.is_empty() {
        let line = |image: &skep_api::client::ImageRemoved| match image.untagged.is_empty() {
            true => format!("deleted: {}\n", image.deleted),
            false => format!("untagged: {}\n", image.untagged),
        };
        text = format!("Deleted Images:\n{}\n", images_deleted.iter().map(line).collect::<String>());
    }
    Ok((text, space_reclaimed))
}
