//! `rollout`: how a service gets from one revision to another, and why it waits. Only Skep has it.

mod history;
mod show;
mod status;
mod steer;
mod wait;
mod why;

use clap::Subcommand;

use crate::commands::{Running, start};
use crate::context::Context;

/// Watch and steer the rollouts of services
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    Abort(steer::AbortFlags),
    History(history::Flags),
    Pause(steer::PauseFlags),
    Resume(steer::ResumeFlags),
    Status(status::Flags),
    Undo(steer::UndoFlags),
    Wait(wait::Flags),
    Why(why::Flags),
}

pub(crate) fn run(context: &mut Context, command: Commands) -> Running<'_> {
    match command {
        Commands::Abort(flags) => start(context, flags, steer::abort),
        Commands::History(flags) => start(context, flags, history::run),
        Commands::Pause(flags) => start(context, flags, steer::pause),
        Commands::Resume(flags) => start(context, flags, steer::resume),
        Commands::Status(flags) => start(context, flags, status::run),
        Commands::Undo(flags) => start(context, flags, steer::undo),
        Commands::Wait(flags) => start(context, flags, wait::run),
        Commands::Why(flags) => start(context, flags, why::run),
    }
}

#[cfg(test)]
mod tests;
