//! One string split into words the way a shell would: `--args`, `--entrypoint`.

use std::iter::Peekable;
use std::str::Chars;

use super::{Invalid, refuse};

/// Splits into words. Quotes group, a backslash protects the next character, `#` begins a comment.
pub(crate) fn words(text: &str) -> Result<Vec<String>, Invalid> {
    let mut words = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(&next) = characters.peek() {
        if next.is_whitespace() {
            characters.next();
        } else if next == '#' {
            characters.by_ref().find(|c| *c == '\n');
        } else {
            words.push(word(&mut characters)?);
        }
    }
    Ok(words)
}

fn word(characters: &mut Peekable<Chars<'_>>) -> Result<String, Invalid> {
    let mut word = String::new();
    while let Some(character) = characters.next_if(|c| !c.is_whitespace()) {
        match character {
            '\\' => word.push(escaped(characters)?),
            '\'' => quoted(characters, &mut word, false)?,
            '"' => quoted(characters, &mut word, true)?,
            _ => word.push(character),
        }
    }
    Ok(word)
}

/// Reads up to the closing quote; inside double quotes a backslash protects any character.
fn quoted(characters: &mut Peekable<Chars<'_>>, word: &mut String, double: bool) -> Result<(), Invalid> {
    while let Some(character) = characters.next() {
        match character {
            '"' if double => return Ok(()),
            '\'' if !double => return Ok(()),
            '\\' if double => word.push(escaped(characters)?),
            _ => word.push(character),
        }
    }
    refuse!("EOF found when expecting closing quote")
}

fn escaped(characters: &mut Peekable<Chars<'_>>) -> Result<char, Invalid> {
    characters.next().ok_or_else(|| Invalid::new("EOF found after escape character"))
}
