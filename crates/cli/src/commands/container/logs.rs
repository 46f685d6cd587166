//! `container logs`.

use clap::Args;
use skep_api::client::{LogQuery, Stream};

use crate::commands::exactly_one;
use crate::context::Context;
use crate::fault::Fault;
use crate::grammar::instant;

/// Fetch the logs of a container
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] CONTAINER", after_help = "container logs, logs")]
pub(crate) struct Flags {
    /// Show extra details provided to logs
    #[arg(long)]
    details: bool,
    /// Follow log output
    #[arg(short, long)]
    follow: bool,
    /// Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
    #[arg(long, value_name = "string", default_value = "")]
    since: String,
    /// Number of lines to show from the end of the logs (default "all")
    #[arg(short = 'n', long, value_name = "string")]
    tail: Option<String>,
    /// Show timestamps
    #[arg(short, long)]
    timestamps: bool,
    /// Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)
    #[arg(long, value_name = "string", default_value = "")]
    until: String,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { details, follow, since, tail, timestamps, until, arguments } = flags;
    let reference = exactly_one(context, arguments)?;
    let client = context.client().await?;
    let container = client.container(&reference).await?;
    let now = (context.now)();
    let query = LogQuery {
        follow,
        timestamps,
        details,
        since: instant("since", &since, now)?,
        until: instant("until", &until, now)?,
        tail: tail.unwrap_or_else(|| "all".to_owned()),
    };
    let mut stream = client.container_logs(&container.id, &query, !container.config.tty).await?;
    while let Some(frame) = stream.next().await? {
        let out = match frame.stream {
            Stream::Stdout => &mut context.io.out,
            Stream::Stderr => &mut context.io.err,
        };
        out.write_all(&frame.payload)?;
        out.flush()?;
    }
    Ok(())
}
