//! What clap refuses, in pflag's words.

use std::error::Error;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::fault::{Fault, Trailer};
use crate::format::go_quote;

/// Words a parser error about `command`, whose arguments were `arguments`.
pub(crate) fn refusal(error: &clap::Error, command: &Command, arguments: &[String]) -> Fault {
    let named = context(error, ContextKind::InvalidArg).unwrap_or_default();
    match error.kind() {
        ErrorKind::UnknownArgument if named.starts_with("--") => {
            let name = named.split('=').next().unwrap_or_default();
            Fault::flag(format!("unknown flag: {name}"))
        }
        ErrorKind::UnknownArgument if named.starts_with('-') => {
            let letter = named.chars().nth(1).unwrap_or('-');
            Fault::flag(format!("unknown shorthand flag: '{letter}' in -{}", cluster_from(letter, arguments)))
        }
        ErrorKind::ValueValidation => invalid_value(error, command, &named),
        // Only `--help` takes no value at all.
        ErrorKind::TooManyValues => {
            let value = go_quote(&context(error, ContextKind::InvalidValue).unwrap_or_default());
            let reason = format!("strconv.ParseBool: parsing {value}: invalid syntax");
            Fault::flag(format!("invalid argument {value} for \"--help\" flag: {reason}"))
        }
        ErrorKind::InvalidValue | ErrorKind::NoEquals | ErrorKind::WrongNumberOfValues => {
            missing_value(arguments, &named)
        }
        // The grammar leaves counts of arguments to the commands, so that this is never reached in practice.
        _ => Fault::usage(error.to_string(), Trailer::Run),
    }
}

fn context(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        other => Some(other.to_string()),
    }
}

fn invalid_value(error: &clap::Error, command: &Command, named: &str) -> Fault {
    let value = context(error, ContextKind::InvalidValue).unwrap_or_default();
    let long = named.trim_start_matches('-').split([' ', '=', '[']).next().unwrap_or_default();
    let short = command
        .get_arguments()
        .find(|argument| argument.get_long() == Some(long))
        .and_then(|argument| argument.get_short())
        .map_or(String::new(), |short| format!("-{short}, "));
    let reason = error.source().map(ToString::to_string).unwrap_or_default();
    Fault::flag(format!("invalid argument {} for \"{short}--{long}\" flag: {reason}", go_quote(&value)))
}

/// A flag misses its value only as the last word, and there it stands as it was written.
fn missing_value(arguments: &[String], named: &str) -> Fault {
    let last = arguments.last().map_or(named, String::as_str);
    match last.strip_prefix("--") {
        Some(long) => Fault::flag(format!("flag needs an argument: --{long}")),
        None => {
            let letter = last.chars().next_back().unwrap_or('-');
            Fault::flag(format!("flag needs an argument: '{letter}' in -{letter}"))
        }
    }
}

/// The rest of the cluster of one-letter flags in which `letter` was found.
fn cluster_from(letter: char, arguments: &[String]) -> String {
    let clusters = arguments.iter().filter(|word| word.starts_with('-') && !word.starts_with("--"));
    let tails = clusters.filter_map(|word| word.find(letter).map(|at| word[at..].to_owned()));
    tails.into_iter().next().unwrap_or_else(|| letter.to_string())
}
