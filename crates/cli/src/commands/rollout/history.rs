//! `rollout history`.

use clap::Args;
use jiff::Timestamp;
use skep_api::wire::Revision;

use crate::commands::{LIST_FORMAT_HELP, exactly_one, show_list};
use crate::context::Context;
use crate::fault::Fault;
use crate::format::{Cell, Column, Format, Listing, short_id, since};

/// List the revisions of a service, the newest first
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS] SERVICE")]
pub(crate) struct Flags {
    #[arg(long, value_name = "string", default_value = "", hide_default_value = true, help = LIST_FORMAT_HELP)]
    format: String,
    /// Don't truncate digests
    #[arg(long)]
    no_trunc: bool,
    /// Only display the numbers
    #[arg(short, long)]
    quiet: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

const COLUMNS: &[Column] = &[
    Column { field: "Revision", heading: "REVISION" },
    Column { field: "Hash", heading: "HASH" },
    Column { field: "Image", heading: "IMAGE" },
    Column { field: "CreatedAt", heading: "CREATED" },
    Column { field: "Stable", heading: "STABLE" },
    Column { field: "Author", heading: "AUTHOR" },
    Column { field: "Reason", heading: "REASON" },
];

pub(crate) async fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { format, no_trunc, quiet, arguments } = flags;
    let reference = exactly_one(context, arguments)?;
    let revisions = context.client().await?.revisions(&reference).await?;
    let now = (context.now)();
    // Scripts get all of it.
    let no_trunc = no_trunc || !Format::parse(&format).is_table();
    let listing = Listing {
        type_name: "*rollout.revisionContext",
        columns: COLUMNS,
        key: "Revision",
        table: &["Revision", "Hash", "Image", "CreatedAt", "Stable", "Author", "Reason"],
        raw: &[("Revision", "revision"), ("Image", "image")],
        rows: revisions.iter().rev().map(|revision| row(revision, no_trunc, now)).collect(),
    };
    show_list(context, &listing, &format, quiet)
}

/// Returns an image with as much of its digest as people compare.
fn short(image: &str) -> String {
    match image.split_once("@sha256:") {
        Some((name, digits)) => format!("{name}@sha256:{}", short_id(digits)),
        None => image.to_owned(),
    }
}

fn row(revision: &Revision, no_trunc: bool, now: Timestamp) -> Vec<Cell> {
    let mark = if revision.is_current { " *" } else { "" };
    let ago = |then: Timestamp| format!("{} ago", since(then, now));
    vec![
        format!("{}{mark}", revision.number).into(),
        revision.hash.as_str().into(),
        if no_trunc { revision.image.clone() } else { short(&revision.image) }.into(),
        ago(revision.created_at.0).into(),
        match (revision.stable_at, revision.failed_at) {
            (Some(at), _) => ago(at.0).into(),
            (None, Some(_)) => "no (failed)".into(),
            (None, None) => "no".into(),
        },
        revision.author.as_str().into(),
        revision.reason.as_str().into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_digest_is_cut_and_the_rest_is_not() {
        let digest = "0123456789abcdef".repeat(4);
        assert_eq!(
            short(&format!("host:5000/redis:7@sha256:{digest}")),
            "host:5000/redis:7@sha256:0123456789ab"
        );
        assert_eq!(short("host:5000/redis:7"), "host:5000/redis:7");
    }
}
