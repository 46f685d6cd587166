//! How data becomes text: tables, durations, natural order, Go's JSON and quoting.
//!
//! Pure functions from values to strings. Which columns a command shows is its own business; `--format` templates are
//! in `template`.

mod human;
mod json;
mod listing;
mod natural;
mod reference;
mod table;

pub(crate) use human::{bytes, capitalize, decimal_bytes, duration as human_duration, ellipsis, since};
pub(crate) use json::{compact, indented, recompact, reindent};
pub(crate) use listing::{Cell, Column, Format, Listing};
pub(crate) use natural::natural_order;
pub(crate) use reference::{Reference, familiar_image};
pub(crate) use table::align_to;

/// How many characters of an id a table shows.
pub(crate) const SHORT_ID: usize = 12;

/// The first twelve characters of an id.
pub(crate) fn short_id(id: &str) -> &str {
    let end = id.char_indices().nth(SHORT_ID).map_or(id.len(), |(at, _)| at);
    &id[..end]
}

/// The first twelve digits of a digest without its algorithm, or of an id.
pub(crate) fn short_digest(digest: &str) -> &str {
    short_id(digest.split_once(':').map_or(digest, |(_, hex)| hex))
}

/// Quotes as Go's `%q` does.
pub(crate) fn go_quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{b}' => quoted.push_str("\\v"),
            '\u{c}' => quoted.push_str("\\f"),
            '\0'..='\u{7f}' if character.is_control() => {
                quoted.push_str(&format!("\\x{:02x}", character as u32))
            }
            _ if character.is_control() => quoted.push_str(&format!("\\u{:04x}", character as u32)),
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
