//! `container top`.

use clap::Args;

use crate::commands::at_least_one;
use crate::context::Context;
use crate::fault::Fault;
use crate::format::align_to;

/// Display columns that a column takes at least.
const WIDTH_MIN: usize = 20;

/// Display the running processes of a container
#[derive(Args, Debug)]
#[command(before_help = "CONTAINER [ps OPTIONS]", after_help = "container top, top")]
pub(crate) struct Flags {
    #[arg(trailing_var_arg = true, hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { mut arguments } = flags;
    at_least_one(context, &arguments)?;
    let reference = arguments.remove(0);
    let client = context.client().await?;
    let processes = client.top(&reference, &arguments.join(" ")).await?;
    let rows = std::iter::once(&processes.titles).chain(&processes.processes);
    let text: String = rows.map(|row| row.join("\t") + "\n").collect();
    Ok(context.io.text(&align_to(&text, WIDTH_MIN))?)
}
