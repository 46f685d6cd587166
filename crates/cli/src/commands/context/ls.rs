//! `context ls`.

use clap::Args;

use super::store;
use crate::commands::{LIST_FORMAT_HELP, none, show_list};
use crate::context::Context;
use crate::endpoint::{context_name, default_host};
use crate::fault::Fault;
use crate::format::{Cell, Column, Format, Listing, ellipsis};
use crate::store::{DEFAULT, Stored};

/// How many display columns an error takes.
const ERROR_COLUMNS: usize = 45;

/// List contexts
#[derive(Args, Debug)]
#[command(before_help = "[OPTIONS]")]
pub(crate) struct Flags {
    #[arg(long, value_name = "string", default_value = "", help = LIST_FORMAT_HELP)]
    format: String,
    /// Only show context names
    #[arg(short, long)]
    quiet: bool,
    #[arg(hide = true)]
    arguments: Vec<String>,
}

const COLUMNS: &[Column] = &[
    Column { field: "Current", heading: "CURRENT" },
    Column { field: "Name", heading: "NAME" },
    Column { field: "Description", heading: "DESCRIPTION" },
    Column { field: "DockerEndpoint", heading: "DOCKER ENDPOINT" },
    Column { field: "Error", heading: "ERROR" },
];

/// Docker's default table: the context in use is marked.
const TABLE: &str =
    "table {{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}";

pub(crate) fn run(context: &mut Context, flags: Flags) -> Result<(), Fault> {
    let Flags { format, quiet, arguments } = flags;
    none(context, &arguments)?;
    let current = context_name(context)?;
    let mut contexts = store(context).list()?;
    contexts.insert(
        0,
        Stored {
            name: DEFAULT.to_owned(),
            description: "Current SKEP_HOST or DOCKER_HOST based configuration".to_owned(),
            host: default_host(context)?,
            ..Stored::default()
        },
    );
    let is_missing = !contexts.iter().any(|known| known.name == current);
    let mut rows: Vec<Vec<Cell>> = contexts.iter().map(|known| row(known, &current, "")).collect();
    if is_missing {
        let lost = Stored { name: current.clone(), ..Stored::default() };
        rows.push(row(&lost, &current, "context not found"));
    }
    let listing = Listing {
        type_name: "*formatter.clientContextContext",
        columns: COLUMNS,
        key: "Name",
        table: &["Name", "Description", "DockerEndpoint", "Error"],
        raw: &[],
        rows,
    };
    let is_default = Format::parse(&format) == Format::Table && !quiet;
    show_list(context, &listing, if is_default { TABLE } else { &format }, quiet)?;
    for variable in ["SKEP_HOST", "DOCKER_HOST"] {
        if !quiet && format.is_empty() && context.variable(variable).is_some() {
            context.io.warn(format_args!(
                "Warning: {variable} environment variable overrides the active context. To use a context, either set \
                 the global --context flag, or unset {variable} environment variable."
            ))?;
            break;
        }
    }
    Ok(())
}

fn row(stored: &Stored, current: &str, error: &str) -> Vec<Cell> {
    vec![
        (stored.name == current).into(),
        stored.name.as_str().into(),
        stored.description.as_str().into(),
        stored.host.as_str().into(),
        ellipsis(error, ERROR_COLUMNS).into(),
    ]
}
