//! `service inspect`.

use std::collections::BTreeMap;

use clap::Args;
use skep_api::client::Client;
use skep_api::wire::Service;

use super::pretty::pretty;
use crate::commands::at_least_one;
use crate::commands::flags::InspectFlags;
use crate::commands::inspect::{Inspection, check_format};
use crate::context::Context;
use crate::fault::Fault;

/// Display detailed information on one or more services
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] SERVICE [SERVICE...]")]
pub(crate) struct Flags {
    #[command(flatten)]
    inspect: InspectFlags,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { inspect, arguments } = flags;
    at_least_one(context, &arguments)?;
    let Some(mut format) = inspect.exclusive() else {
        return Err(Fault::new("--format is incompatible with human friendly format"));
    };
    if format.is_empty() {
        context.config()?.text("serviceInspectFormat").clone_into(&mut format);
    }
    if format.starts_with("pretty") && format != "pretty" {
        return Err(Fault::new("Cannot supply extra formatting options to the pretty template"));
    }
    check_format(&format)?;
    let mut inspection = Inspection { found: Vec::new(), faults: Vec::new() };
    for reference in &arguments {
        match look(context, reference).await {
            Ok(service) => inspection.found.push(service),
            Err(fault) if fault.is_absence => {
                inspection.faults.push(Fault::new(format!("Error: no such service: {reference}")));
            }
            Err(fault) => inspection.faults.push(fault),
        }
    }
    if format != "pretty" {
        return inspection.show(context, &format, "service");
    }
    // Compat: docker 28.2 shows nothing in this form if anything is missing, and says what is missing first.
    inspection.faults.into_iter().next().map_or(Ok(()), Err)?;
    let client = context.client().await?;
    for service in &inspection.found {
        let networks = network_names(&client, service).await?;
        let text = pretty(service, &networks, (context.now)());
        context.io.text(&text)?;
    }
    Ok(())
}

async fn look(context: &mut Context, reference: &str) -> Result<Service, Fault> {
    Ok(context.client().await?.service(reference, true).await?)
}

/// The names of the networks of a service, by id. What cannot be found keeps its id.
async fn network_names(client: &Client, service: &Service) -> Result<BTreeMap<String, String>, Fault> {
    let mut names = BTreeMap::new();
    let spec = &service.spec;
    for network in spec.task_template.networks.iter().chain(&spec.networks) {
        match client.swarm_network(&network.target).await {
            Ok(found) => names.insert(network.target.clone(), found.name),
            Err(error) if error.is_not_found() => None,
            Err(error) => return Err(error.into()),
        };
    }
    Ok(names)
}
