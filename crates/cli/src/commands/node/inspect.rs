//! `node inspect`.

use clap::Args;
use skep_api::wire::Node;

use super::pretty::pretty;
use super::resolve;
use crate::commands::at_least_one;
use crate::commands::flags::InspectFlags;
use crate::commands::inspect::{Inspection, check_format};
use crate::context::Context;
use crate::fault::Fault;

/// Display detailed information on one or more nodes
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] self|NODE [NODE...]")]
pub(crate) struct Flags {
    #[command(flatten)]
    inspect: InspectFlags,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { inspect, arguments } = flags;
    at_least_one(context, &arguments)?;
    let format = inspect.merged();
    if format.starts_with("pretty") && format != "pretty" {
        return Err(Fault::new("cannot supply extra formatting options to the pretty template"));
    }
    check_format(&format)?;
    let mut inspection = Inspection { found: Vec::new(), faults: Vec::new() };
    for reference in &arguments {
        match look(context, reference).await {
            Ok(node) => inspection.found.push(node),
            Err(fault) => inspection.faults.push(fault),
        }
    }
    if format != "pretty" {
        return inspection.show(context, &format, "node");
    }
    // Compat: docker 28.2 shows nothing in this form if anything is missing, and says what is missing first.
    inspection.faults.into_iter().next().map_or(Ok(()), Err)?;
    for node in &inspection.found {
        context.io.text(&pretty(node))?;
    }
    Ok(())
}

async fn look(context: &mut Context, reference: &str) -> Result<Node, Fault> {
    let client = context.client().await?;
    let id = resolve(&client, reference).await?;
    Ok(client.node(&id).await?)
}
