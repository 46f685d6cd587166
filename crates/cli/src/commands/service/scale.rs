//! `service scale`.

use clap::Args;
use skep_api::client::UpdateOptions;
use skep_api::wire::ServiceMode;

use super::warn;
use crate::commands::at_least_one;
use crate::context::Context;
use crate::fault::Fault;
use crate::grammar::uint64_decimal;
use crate::progress::{self, Wait};

/// Scale one or multiple replicated services
#[derive(Args, Debug)]
#[command(before_help = "SERVICE=REPLICAS [SERVICE=REPLICAS...]")]
pub(crate) struct Flags {
    /// Exit immediately instead of waiting for the service to converge
    #[arg(short, long)]
    detach: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { detach, arguments } = flags;
    at_least_one(context, &arguments)?;
    let targets = arguments.iter().map(|argument| parse(argument)).collect::<Result<Vec<_>, Fault>>()?;
    let mut scaled = Vec::new();
    let mut faults = Vec::new();
    for (service, replicas) in targets {
        match scale(context, service, replicas).await {
            Ok(()) => scaled.push(service),
            Err(fault) => faults.push(fault.about(service)),
        }
    }
    for service in scaled.into_iter().filter(|_| !detach) {
        if let Err(fault) = progress::wait(context, Wait { service, quiet: false }).await {
            faults.push(fault.about(service));
        }
    }
    Fault::join(faults)
}

fn parse(argument: &str) -> Result<(&str, &str), Fault> {
    argument.split_once('=').filter(|(_, replicas)| !replicas.is_empty()).ok_or_else(|| {
        Fault::new(format!(
            "invalid scale specifier '{argument}'.\nSee 'skep service scale --help'.\n\n\
             Usage:  skep service scale SERVICE=REPLICAS [SERVICE=REPLICAS...]\n\n\
             Scale one or multiple replicated services"
        ))
    })
}

async fn scale(context: &mut Context, reference: &str, replicas: &str) -> Result<(), Fault> {
    let count = uint64_decimal(replicas)
        .map_err(|error| Fault::new(format!("invalid replicas value {replicas}: {error}")))?;
    let client = context.client().await?;
    let mut service = client.service(reference, false).await?;
    match &mut service.spec.mode {
        ServiceMode { replicated: Some(mode), .. } => mode.replicas = Some(count),
        ServiceMode { replicated_job: Some(mode), .. } => mode.total_completions = Some(count),
        _ => return Err(Fault::new("scale can only be used with replicated or replicated-job mode")),
    }
    let options = UpdateOptions::default();
    let updated = client.update_service(&service.id, service.version, &service.spec, &options).await?;
    warn(context, updated.warnings)?;
    Ok(context.io.line(format_args!("{reference} scaled to {replicas}"))?)
}
