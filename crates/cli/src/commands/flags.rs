//! Flags that several commands share, written once. A command whose help words one of them differently says so with
//! `mut_arg`.

use clap::Args;
use skep_api::client::Filters;

use super::{Condition, LIST_FORMAT_HELP, OBJECT_FORMAT_HELP};
use crate::grammar::filter;

/// What is listed, and how.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ListFlags {
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "filter", value_parser = filter)]
    filter: Vec<Condition>,
    #[arg(long, value_name = "string", default_value = "", help = LIST_FORMAT_HELP)]
    pub format: String,
    /// Only display IDs
    #[arg(short, long)]
    pub quiet: bool,
}

impl ListFlags {
    /// The conditions of all `--filter` flags.
    pub(crate) fn filters(&self) -> Filters {
        collect(&self.filter)
    }
}

/// Which tasks are listed, and how.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct TaskListFlags {
    /// Filter output based on conditions provided
    #[arg(short, long, value_name = "filter", value_parser = filter)]
    filter: Vec<Condition>,
    /// Pretty-print tasks using a Go template
    #[arg(long, value_name = "string", default_value = "")]
    pub format: String,
    /// Do not map IDs to Names
    #[arg(long)]
    pub no_resolve: bool,
    /// Do not truncate output
    #[arg(long)]
    pub no_trunc: bool,
    /// Only display task IDs
    #[arg(short, long)]
    pub quiet: bool,
}

impl TaskListFlags {
    /// The conditions of all `--filter` flags.
    pub(crate) fn filters(&self) -> Filters {
        collect(&self.filter)
    }
}

/// How one object is shown.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ObjectFlags {
    #[arg(short, long, value_name = "string", default_value = "", help = OBJECT_FORMAT_HELP)]
    pub format: String,
}

/// How objects of the cluster are inspected: like any object, or as text for people.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct InspectFlags {
    #[command(flatten)]
    object: ObjectFlags,
    /// Print the information in a human friendly format
    #[arg(long)]
    pub pretty: bool,
}

impl InspectFlags {
    /// The format, which is `pretty` if that flag asks for it; `None` if both ask for something.
    pub(crate) fn exclusive(self) -> Option<String> {
        match (self.pretty, self.object.format.as_str()) {
            (true, "") => Some("pretty".to_owned()),
            (true, _) => None,
            (false, _) => Some(self.object.format),
        }
    }

    /// The same, where `--pretty` wins.
    pub(crate) fn merged(self) -> String {
        if self.pretty { "pretty".to_owned() } else { self.object.format }
    }
}

/// Collects `--filter` flags.
pub(crate) fn collect(conditions: &[Condition]) -> Filters {
    let mut filters = Filters::default();
    for (key, value) in conditions.iter().flatten() {
        filters.add(key, value);
    }
    filters
}
