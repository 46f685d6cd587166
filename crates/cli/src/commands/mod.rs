//! The commands, one file each: flags whose doc comments are the help, and a `run` function.
//!
//! What several commands do alike is here: counting arguments, filters, `--format`, `inspect`.

mod absent;
pub(crate) mod any;
pub(crate) mod cluster;
pub(crate) mod completion;
pub(crate) mod container;
pub(crate) mod context;
pub(crate) mod doctor;
pub(crate) mod flags;
pub(crate) mod image;
pub(crate) mod info;
pub(crate) mod init;
mod inspect;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod node;
mod prune;
pub(crate) mod rollout;
pub(crate) mod service;
pub(crate) mod swarm;
pub(crate) mod system;
mod task_table;
pub(crate) mod version;
pub(crate) mod volume;

use std::pin::Pin;
use std::rc::Rc;

#[cfg(test)]
pub(crate) use absent::ABSENT;
pub(crate) use absent::instead_of;
use skep_api::client::Client;

use crate::context::Context;
use crate::fault::{Fault, Trailer};
use crate::format::{Format, Listing};

/// A command at work. Each lives on the heap: together they would outgrow the stack of a thread.
pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Result<(), Fault>> + 'a>>;

/// Puts a command to work.
pub(crate) fn start<'a, A, F>(
    context: &'a mut Context,
    flags: A,
    run: impl FnOnce(&'a mut Context, A) -> F,
) -> Running<'a>
where
    F: Future<Output = Result<(), Fault>> + 'a,
{
    Box::pin(run(context, flags))
}

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

/// How many arguments a command takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    None,
    Exactly(usize),
    AtLeast(usize),
    AtMost(usize),
    Between(usize, usize),
}

impl Count {
    fn allows(self, count: usize) -> bool {
        match self {
            Count::None => count == 0,
            Count::Exactly(wanted) => count == wanted,
            Count::AtLeast(least) => count >= least,
            Count::AtMost(most) => count <= most,
            Count::Between(least, most) => (least..=most).contains(&count),
        }
    }

    /// Docker's sentence, and the reminder below it.
    fn sentence(self) -> (String, Trailer) {
        let noun = |count: usize| if count == 1 { "argument" } else { "arguments" };
        match self {
            Count::None => ("accepts no arguments".to_owned(), Trailer::Run),
            Count::Exactly(count) => (format!("requires {count} {}", noun(count)), Trailer::Run),
            Count::AtLeast(count) => (format!("requires at least {count} {}", noun(count)), Trailer::See),
            Count::AtMost(count) => (format!("requires at most {count} {}", noun(count)), Trailer::Run),
            Count::Between(least, most) => {
                let text = format!("requires at least {least} and at most {most} {}", noun(most));
                (text, Trailer::Run)
            }
        }
    }

    fn check(self, context: &Context, count: usize) -> Result<(), Fault> {
        if self.allows(count) {
            return Ok(());
        }
        let (sentence, trailer) = self.sentence();
        Err(Fault::usage(format!("skep: '{}' {sentence}", context.path), trailer))
    }
}

/// Takes the only argument of a command.
pub(crate) fn exactly_one(context: &Context, mut arguments: Vec<String>) -> Result<String, Fault> {
    Count::Exactly(1).check(context, arguments.len())?;
    Ok(arguments.remove(0))
}

/// Takes the two arguments of a command.
pub(crate) fn exactly_two(context: &Context, mut arguments: Vec<String>) -> Result<(String, String), Fault> {
    Count::Exactly(2).check(context, arguments.len())?;
    Ok((arguments.remove(0), arguments.remove(0)))
}

/// Takes the only argument of a command that may have none.
pub(crate) fn at_most_one(context: &Context, mut arguments: Vec<String>) -> Result<Option<String>, Fault> {
    Count::AtMost(1).check(context, arguments.len())?;
    Ok(arguments.pop())
}

/// Takes the first argument of a command, and the second if there is one.
pub(crate) fn one_or_two(
    context: &Context,
    mut arguments: Vec<String>,
) -> Result<(String, Option<String>), Fault> {
    Count::Between(1, 2).check(context, arguments.len())?;
    Ok((arguments.remove(0), arguments.pop()))
}

/// Refuses a command without arguments.
pub(crate) fn at_least_one(context: &Context, arguments: &[String]) -> Result<(), Fault> {
    Count::AtLeast(1).check(context, arguments.len())
}

/// Refuses a command with less than two arguments.
pub(crate) fn at_least_two(context: &Context, arguments: &[String]) -> Result<(), Fault> {
    Count::AtLeast(2).check(context, arguments.len())
}

/// Refuses a command with arguments.
pub(crate) fn none(context: &Context, arguments: &[String]) -> Result<(), Fault> {
    Count::None.check(context, arguments.len())
}

/// The daemon, for a command that does the same to each argument.
///
/// Compat: docker 28.2 asks for each of them, and fails as often, where there is no daemon.
pub(crate) async fn client_for(context: &mut Context, arguments: &[String]) -> Result<Rc<Client>, Fault> {
    context.client().await.map_err(|fault| match fault.is_unreachable {
        true => Fault { text: vec![fault.text.as_str(); arguments.len()].join("\n"), ..fault },
        false => fault,
    })
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
        (true, Format::Table) => listing.render_field(listing.key),
        (true, Format::Raw) => listing.render_raw_ids(),
        _ => listing.render(&format).map_err(|error| Fault::new(error.in_list()))?,
    };
    Ok(context.io.text(&text)?)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod node_tests;

#[cfg(test)]
mod swarm_tests;
