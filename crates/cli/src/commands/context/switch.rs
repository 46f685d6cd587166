//! `context use`.

use clap::Args;
use serde_json::json;

use super::{check_name, store};
use crate::commands::exactly_one;
use crate::context::Context;
use crate::fault::Fault;
use crate::store::DEFAULT;

/// Set the current context
#[derive(Args, Debug)]
#[command(before_help = "CONTEXT", about = "Set the current docker context")]
pub(crate) struct Flags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let name = exactly_one(context, flags.arguments)?;
    if name != DEFAULT {
        check_name(&name)?;
        store(context).get(&name)?;
    }
    let mut config = context.config()?.clone();
    config.set("currentContext", (name != DEFAULT).then(|| json!(name)));
    config.write()?;
    context.io.line(&name)?;
    context.io.warn(format_args!("Current context is now {name:?}"))?;
    for variable in ["SKEP_HOST", "DOCKER_HOST"] {
        if name != DEFAULT && context.variable(variable).is_some() {
            context.io.warn(format_args!(
                "Warning: {variable} environment variable overrides the active context. To use {name:?}, either set \
                 the global --context flag, or unset {variable} environment variable."
            ))?;
            break;
        }
    }
    Ok(())
}
