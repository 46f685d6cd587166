//! `node inspect`.

use clap::Args;
use skep_api::wire::Node;

use super::pretty::pretty;
use super::resolve;
use crate::commands::inspect::{Inspection, check_format};
use crate::commands::{OBJECT_FORMAT_HELP, at_least_one};
use crate::context::Context;
use crate::fault::Fault;

/// Display detailed information on one or more nodes
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] self|NODE [NODE...]")]
pub(crate) struct Flags {
    #[arg(short, long, value_name = "string", default_value = "", help = OBJECT_FORMAT_HELP)]
    format: String,
    /// Print the information in a human friendly format
    #[arg(long)]
    pretty: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { mut format, pretty: is_pretty, arguments } = flags;
    at_least_one("node inspect", &arguments)?;
    if is_pretty {
        "pretty".clone_into(&mut format);
    }
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
        return inspection.show(context, &format, "swarm");
    }
    // Compat: docker 28.2 shows nothing in this form if anything is missing.
    Fault::join(inspection.faults)?;
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
