//! `container wait`.

use clap::Args;

use crate::commands::{at_least_one, client_for};
use crate::context::Context;
use crate::fault::Fault;

/// Block until one or more containers stop, then print their exit codes
#[derive(Args, Debug)]
#[command(before_help = "CONTAINER [CONTAINER...]", after_help = "container wait, wait")]
pub(crate) struct Flags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { arguments } = flags;
    at_least_one(context, &arguments)?;
    let client = client_for(context, &arguments).await?;
    let mut faults = Vec::new();
    for reference in &arguments {
        match client.wait_container(reference, false).await {
            Ok(answer) => {
                faults.extend(answer.error.map(|error| Fault::new(error.message)));
                context.io.line(answer.status_code)?;
            }
            Err(error) => faults.push(error.into()),
        }
    }
    Fault::join(faults)
}
