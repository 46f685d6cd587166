//! `node ps`.

use clap::Args;
use skep_api::wire::Task;

use super::resolve;
use crate::commands::flags::TaskListFlags;
use crate::commands::task_table;
use crate::context::Context;
use crate::fault::Fault;

/// List tasks running on one or more nodes, defaults to current node
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] [NODE...]")]
pub(crate) struct Flags {
    #[command(flatten)]
    list: TaskListFlags,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { list, mut arguments } = flags;
    if arguments.is_empty() {
        arguments.push("self".to_owned());
    }
    let filters = list.filters();
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
    task_table::show(context, tasks, &list, list.no_trunc).await?;
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
