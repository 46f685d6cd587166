//! `container attach`.

use clap::Args;
use skep_api::client::{AttachOptions, ContainerDetails};

use crate::commands::exactly_one;
use crate::context::Context;
use crate::fault::Fault;
use crate::grammar::boolean;
use crate::stream::{self, End, Session, detach_keys};

/// Attach local standard input, output, and error streams to a running container
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] CONTAINER", after_help = "container attach, attach")]
pub(crate) struct Flags {
    /// Override the key sequence for detaching a container
    #[arg(long = "detach-keys", value_name = "string", default_value = "")]
    detach_keys: String,
    /// Do not attach STDIN
    #[arg(long)]
    no_stdin: bool,
    /// Proxy all received signals to the process (default true)
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    sig_proxy: Option<bool>,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { detach_keys: keys, no_stdin, sig_proxy, arguments } = flags;
    let reference = exactly_one(context, arguments)?;
    let client = context.client().await?;
    let container = client.container(&reference).await?;
    check_state(&container)?;
    let (tty, interactive) = (container.config.tty, !no_stdin && container.config.open_stdin);
    if tty && interactive && !context.io.input_is_terminal {
        return Err(Fault::new("the input device is not a TTY"));
    }
    let keys = if keys.is_empty() { context.config()?.text("detachKeys").to_owned() } else { keys };
    let options = AttachOptions { stdin: interactive, detach_keys: keys.clone() };
    // The daemon refuses what are no keys, in docker's words.
    let connection = client.attach(&container.id, &options).await?;
    let session = Session { tty, interactive, detach_keys: detach_keys(&keys)? };
    let interrupt = std::rc::Rc::clone(&context.interrupt);
    let held = (sig_proxy.unwrap_or(true) && !tty).then(|| interrupt.hold());
    let streaming =
        stream::run(context, session, connection, |size| client.resize_container(&container.id, size));
    tokio::pin!(streaming);
    let end = loop {
        tokio::select! {
            end = &mut streaming => break end?,
            () = async { held.as_ref().expect("checked before").next().await }, if held.is_some() => {
                client.kill_container(&container.id, "INT").await?;
            }
        }
    };
    if end == End::Detached {
        return Err(Fault::new("read escape sequence"));
    }
    drop(held);
    // The container may live on without its output; then there is nothing to wait for.
    if client.container(&container.id).await?.state.running {
        return Ok(());
    }
    match client.wait_container(&container.id, false).await?.status_code {
        0 => Ok(()),
        code => Err(Fault::exit(code as u8)),
    }
}

fn check_state(container: &ContainerDetails) -> Result<(), Fault> {
    let state = &container.state;
    let text = match () {
        () if !state.running => "You cannot attach to a stopped container, start it first",
        () if state.paused => "You cannot attach to a paused container, unpause it first",
        () if state.restarting => "You cannot attach to a restarting container, wait until it is running",
        () => return Ok(()),
    };
    Err(Fault::new(text))
}
