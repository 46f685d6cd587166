//! Help and usage errors in docker's layout. `help` renders a command, `error` words what the parser refuses.

mod error;
mod grammar;
mod help;
mod wrap;

pub(crate) use error::refusal;
pub(crate) use grammar::finish;
pub(crate) use help::{help, trailer};

use clap::Command;

/// A command and the words that lead to it, program name first.
pub(crate) struct Found<'a> {
    /// The command.
    pub command: &'a Command,
    /// Its path: `skep service create`.
    pub path: String,
    /// The first word behind the path that is no flag: an argument, or an unknown command.
    pub next: Option<String>,
    /// Everything behind the path.
    pub rest: Vec<String>,
}

/// Follows the words of a command line down to the last command they name.
pub(crate) fn find<'a>(root: &'a Command, arguments: &[String]) -> Found<'a> {
    let mut found =
        Found { command: root, path: root.get_name().to_owned(), next: None, rest: arguments.to_vec() };
    loop {
        let Some((at, word)) = next_word(found.command, &found.rest) else { return found };
        let Some(sub) = found.command.find_subcommand(&word) else {
            found.next = Some(word);
            return found;
        };
        found.path = format!("{} {}", found.path, sub.get_name());
        found.command = sub;
        found.rest.drain(..=at);
    }
}

/// The first word that is neither a flag nor the value of one.
fn next_word(command: &Command, arguments: &[String]) -> Option<(usize, String)> {
    let mut index = 0;
    while let Some(word) = arguments.get(index) {
        if !word.starts_with('-') || word == "-" {
            return Some((index, word.clone()));
        }
        if word == "--" {
            return arguments.get(index + 1).map(|word| (index + 1, word.clone()));
        }
        index += if takes_next(command, word) { 2 } else { 1 };
    }
    None
}

/// Tells whether a flag, as written, has its value in the next word.
fn takes_next(command: &Command, word: &str) -> bool {
    let mut options = command.get_arguments().filter(|argument| help::takes_value(argument));
    match word.strip_prefix("--") {
        Some(long) => options.any(|option| option.get_long() == Some(long)),
        None => options.any(|option| word.len() == 2 && option.get_short() == word.chars().nth(1)),
    }
}

#[cfg(test)]
mod surface;
#[cfg(test)]
mod tests;
