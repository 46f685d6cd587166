//! `container prune`.

use clap::Args;
use skep_api::client::{Filters, Pruned};

use crate::commands::flags::collect;
use crate::commands::prune::confirm;
use crate::commands::{Condition, none};
use crate::context::Context;
use crate::fault::Fault;
use crate::format::decimal_bytes;
use crate::grammar::filter;

const WARNING: &str = "WARNING! This will remove all stopped containers.";

/// Remove all stopped containers
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS]")]
pub(crate) struct Flags {
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
    let Flags { filter, force, arguments } = flags;
    none(context, &arguments)?;
    if !force && !confirm(context, WARNING).await? {
        return Ok(());
    }
    let (text, reclaimed) = prune(context, &collect(&filter)).await?;
    context.io.text(&text)?;
    Ok(context.io.line(format_args!("Total reclaimed space: {}", decimal_bytes(reclaimed as i64, 4)))?)
}

/// Removes containers that do not run; what was removed as text, and the bytes.
pub(crate) async fn prune(context: &mut Context, filters: &Filters) -> Result<(String, u64), Fault> {
    let Pruned { containers_deleted, space_reclaimed, .. } =
        context.client().await?.prune_containers(filters).await?;
    let mut text = String::new();
    if !containers_deleted.is_empty() {
        text = format!("Deleted Containers:\n{}\n\n", containers_deleted.join("\n"));
    }
    Ok((text, space_reclaimed))
}
