//! `service`: what runs on the cluster.

mod create;
mod inspect;
mod logs;
mod ls;
mod pretty;
mod ps;
mod rm;
mod rollback;
mod scale;
mod update;

use clap::{Command, Subcommand};
use skep_api::client::ApiVersion;

use crate::commands::{Running, start};
use crate::context::Context;
use crate::fault::Fault;
use crate::spec::SpecFlags;

/// Manage Swarm services
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    Create(Box<create::Flags>),
    Inspect(inspect::Flags),
    Logs(logs::Flags),
    #[command(visible_alias = "list")]
    Ls(ls::Flags),
    Ps(ps::Flags),
    #[command(visible_alias = "remove")]
    Rm(rm::Flags),
    Rollback(rollback::Flags),
    Scale(scale::Flags),
    Update(Box<update::Flags>),
}

pub(crate) fn run(context: &mut Context, command: Commands) -> Running<'_> {
    match command {
        Commands::Create(flags) => start(context, *flags, create::run),
        Commands::Inspect(flags) => start(context, flags, inspect::run),
        Commands::Logs(flags) => start(context, flags, logs::run),
        Commands::Ls(flags) => start(context, flags, ls::run),
        Commands::Ps(flags) => start(context, flags, ps::run),
        Commands::Rm(flags) => start(context, flags, rm::run),
        Commands::Rollback(flags) => start(context, flags, rollback::run),
        Commands::Scale(flags) => start(context, flags, scale::run),
        Commands::Update(flags) => start(context, *flags, update::run),
    }
}

/// Adds to the help of `create` the defaults that `update` does not have.
pub(crate) fn describe(command: Command) -> Command {
    const DEFAULTS: [(&str, &str); 16] = [
        ("endpoint_mode", "(default \"vip\")"),
        ("restart_condition", "(default \"any\")"),
        ("restart_delay", "(default 5s)"),
        ("rollback_delay", "(default 0s)"),
        ("rollback_failure_action", "(default \"pause\")"),
        ("rollback_max_failure_ratio", "(default 0)"),
        ("rollback_monitor", "(default 5s)"),
        ("rollback_order", "(default \"stop-first\")"),
        ("rollback_parallelism", "(default 1)"),
        ("stop_grace_period", "(default 10s)"),
        ("update_delay", "(default 0s)"),
        ("update_failure_action", "(default \"pause\")"),
        ("update_max_failure_ratio", "(default 0)"),
        ("update_monitor", "(default 5s)"),
        ("update_order", "(default \"stop-first\")"),
        ("update_parallelism", "(default 1)"),
    ];
    command.mut_subcommand("create", |create| {
        create.mut_args(|argument| match DEFAULTS.iter().find(|(id, _)| argument.get_id() == *id) {
            Some((_, default)) => {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                argument.help(format!("{help} {default}").trim_end().to_owned())
            }
            None => argument,
        })
    })
}

/// Refuses flags of a spec that the daemon is too old for.
async fn require(context: &mut Context, flags: &SpecFlags) -> Result<(), Fault> {
    let since = |minor| ApiVersion { major: 1, minor };
    let gated = [
        ("health-start-interval", flags.health_start_interval.is_some(), since(44)),
        ("oom-score-adj", flags.oom_score_adj.is_some(), since(46)),
    ];
    context.require(&gated).await
}

/// Tells standard error what the daemon warns of.
fn warn(context: &mut Context, warnings: Option<Vec<String>>) -> Result<(), Fault> {
    for warning in warnings.into_iter().flatten() {
        context.io.warn(warning)?;
    }
    Ok(())
}
