//! `swarm unlock`: opens a manager that waits for its key.

use std::io::Write;

use clap::Args;
use skep_api::wire::UnlockKey;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::commands::none;
use crate::context::Context;
use crate::fault::Fault;
use crate::terminal::Mode;

/// The longest key that is read.
const KEY_BYTES_MAX: u64 = 4096;

/// Unlock swarm
#[derive(Args, Debug)]
pub(crate) struct Flags {
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    none(context, &flags.arguments)?;
    let client = context.client().await?;
    // Nobody should look for a key that is not wanted.
    match client.info().await?.swarm.local_node_state.as_str() {
        "inactive" => return Err(Fault::new("Error: This node is not part of a swarm")),
        "locked" => {}
        _ => return Err(Fault::new("Error: swarm is not locked")),
    }
    let unlock_key = read_key(context).await?;
    Ok(client.unlock_swarm(&UnlockKey { unlock_key }).await?)
}

/// Asks a person without an echo, or reads the first line of a pipe.
async fn read_key(context: &mut Context) -> Result<String, Fault> {
    let failed = |error: std::io::Error| Fault::new(format!("cannot read the unlock key: {error}"));
    let silent = match context.io.input_is_terminal {
        true => {
            context.io.text("Enter unlock key: ")?;
            context.io.out.flush()?;
            Some(Mode::silent().map_err(failed)?)
        }
        false => None,
    };
    let mut key = String::new();
    BufReader::new(context.io.input().take(KEY_BYTES_MAX)).read_line(&mut key).await.map_err(failed)?;
    if silent.is_some() {
        context.io.line("")?;
    }
    Ok(key.trim().to_owned())
}
