//! `system prune`: containers, images, volumes if asked for.

use clap::Args;

use crate::commands::flags::collect;
use crate::commands::prune::confirm;
use crate::commands::{Condition, container, image, none, volume};
use crate::context::Context;
use crate::fault::Fault;
use crate::format::decimal_bytes;
use crate::grammar::filter;

/// Remove unused data
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS]")]
pub(crate) struct Flags {
    /// Remove all unused images not just dangling ones
    #[arg(short, long)]
    all: bool,
    /// Provide filter values (e.g. "label=<key>=<value>")
    #[arg(long, value_name = "filter", value_parser = filter)]
    filter: Vec<Condition>,
    /// Do not prompt for confirmation
    #[arg(short, long)]
    force: bool,
    /// Prune anonymous volumes
    #[arg(long)]
    volumes: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { all, filter, force, volumes, arguments } = flags;
    none(context, &arguments)?;
    let filters = collect(&filter);
    if volumes && filters.get("until").next().is_some() {
        return Err(Fault::new("ERROR: The \"until\" filter is not supported with \"--volumes\""));
    }
    if !force && !confirm(context, &warning(all, volumes, &filters)).await? {
        return Ok(());
    }
    let mut total = container::prune_all(context, &filters).await.and_then(|done| show(context, done))?;
    let networks = context.client().await?.prune_networks(&filters).await?;
    if !networks.networks_deleted.is_empty() {
        context.io.text(&format!("Deleted Networks:\n{}\n\n", networks.networks_deleted.join("\n")))?;
    }
    if volumes {
        total += volume::prune_all(context, &filters).await.and_then(|done| show(context, done))?;
    }
    total += image::prune_all(context, all, &filters).await.and_then(|done| show(context, done))?;
    let cache = context.client().await?.prune_builds(all, &filters).await?;
    if !cache.caches_deleted.is_empty() {
        context.io.text(&format!("Deleted build cache objects:\n{}\n", cache.caches_deleted.join("\n")))?;
    }
    total += cache.space_reclaimed;
    Ok(context.io.line(format_args!("Total reclaimed space: {}", decimal_bytes(total as i64, 4)))?)
}

fn show(context: &mut Context, (text, bytes): (String, u64)) -> Result<u64, Fault> {
    context.io.text(&text)?;
    Ok(bytes)
}

fn warning(all: bool, volumes: bool, filters: &skep_api::client::Filters) -> String {
    let mut lines = vec![
        "WARNING! This will remove:".to_owned(),
        "  - all stopped containers".to_owned(),
        "  - all networks not used by at least one container".to_owned(),
    ];
    if volumes {
        lines.push("  - all anonymous volumes not used by at least one container".to_owned());
    }
    lines.push(match all {
        true => "  - all images without at least one container associated to them".to_owned(),
        false => "  - all dangling images".to_owned(),
    });
    lines.push(match all {
        true => "  - all build cache".to_owned(),
        false => "  - unused build cache".to_owned(),
    });
    let conditions: Vec<String> = filters
        .iter()
        .flat_map(|(key, values)| values.map(|value| format!("{key}={value}")).collect::<Vec<_>>())
        .collect();
    if !conditions.is_empty() {
        lines.push(String::new());
        lines.push("  Items to be pruned will be filtered with:".to_owned());
        lines.extend(conditions.iter().map(|condition| format!("  - {condition}")));
    }
    lines.push(String::new());
    lines.join("\n")
}
