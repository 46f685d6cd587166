//! The commands, one file each: flags whose doc comments are the help, and a `run` function.
//!
//! What several commands do alike is here: counting arguments, filters, `--format`, `inspect`.

pub(crate) mod flags;
pub(crate) mod info;
pub(crate) mod init;
mod inspect;
pub(crate) mod node;
pub(crate) mod service;
pub(crate) mod swarm;
mod task_table;
pub(crate) mod version;

use crate::context::Context;
use crate::fault::{Fault, Trailer};
use crate::format::{Format, Listing};

/// One `--filter`.
pub(crate) type Condition = Option<(String, String)>;

/// The help of `--format` for lists.
pub(crate) const LIST_FORMAT_HELP: &str = "Format output using a custom template:
'table':            Print output in table format with column headers (default)
'table TEMPLATE':   Print output in table format using the given Go template
'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates";

/// The help of `--format` for single objects.
pub(crate) const OBJECT_FORMAT_HELP: &str = "Format output using a custom template:
'json':             Print in JSON format
'TEMPLATE':         Print output using the given Go template.
Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates";

/// Takes the only argument of a command.
pub(crate) fn exactly_one(path: &str, arguments: Vec<String>) -> Result<String, Fault> {
    match <[String; 1]>::try_from(arguments) {
        Ok([argument]) => Ok(argument),
        Err(_) => Err(Fault::usage(format!("skep: 'skep {path}' requires 1 argument"), Trailer::Run)),
    }
}

/// Refuses a command without arguments.
pub(crate) fn at_least_one(path: &str, arguments: &[String]) -> Result<(), Fault> {
    match arguments {
        [] => Err(Fault::usage(format!("skep: 'skep {path}' requires at least 1 argument"), Trailer::See)),
        _ => Ok(()),
    }
}

/// Refuses a command with arguments.
pub(crate) fn none(path: &str, arguments: &[String]) -> Result<(), Fault> {
    match arguments {
        [] => Ok(()),
        _ => Err(Fault::usage(format!("skep: 'skep {path}' accepts no arguments"), Trailer::Run)),
    }
}

/// Writes a list as `--format` and `--quiet` want it; quiet shows ids only.
pub(crate) fn show_list(
    context: &mut Context,
    listing: &Listing,
    format: &str,
    quiet: bool,
) -> Result<(), Fault> {
    let format = Format::parse(format);
    let text = match (quiet, &format) {
        (true, Format::Table) => listing.render_field("ID"),
        (true, Format::Raw) => listing.render_raw_ids(),
        _ => listing.render(&format)?,
    };
    Ok(context.io.text(&text)?)
}

#[cfg(test)]
mod tests;
