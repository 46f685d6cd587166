//! `context`: names for daemons. They are kept as the docker client keeps them, and shared with it.

mod create;
mod endpoint;
mod export;
mod import;
mod inspect;
mod ls;
mod rm;
mod show;
mod switch;
mod update;

use clap::Subcommand;

use crate::context::Context;
use crate::fault::Fault;
use crate::store::{DEFAULT, Store};

/// Manage contexts
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    Create(create::Flags),
    Export(export::Flags),
    Import(import::Flags),
    Inspect(inspect::Flags),
    #[command(visible_alias = "list")]
    Ls(ls::Flags),
    #[command(visible_alias = "remove")]
    Rm(rm::Flags),
    Show(show::Flags),
    Update(update::Flags),
    Use(switch::Flags),
}

pub(crate) async fn run(context: &mut Context, command: Commands) -> Result<(), Fault> {
    match command {
        Commands::Create(flags) => create::run(context, flags),
        Commands::Export(flags) => export::run(context, flags),
        Commands::Import(flags) => import::run(context, flags).await,
        Commands::Inspect(flags) => inspect::run(context, flags),
        Commands::Ls(flags) => ls::run(context, flags),
        Commands::Rm(flags) => rm::run(context, flags),
        Commands::Show(flags) => show::run(context, flags),
        Commands::Update(flags) => update::run(context, flags),
        Commands::Use(flags) => switch::run(context, flags),
    }
}

/// The user's contexts.
fn store(context: &Context) -> Store {
    Store::new(&context.config_directory())
}

/// Refuses names that Docker refuses.
fn check_name(name: &str) -> Result<(), Fault> {
    const PATTERN: &str = "^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$";
    if name.is_empty() {
        return Err(Fault::new("context name cannot be empty"));
    }
    if name == DEFAULT {
        return Err(Fault::new("\"default\" is a reserved context name"));
    }
    let (first, rest) = name.split_at(name.chars().next().map_or(0, char::len_utf8));
    let is_word = |text: &str, more: &str| {
        text.chars().all(|letter| letter.is_ascii_alphanumeric() || more.contains(letter))
    };
    if !is_word(first, "") || rest.is_empty() || !is_word(rest, "_.+-") {
        return Err(Fault::new(format!(
            "context name {name:?} is invalid, names are validated against regexp {PATTERN:?}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
