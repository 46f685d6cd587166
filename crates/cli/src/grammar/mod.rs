//! The grammars of flag values: text in, typed value or Docker's refusal out.
//!
//! Everything here is pure and looks at nothing but its argument; what needs the environment or the daemon (a bare
//! `--env` key, the id of a network) is finished in `spec`. Scalars are in `duration`, `size` and `number`, plain lists
//! in `list`, comma-separated values in `publish`, `mount`, `file_ref` and `network`.

use std::fmt;

mod cluster;
mod csv;
mod duration;
mod file_ref;
mod list;
mod mount;
mod network;
mod number;
mod platform;
mod publish;
mod shell;
mod size;
mod time;

pub(crate) use cluster::{Pem, external_ca, listen_address, pem_file, subnets};
pub(crate) use duration::{duration, positive_duration, show as show_duration};
pub(crate) use file_ref::{FileRef, config_ref, secret_ref};
pub(crate) use list::{
    credential_spec, dns_search, env, filter, generic_resource, generic_resources, host, ip_address, label,
    placement_pref, ulimit,
};
pub(crate) use mount::mount;
pub(crate) use network::network;
pub(crate) use number::{boolean, float32, int64, uint32, uint64, uint64_decimal};
pub(crate) use platform::{go_arch, go_os, platform};
pub(crate) use publish::publish;
pub(crate) use shell::words;
pub(crate) use size::{bytes, cpus};
pub(crate) use time::instant;

/// A refused value: the whole sentence, in Docker's words. Nobody matches on it; it is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invalid(String);

impl Invalid {
    /// Refuses with a sentence.
    pub(crate) fn new(sentence: impl Into<String>) -> Invalid {
        Invalid(sentence.into())
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

/// A refusal made of a format string.
macro_rules! invalid {
    ($($sentence:tt)*) => { $crate::grammar::Invalid::new(format!($($sentence)*)) };
}
pub(crate) use invalid;

/// The same as an `Err`.
macro_rules! refuse {
    ($($sentence:tt)*) => { Err($crate::grammar::invalid!($($sentence)*)) };
}
pub(crate) use refuse;

/// Splits `key=value`; `None` without an equals sign.
fn key_value(text: &str) -> Option<(&str, &str)> {
    text.split_once('=')
}

/// Docker's test for the long form of a comma-separated flag: somewhere a word, an equals sign, a word.
fn is_long_form(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.as_bytes().windows(3).any(|window| is_word(window[0]) && window[1] == b'=' && is_word(window[2]))
}

#[cfg(test)]
mod tests;
