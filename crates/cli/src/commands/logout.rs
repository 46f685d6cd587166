//! `logout`.

use clap::Args;

use super::at_most_one;
use super::login::registry_key;
use crate::context::Context;
use crate::credentials::{erase, is_known};
use crate::fault::Fault;

/// Log out from a registry
#[derive(Args, Debug)]
#[command(before_help = "[SERVER]", long_about = ABOUT)]
pub(crate) struct Flags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

const ABOUT: &str =
    "Log out from a registry.\nIf no server is specified, the default is defined by the daemon.";

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let registry = registry_key(at_most_one(context, flags.arguments)?.as_deref());
    let mut config = context.config()?.clone();
    if !is_known(&config, &registry) {
        return Ok(context.io.line(format_args!("Not logged in to {registry}"))?);
    }
    context.io.line(format_args!("Removing login credentials for {registry}"))?;
    Ok(erase(&mut config, &registry).await?)
}
