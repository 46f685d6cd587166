//! `cluster`: the policies of the cluster as a whole. Only Skep has it; they are labels of the swarm's specification, so
//! that every client hands them back unharmed.

mod rebalance;
mod set;
mod show;
mod unset;

use clap::Subcommand;

use crate::commands::{Running, start};
use crate::context::Context;

/// What the names of policies begin with as labels.
const PREFIX: &str = "skep.";

/// Returns the label of a policy, which may be named by it.
fn label(key: &str) -> String {
    format!("{PREFIX}{}", key.strip_prefix(PREFIX).unwrap_or(key))
}

/// Show and set the policies of the cluster
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    Rebalance(rebalance::Flags),
    Set(set::Flags),
    Show(show::Flags),
    Unset(unset::Flags),
}

pub(crate) fn run(context: &mut Context, command: Commands) -> Running<'_> {
    match command {
        Commands::Rebalance(flags) => start(context, flags, rebalance::run),
        Commands::Set(flags) => start(context, flags, set::run),
        Commands::Show(flags) => start(context, flags, show::run),
        Commands::Unset(flags) => start(context, flags, unset::run),
    }
}

#[cfg(test)]
mod tests;
