//! `volume prune`.

use clap::Args;
use skep_api::client::{Filters, Pruned};

use crate::commands::flags::collect;
use crate::commands::prune::confirm;
use crate::commands::{Condition, none};
use crate::context::Context;
use crate::fault::Fault;
use crate::format::decimal_bytes;
use crate::grammar::filter;

const ANONYMOUS: &str =
    "WARNING! This will remove anonymous local volumes not used by at least one container.";
const ALL: &str = "WARNING! This will remove all local volumes not used by at least one container.";

/// Remove unused local volumes
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS]")]
pub(crate) struct Flags {
    /// Remove all unused volumes, not just anonymous ones
    #[arg(short, long)]
    all: bool,
    /// Provide filter values (e.g. "label=<label>")
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
    let mut filters = collect(&filter);
    if all && filters.get("all").next().is_some() {
        return Err(Fault::new("conflicting options: cannot specify both --all and --filter all=1"));
    }
    if all {
        filters.add("all", "true");
    }
    if !force && !confirm(context, if all { ALL } else { ANONYMOUS }).await? {
        return Ok(());
    }
    let (text, reclaimed) = prune(context, &filters).await?;
    context.io.text(&text)?;
    Ok(context.io.line(format_args!("Total reclaimed space: {}", decimal_bytes(reclaimed as i64, 4)))?)
}

/// Removes volumes that nothing mounts; what was removed as text, and the bytes.
pub(crate) async fn prune(context: &mut Context, filters: &Filters) -> Result<(String, u64), Fault> {
    let Pruned { volumes_deleted, space_reclaimed, .. } =
        context.client().await?.prune_volumes(filters).await?;
    let mut text = String::new();
    if !volumes_deleted.is_empty() {
        text = format!("Deleted Volumes:\n{}\n\n", volumes_deleted.join("\n"));
    }
    Ok((text, space_reclaimed))
}
