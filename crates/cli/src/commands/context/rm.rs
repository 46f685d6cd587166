//! `context rm`.

use clap::Args;

use super::store;
use crate::commands::at_least_one;
use crate::context::Context;
use crate::endpoint::context_name;
use crate::fault::Fault;
use crate::store::DEFAULT;

/// Remove one or more contexts
#[derive(Args, Debug)]
#[command(before_help = "CONTEXT [CONTEXT...]")]
pub(crate) struct Flags {
    /// Force the removal of a context in use
    #[arg(short, long)]
    force: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { force, arguments } = flags;
    at_least_one(context, &arguments)?;
    let current = context_name(context)?;
    let mut faults = Vec::new();
    for name in &arguments {
        match remove(context, name, &current, force) {
            Ok(()) => context.io.line(name)?,
            Err(fault) => faults.push(fault),
        }
    }
    Fault::join(faults)
}

fn remove(context: &Context, name: &str, current: &str, force: bool) -> Result<(), Fault> {
    if name == DEFAULT {
        return Err(Fault::new("context \"default\" cannot be removed"));
    }
    let store = store(context);
    if !force {
        store.get(name).map_err(|_| Fault::new(format!("context {name:?} does not exist")))?;
    }
    if name == current {
        if !force {
            return Err(Fault::new(format!("context {name:?} is in use, set -f flag to force remove")));
        }
        let mut config = context.config()?.clone();
        config.set("currentContext", None);
        config.write()?;
    }
    Ok(store.remove(name)?)
}
