//! One Rust file with its comments and literals told from its code, byte for byte.
//!
//! `code` has every comment and every literal's content replaced by spaces, `comments` has everything else
//! replaced; both keep the length and the lines of the text, so an offset means the same in all three. This
//! is a lexer for exactly that and no parser: it knows nested comments, raw strings and lifetimes.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// A Rust file as the rules see it.
#[derive(Debug, Default)]
pub struct Source {
    /// Relative to the workspace root.
    pub path: PathBuf,
    pub text: String,
    pub code: String,
    pub comments: String,
    /// The whole file is compiled for tests only.
    pub test: bool,
    /// Parts under `#[cfg(test)]`, as byte ranges.
    test_ranges: Vec<Range<usize>>,
}

impl Source {
    /// Splits `text`; `test` says that the whole file is test code.
    pub fn new(path: &Path, text: String, test: bool) -> Self {
        let (code, comments) = split(&text);
        let test_ranges = test_ranges(&code);
        Self { path: path.to_owned(), text, code, comments, test, test_ranges }
    }

    /// Returns the line of a byte offset, from 1.
    pub fn line(&self, offset: usize) -> usize {
        1 + self.text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count()
    }

    /// Tells whether the code at `offset` is compiled for tests only.
    pub fn is_test(&self, offset: usize) -> bool {
        self.test || self.test_ranges.iter().any(|range| range.contains(&offset))
    }

    /// Returns where `word` stands in the code as whole path segments, `std::fs` for example.
    pub fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        occurrences(&self.code, word)
    }
}

/// Returns where `word` stands in `text` with no identifier character on either side.
pub fn occurrences<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let bytes = text.as_bytes();
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        !is_part(before) && !is_part(bytes.get(at + word.len()))
    })
}

/// Returns the position just behind the bracket that closes the one at `open`.
pub fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Finds the items under `#[cfg(test)]`: up to the end of their braces, or to their semicolon.
fn test_ranges(code: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    for (start, attribute) in code.match_indices("#[cfg(test)]") {
        let body = start + attribute.len();
        let Some(stop) = code[body..].find(['{', ';']).map(|at| body + at) else { continue };
        let end = match code.as_bytes()[stop] {
            b'{' => closing(code, stop).unwrap_or(code.len()),
            _ => stop + 1,
        };
        ranges.push(start..end);
    }
    ranges
}

/// What a stretch of text is.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Code,
    Comment,
    Literal,
}

fn split(text: &str) -> (String, String) {
    let mut code = String::with_capacity(text.len());
    let mut comments = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (part, length) = next(rest, text.len() - rest.len(), text);
        let piece = &rest[..length];
        match part {
            Part::Code => push(&mut code, &mut comments, piece),
            Part::Comment => push(&mut comments, &mut code, piece),
            Part::Literal => {
                blank(&mut code, piece);
                blank(&mut comments, piece);
            }
        }
        rest = &rest[length..];
    }
    (code, comments)
}

/// Keeps `piece` on one side and leaves its place empty on the other.
fn push(kept: &mut String, emptied: &mut String, piece: &str) {
    kept.push_str(piece);
    blank(emptied, piece);
}

/// Writes as many bytes as `piece` has, all spaces but for the line ends.
fn blank(side: &mut String, piece: &str) {
    side.extend(piece.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
}

/// Returns what begins here and how many bytes it spans.
fn next(rest: &str, at: usize, text: &str) -> (Part, usize) {
    let after_word = text[..at].bytes().next_back().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
    if rest.starts_with("//") {
        return (Part::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Part::Comment, block_comment(rest));
    }
    if !after_word && let Some(length) = raw_string(rest) {
        return (Part::Literal, length);
    }
    if rest.starts_with('"') {
        return (Part::Literal, quoted(rest, b'"'));
    }
    if rest.starts_with('\'') && is_char_literal(rest) {
        return (Part::Literal, quoted(rest, b'\''));
    }
    (Part::Code, rest.chars().next().map_or(0, char::len_utf8))
}

fn block_comment(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let (mut depth, mut at) = (0usize, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Returns the length of `r"…"`, `r#"…"#`, `br"…"` or `cr"…"` when `rest` begins with one.
fn raw_string(rest: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"]
        .into_iter()
        .find(|p| rest.strip_prefix(p).is_some_and(|tail| tail.trim_start_matches('#').starts_with('"')))?;
    let hashes = rest[prefix.len()..].bytes().take_while(|byte| *byte == b'#').count();
    let open = prefix.len() + hashes + 1;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(rest[open..].find(&end).map_or(rest.len(), |at| open + at + end.len()))
}

fn quoted(rest: &str, quote: u8) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Tells `'x'` and `'\n'` from the lifetime `'x`.
fn is_char_literal(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    match chars.next() {
        Some('\\') => true,
        Some(_) => chars.next() == Some('\''),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(Path::new("x.rs"), text.to_owned(), false)
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        let text =
            "let a = \"// no\"; // yes \"x\"\nlet b = 'a'; /* one /* two */ */ f::<'a>(r#\"q\"r\"#, '\\'');";
        let source = source(text);
        assert_eq!(source.code.len(), text.len());
        assert_eq!(source.comments.len(), text.len());
        let squeeze = |side: &str| side.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeeze(&source.code), "let a = ; let b = ; f::<'a>( , );");
        assert_eq!(squeeze(&source.comments), "// yes \"x\" /* one /* two */ */");
    }

    #[test]
    fn multibyte_text_keeps_offsets_and_lines() {
        let source = source("// »ü«\nlet x = \"…\";\nstd::fs::read();");
        let at = source.words("std::fs").next().unwrap();
        assert_eq!(&source.text[at..at + 7], "std::fs");
        assert_eq!(source.line(at), 3);
    }

    #[test]
    fn words_are_whole() {
        let source = source("HashMap; MyHashMap; HashMaps; std::collections::HashMap");
        assert_eq!(source.words("HashMap").count(), 2);
    }

    #[test]
    fn test_code_ends_where_its_item_ends() {
        let source =
            source("#[cfg(test)]\nmod tests { fn a() { b() } }\nfn c() {}\n#[cfg(test)]\nmod d;\nfn e() {}");
        let at = |needle: &str| source.text.find(needle).unwrap();
        assert!(source.is_test(at("b()")) && source.is_test(at("mod d;")));
        assert!(!source.is_test(at("fn c")) && !source.is_test(at("fn e")));
    }
}
