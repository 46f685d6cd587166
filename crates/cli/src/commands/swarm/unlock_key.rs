//! `swarm unlock-key`: what opens a locked manager.

use clap::Args;
use skep_api::client::Rotate;

use crate::commands::none;
use crate::context::Context;
use crate::fault::Fault;

/// Manage the unlock key
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS]")]
pub(crate) struct Flags {
    /// Only display token
    #[arg(short, long)]
    quiet: bool,
    /// Rotate unlock key
    #[arg(long)]
    rotate: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { quiet, rotate, arguments } = flags;
    none(context, &arguments)?;
    let client = context.client().await?;
    if rotate {
        let swarm = client.swarm().await?.cluster;
        if !swarm.spec.encryption_config.auto_lock_managers {
            return Err(Fault::new("cannot rotate because autolock is not turned on"));
        }
        let rotate = Rotate { unlock_key: true, ..Rotate::default() };
        client.update_swarm(swarm.version, &swarm.spec, rotate).await?;
        if !quiet {
            context.io.line("Successfully rotated manager unlock key.")?;
        }
    }
    let key = client.unlock_key().await.map_err(|error| {
        let fault = Fault::from(error);
        Fault { text: format!("could not fetch unlock key: {}", fault.text), ..fault }
    })?;
    match (key.unlock_key.as_str(), quiet) {
        ("", _) => Err(Fault::new("no unlock key is set")),
        (key, true) => Ok(context.io.line(key)?),
        (key, false) => Ok(context.io.text(&notice(key))?),
    }
}

/// What whoever turned autolock on has to know; nothing where there is no key.
pub(super) fn notice(key: &str) -> String {
    if key.is_empty() {
        return String::new();
    }
    format!(
        "To unlock a swarm manager after it restarts, run the `skep swarm unlock`\n\
         command and provide the following key:\n\n    {key}\n\n\
         Remember to store this key in a password manager, since without it you\n\
         will not be able to restart the manager.\n"
    )
}
