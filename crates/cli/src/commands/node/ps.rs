//! `node ps`.

use clap::Args;
use skep_api::wire::Task;

use super::resolve;
use crate::commands::task_table::{Names, Style, listing};
use crate::commands::{Condition, filters, show_list};
use crate::context::Context;
use crate::fault::Fault;
use crate::format::Format;
use crate::grammar::filter;

/// List tasks running on one or more nodes, defaults to current node
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] [NODE...]")]
pub(crate) struct Flags {
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "filter", value_parser = filter)]
    filter: Vec<Condition>,
    /// Pretty-print tasks using a Go template
    #[arg(long, value_name = "string", default_value = "")]
    format: String,
    /// Do not map IDs to Names
    #[arg(long)]
    no_resolve: bool,
    /// Do not truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Only display task IDs
    #[arg(short, long)]
    quiet: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { filter, format, no_resolve, no_trunc, quiet, mut arguments } = flags;
    if arguments.is_empty() {
        arguments.push("self".to_owned());
    }
    let filters = filters(filter);
    let mut tasks: Vec<Task> = Vec::new();
    let mut faults = Vec::new();
    for reference in &arguments {
        match tasks_of(context, reference, filters.clone()).await {
            Ok(found) => tasks.extend(found),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.len() == arguments.len() {
        return Fault::join(faults);
    }
    let client = context.client().await?;
    let names = if no_resolve || quiet { Names::default() } else { Names::resolve(&client, &tasks).await? };
    let mark_history = Format::parse(&format).is_table();
    let style = Style { no_trunc, mark_history, now: (context.now)() };
    show_list(context, &listing(tasks, &names, style), &format, quiet)?;
    Fault::join(faults)
}

async fn tasks_of(
    context: &mut Context,
    reference: &str,
    mut filters: skep_api::client::Filters,
) -> Result<Vec<Task>, Fault> {
    let client = context.client().await?;
    let node = client.node(&resolve(&client, reference).await?).await?;
    filters.add("node", node.id);
    Ok(client.tasks(&filters).await?)
}
