//! `container exec`.

use clap::Args;
use skep_api::client::{ExecRequest, ExecStart};

use crate::commands::at_least_two;
use crate::context::Context;
use crate::fault::Fault;
use crate::grammar::env;
use crate::spec::Environment;
use crate::stream::{self, End, Session, detach_keys};
use crate::terminal;

/// Execute a command in a running container
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] CONTAINER COMMAND [ARG...]", after_help = "container exec, exec")]
pub(crate) struct Flags {
    /// Detached mode: run command in the background
    #[arg(short, long)]
    detach: bool,
    /// Override the key sequence for detaching a container
    #[arg(long = "detach-keys", value_name = "string", default_value = "")]
    detach_keys: String,
    /// Set environment variables
    #[arg(short, long, value_name = "list", value_parser = env)]
    env: Vec<String>,
    /// Read in a file of environment variables
    #[arg(long, value_name = "list")]
    env_file: Vec<String>,
    /// Keep STDIN open even if not attached
    #[arg(short, long)]
    interactive: bool,
    /// Give extended privileges to the command
    #[arg(long)]
    privileged: bool,
    /// Allocate a pseudo-TTY
    #[arg(short, long)]
    tty: bool,
    /// Username or UID (format: "<name|uid>[:<group|gid>]")
    #[arg(short, long, value_name = "string", default_value = "")]
    user: String,
    /// Working directory inside the container
    #[arg(short, long, value_name = "string", default_value = "")]
    workdir: String,
    #[arg(trailing_var_arg = true, hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    at_least_two(context, &flags.arguments)?;
    let Flags { detach, detach_keys: keys, env, env_file, interactive, .. } = flags;
    let Flags { privileged, tty, user, workdir, mut arguments, .. } = flags;
    let reference = arguments.remove(0);
    let keys = if keys.is_empty() { context.config()?.text("detachKeys").to_owned() } else { keys };
    let environment = Environment { variables: &context.env, read: |path| std::fs::read(path) };
    let request = ExecRequest {
        user,
        privileged,
        tty,
        console_size: console_size(tty),
        attach_stdin: interactive && !detach,
        attach_stdout: !detach,
        attach_stderr: !detach,
        detach_keys: keys.clone(),
        env: environment.collect(&env_file, &env)?,
        working_dir: workdir,
        cmd: arguments,
    };
    let client = context.client().await?;
    // The container is looked at first, so that its absence is told before anything about terminals.
    let container = client.container(&reference).await?.id;
    if request.attach_stdin && tty && !context.io.input_is_terminal {
        return Err(Fault::new("the input device is not a TTY")
            .hint("leave -t out when the input is a pipe or a file"));
    }
    // The daemon refuses what are no keys, in docker's words.
    let id = client.create_exec(&container, &request).await?;
    let session = Session { tty, interactive: request.attach_stdin, detach_keys: detach_keys(&keys)? };
    let start = ExecStart { detach, tty, console_size: request.console_size };
    if detach {
        return Ok(client.start_exec_detached(&id, start).await?);
    }
    let connection = client.start_exec(&id, start).await?;
    let end = stream::run(context, session, connection, |size| client.resize_exec(&id, size)).await?;
    if end == End::Detached {
        return Err(Fault::new("read escape sequence"));
    }
    match client.exec(&id).await?.exit_code {
        0 => Ok(()),
        code => Err(Fault::exit(code as u8)),
    }
}

fn console_size(tty: bool) -> Option<[u16; 2]> {
    terminal::size().filter(|_| tty).map(|size| [size.rows, size.columns])
}
