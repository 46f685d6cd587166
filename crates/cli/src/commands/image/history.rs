//! `image history`.

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use skep_api::client::HistoryStep;

use crate::commands::{LIST_FORMAT_HELP, exactly_one, show_list};
use crate::context::Context;
use crate::fault::Fault;
use crate::format::{Cell, Column, Listing, decimal_bytes, ellipsis, short_digest, since};
use crate::grammar::{boolean, platform};

/// How many display columns a command takes.
const COMMAND_COLUMNS: usize = 45;

/// Show the history of an image
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] IMAGE", after_help = "image history, history")]
pub(crate) struct Flags {
    #[arg(long, value_name = "string", default_value = "", help = LIST_FORMAT_HELP)]
    format: String,
    /// Print sizes and dates in human readable format (default true)
    #[arg(short = 'H', long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = boolean)]
    human: Option<bool>,
    /// Don't truncate output
    #[arg(long)]
    no_trunc: bool,
    /// Show history for the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")
    #[arg(long, value_name = "string", default_value = "")]
    platform: String,
    /// Only show image IDs
    #[arg(short, long)]
    quiet: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

const COLUMNS: &[Column] = &[
    Column { field: "ID", heading: "IMAGE" },
    Column { field: "CreatedAt", heading: "CREATED AT" },
    Column { field: "CreatedSince", heading: "CREATED" },
    Column { field: "CreatedBy", heading: "CREATED BY" },
    Column { field: "Size", heading: "SIZE" },
    Column { field: "Comment", heading: "COMMENT" },
];

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { format, human, no_trunc, platform, quiet, arguments } = flags;
    let reference = exactly_one(context, arguments)?;
    let client = context.client().await?;
    let steps = client.image_history(&reference, &platform_json(&platform)?).await?;
    let (human, now) = (human.unwrap_or(true), (context.now)());
    let created = if human { "CreatedSince" } else { "CreatedAt" };
    let listing = Listing {
        type_name: "*image.historyContext",
        columns: COLUMNS,
        key: "ID",
        table: if created == "CreatedSince" { HUMAN } else { EXACT },
        raw: &[],
        rows: steps.iter().map(|step| row(step, human, no_trunc, now)).collect(),
    };
    show_list(context, &listing, &format, quiet)
}

const HUMAN: &[&str] = &["ID", "CreatedSince", "CreatedBy", "Size", "Comment"];
const EXACT: &[&str] = &["ID", "CreatedAt", "CreatedBy", "Size", "Comment"];

fn row(step: &HistoryStep, human: bool, no_trunc: bool, now: Timestamp) -> Vec<Cell> {
    let created_at = Timestamp::from_second(step.created).unwrap_or(now);
    let exact = created_at.to_zoned(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    let exact = exact.replace("+00:00", "Z");
    let ago = match (human, step.created) {
        (false, _) => exact.clone(),
        (true, ..=0) => "N/A".to_owned(),
        (true, _) => format!("{} ago", since(created_at, now)),
    };
    let command = step.created_by.replace('\t', " ");
    let size = if human { decimal_bytes(step.size, 3) } else { step.size.to_string() };
    vec![
        if no_trunc { step.id.as_str() } else { short_digest(&step.id) }.into(),
        exact.into(),
        ago.into(),
        if no_trunc { command } else { ellipsis(&command, COMMAND_COLUMNS) }.into(),
        size.into(),
        step.comment.as_str().into(),
    ]
}

/// `linux/arm64/v8` as the JSON that the daemon wants; empty stays empty.
pub(super) fn platform_json(text: &str) -> Result<String, Fault> {
    bare_platform_json(text).map_err(|fault| fault.about("invalid platform"))
}

/// The same with a refusal that does not say what it is about.
pub(super) fn bare_platform_json(text: &str) -> Result<String, Fault> {
    if text.is_empty() { Ok(String::new()) } else { Ok(serde_json::to_string(&platform(text)?)?) }
}
