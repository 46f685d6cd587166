//! `service ps`.

use clap::Args;
use skep_api::client::{Client, Filters};
use skep_api::wire::Service;

use crate::commands::flags::TaskListFlags;
use crate::commands::{at_least_one, task_table};
use crate::context::Context;
use crate::fault::Fault;

/// List the tasks of one or more services
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] SERVICE [SERVICE...]")]
pub(crate) struct Flags {
    #[command(flatten)]
    list: TaskListFlags,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { list, arguments } = flags;
    at_least_one(context, &arguments)?;
    let client = context.client().await?;
    let mut filters = list.filters();
    let faults = select(&client, &arguments, &mut filters).await?;
    if faults.len() == arguments.len() {
        return Fault::join(faults);
    }
    resolve_self(&client, &mut filters).await?;
    let tasks = client.tasks(&filters).await?;
    task_table::show(context, tasks, &list, list.no_trunc || list.quiet).await?;
    Fault::join(faults)
}

/// Narrows the list to the named services; a fault for each that does not exist.
async fn select(client: &Client, references: &[String], filters: &mut Filters) -> Result<Vec<Fault>, Fault> {
    let (mut by_id, mut by_name) = (Filters::default(), Filters::default());
    for reference in references {
        by_id.add("id", reference);
        by_name.add("name", reference);
    }
    let by_id = client.services(&by_id, false).await?;
    let by_name = client.services(&by_name, false).await?;
    let mut faults = Vec::new();
    for reference in references {
        match find(reference, &by_id, &by_name)? {
            Some(id) => filters.add("service", id),
            None => faults.push(Fault::new(format!("no such service: {reference}"))),
        }
    }
    Ok(faults)
}

/// A full id wins over a full name, a name over the beginning of an id.
fn find<'a>(reference: &str, by_id: &'a [Service], by_name: &'a [Service]) -> Result<Option<&'a str>, Fault> {
    let exact = by_id.iter().find(|service| service.id == reference);
    let exact = exact.or_else(|| by_name.iter().find(|service| service.spec.name == reference));
    if let Some(service) = exact {
        return Ok(Some(&service.id));
    }
    let mut prefixed = by_id.iter().filter(|service| service.id.starts_with(reference));
    match (prefixed.next(), prefixed.next()) {
        (Some(_), Some(_)) => {
            Err(Fault::new(format!("multiple services found with provided prefix: {reference}")))
        }
        (only, _) => Ok(only.map(|service| service.id.as_str())),
    }
}

/// Replaces `node=self` by the id of the node that answers.
async fn resolve_self(client: &Client, filters: &mut Filters) -> Result<(), Fault> {
    let nodes: Vec<String> = filters.get("node").map(str::to_owned).collect();
    if !nodes.iter().any(|node| node == "self") {
        return Ok(());
    }
    filters.remove("node");
    let own = client.info().await?.swarm.node_id;
    for node in nodes {
        filters.add("node", if node == "self" { &own } else { &node });
    }
    Ok(())
}
