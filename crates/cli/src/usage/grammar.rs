//! The last touches on the grammar: what clap does not do by default and pflag does.

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command};

/// Gives a whole tree of commands docker's habits.
///
/// A flag without a value takes `=true` and `=false`, the last of several values counts, a value may begin with a dash,
/// `--help` is everywhere (with `-h` as a deprecated form), and there is no `help` command.
pub(crate) fn finish(command: Command) -> Command {
    let command = command
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .subcommand_required(false)
        .arg_required_else_help(false)
        .mut_args(finish_argument)
        .arg(Arg::new("help").long("help").action(ArgAction::Help).hide(true))
        .arg(Arg::new("help-short").short('h').action(ArgAction::Help).hide(true));
    command.mut_subcommands(finish)
}

fn finish_argument(argument: Arg) -> Arg {
    if argument.is_positional() {
        return argument;
    }
    match argument.get_action() {
        ArgAction::SetTrue => switch(argument).default_value("false"),
        ArgAction::Set | ArgAction::Append => argument.allow_hyphen_values(true),
        _ => argument,
    }
}

/// Makes a flag that stands alone or takes its value after an equals sign.
fn switch(argument: Arg) -> Arg {
    argument
        .action(ArgAction::Set)
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .value_parser(ValueParser::new(crate::grammar::boolean))
}
