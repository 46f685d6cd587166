//! `context show`.

use clap::Args;

use crate::commands::none;
use crate::context::Context;
use crate::endpoint::context_name;
use crate::fault::Fault;

/// Print the name of the current context
#[derive(Args, Debug)]
pub(crate) struct Flags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    none(context, &flags.arguments)?;
    let name = context_name(context)?;
    Ok(context.io.line(name)?)
}
