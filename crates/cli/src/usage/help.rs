//! The help of a command.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

use super::wrap::wrap;

/// The width of a help text that does not go to a terminal.
const DEFAULT_COLUMNS: usize = 80;

/// Tells whether a flag needs a value.
pub(super) fn takes_value(argument: &Arg) -> bool {
    let least = argument.get_num_args().map_or(1, |range| range.min_values());
    matches!(argument.get_action(), ArgAction::Set | ArgAction::Append) && least > 0
}

/// The usage line of a command without the program's name in front of its path.
pub(super) fn usage_line(command: &Command, path: &str) -> String {
    match command.get_before_help() {
        Some(tail) => format!("{path} {tail}").trim_end().to_owned(),
        None if command.has_subcommands() => format!("{path} COMMAND"),
        None => path.to_owned(),
    }
}

/// The reminder below a usage error.
pub(crate) fn trailer(command: &Command, path: &str, verb: &str) -> String {
    let usage = match command.get_before_help() {
        Some(_) if command.has_subcommands() => format!("{} [ARG...]", usage_line(command, path)),
        None if command.has_subcommands() => path.to_owned(),
        _ => usage_line(command, path),
    };
    format!("\nUsage:  {usage}\n\n{verb} '{path} --help' for more information")
}

/// The whole help of a command.
pub(crate) fn help(command: &Command, path: &str, columns: Option<usize>) -> String {
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let mut text = format!("Usage:  {}\n\n{about}\n", usage_line(command, path));
    let aliases = aliases(command, path);
    if !aliases.is_empty() {
        push(&mut text, format_args!("\nAliases:\n  {}\n", aliases.join(", ")));
    }
    // Compat: docker leaves the last column free.
    let flags = flags(command, columns.unwrap_or(DEFAULT_COLUMNS).saturating_sub(1));
    if command.has_subcommands() {
        push(&mut text, format_args!("\n{}", groups(command, path)));
    }
    if !flags.is_empty() {
        let title = if command.has_subcommands() { "Global Options" } else { "Options" };
        push(&mut text, format_args!("\n{title}:\n{flags}"));
    }
    if command.has_subcommands() {
        push(&mut text, format_args!("\nRun '{path} COMMAND --help' for more information on a command.\n"));
    }
    text
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    text.write_fmt(part).expect("writing to a string cannot fail");
}

/// All names of a command. Shortcuts list theirs, in the place where clap has a text after the help.
fn aliases(command: &Command, path: &str) -> Vec<String> {
    if let Some(names) = command.get_after_help() {
        let program = path.split(' ').next().unwrap_or_default();
        return names.to_string().split(", ").map(|name| format!("{program} {name}")).collect();
    }
    let aliases: Vec<&str> = command.get_visible_aliases().collect();
    if aliases.is_empty() {
        return Vec::new();
    }
    let parent = path.rsplit_once(' ').map_or("", |(parent, _)| parent);
    std::iter::once(path.to_owned()).chain(aliases.iter().map(|alias| format!("{parent} {alias}"))).collect()
}

/// What people type most, in the order in which they meet it.
const COMMON: [&str; 9] = ["init", "exec", "ps", "pull", "images", "login", "logout", "version", "info"];

/// The groups of a cluster.
const SWARM: [&str; 3] = ["node", "service", "swarm"];

/// The subcommands: groups first, if there are any beside plain commands; those of the root in four sections.
fn groups(command: &Command, path: &str) -> String {
    let (groups, plain): (Vec<_>, Vec<_>) =
        command.get_subcommands().filter(|sub| !sub.is_hide_set()).partition(|sub| sub.has_subcommands());
    let names = command.get_subcommands().map(|sub| sub.get_name().len());
    let width = names.max().unwrap_or(0).max(11);
    let section = |title: &str, mut subs: Vec<&Command>| {
        let rank = |sub: &&Command| {
            COMMON.iter().position(|name| path == command.get_name() && *name == sub.get_name())
        };
        subs.sort_by_key(|sub| (rank(sub), sub.get_name()));
        let line = |sub: &&Command| {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            format!("  {:width$} {about}\n", sub.get_name())
        };
        format!("{title}:\n{}", subs.iter().map(line).collect::<String>())
    };
    if path == command.get_name() {
        let (common, plain) = plain.into_iter().partition(|sub| COMMON.contains(&sub.get_name()));
        let (swarm, groups) = groups.into_iter().partition(|sub| SWARM.contains(&sub.get_name()));
        let sections = [
            section("Common Commands", common),
            section("Management Commands", groups),
            section("Swarm Commands", swarm),
            section("Commands", plain),
        ];
        return sections.join("\n");
    }
    match (groups.is_empty(), plain.is_empty()) {
        (true, _) => section("Commands", plain),
        (false, true) => section("Management Commands", groups),
        (false, false) => {
            format!("{}\n{}", section("Management Commands", groups), section("Commands", plain))
        }
    }
}

/// The flags in alphabetic order, their texts wrapped beside them.
fn flags(command: &Command, columns: usize) -> String {
    let mut flags: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| argument.get_long().is_some() && !argument.is_hide_set())
        .collect();
    flags.sort_by_key(|flag| flag.get_long());
    let heads: Vec<String> = flags.iter().map(|flag| head(flag)).collect();
    let widest = heads.iter().map(String::len).max().unwrap_or(0);
    let line = |(flag, head): (&&Arg, &String)| {
        let text = flag.get_help().map(ToString::to_string).unwrap_or_default();
        format!("{head:widest$}   {}\n", wrap(widest + 3, columns, &text))
    };
    flags.iter().zip(&heads).map(line).collect()
}

/// `  -e, --env list`.
fn head(flag: &Arg) -> String {
    let short = flag.get_short().map_or("    ".to_owned(), |short| format!("-{short}, "));
    let long = flag.get_long().unwrap_or_default();
    let value = match flag.get_value_names() {
        Some([name, ..]) if takes_value(flag) => format!(" {name}"),
        _ => String::new(),
    };
    format!("  {short}--{long}{value}")
}
