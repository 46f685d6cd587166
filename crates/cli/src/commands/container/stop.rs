//! `container stop`.

use clap::Args;

use crate::commands::{at_least_one, client_for};
use crate::context::Context;
use crate::fault::Fault;
use crate::grammar::int64;

/// Stop one or more running containers
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] CONTAINER [CONTAINER...]", after_help = "container stop, stop")]
pub(crate) struct Flags {
    /// Signal to send to the container
    #[arg(short, long, value_name = "string", default_value = "")]
    signal: String,
    /// Seconds to wait before killing the container
    #[arg(short, long, value_name = "int", value_parser = int64)]
    timeout: Option<i64>,
    /// The same, as it was called before docker 28
    #[arg(long, hide = true, value_name = "int", value_parser = int64)]
    time: Option<i64>,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { signal, timeout, time, arguments } = flags;
    if time.is_some() {
        // Compat: docker 28.2 says so on standard output.
        context.io.line("Flag --time has been deprecated, use --timeout instead")?;
    }
    at_least_one(context, &arguments)?;
    let client = client_for(context, &arguments).await?;
    let mut faults = Vec::new();
    for reference in &arguments {
        match client.stop_container(reference, &signal, timeout.or(time)).await {
            Ok(()) => context.io.line(reference)?,
            Err(error) => faults.push(error.into()),
        }
    }
    Fault::join(faults)
}
