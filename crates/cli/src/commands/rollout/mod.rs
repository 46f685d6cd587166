//! `rollout`: how a service gets from one revision to another, and why it waits. Only Skep has it.

mod history;
mod show;
mod status;
mod steer;
mod wait;
mod why;

use clap::Subcommand;

use crate::context::Context;
use crate::fault::Fault;

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

pub(crate) async fn run(context: &mut Context, command: Commands) -> Result<(), Fault> {
    match command {
        Commands::Abort(flags) => steer::abort(context, flags).await,
        Commands::History(flags) => history::run(context, flags).await,
        Commands::Pause(flags) => steer::pause(context, flags).await,
        Commands::Resume(flags) => steer::resume(context, flags).await,
        Commands::Status(flags) => status::run(context, flags).await,
        Commands::Undo(flags) => steer::undo(context, flags).await,
        Commands::Wait(flags) => wait::run(context, flags).await,
        Commands::Why(flags) => why::run(context, flags).await,
    }
}

#[cfg(test)]
mod tests;
