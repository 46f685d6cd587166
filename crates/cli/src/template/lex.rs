//! The words inside `{{ … }}`, and the text around them.

use super::TemplateError;

/// A stretch of the source: literal text, or the words of one action.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// Copied to the output.
    Text(String),
    /// What stands between the braces; `end` is where the closing braces begin.
    Action { tokens: Vec<Token>, end: usize },
}

/// A word of an action and where it begins, in bytes from the start of the source.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub at: usize,
    pub kind: Kind,
    /// Tells whether blanks precede it: `.A .B` is two operands, `.A.B` one.
    pub spaced: bool,
}

/// The kinds of words.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Word(String),
    /// `.name`, without the dot.
    Field(String),
    /// `$name`, with the dollar sign.
    Variable(String),
    Text(String),
    Int(i128),
    Float(f64),
    Dot,
    Pipe,
    Comma,
    Declare,
    Assign,
    Open,
    Close,
    /// What cannot be read; the parser fails when it gets there, not before.
    Broken(TemplateError),
}

/// An error at the line of a byte of the source, as Go's parser words it.
pub(super) fn error_at(source: &str, at: usize, message: &str) -> TemplateError {
    let line = 1 + source[..at.min(source.len())].matches('\n').count();
    TemplateError::Parse(format!("{line}: {message}"))
}

/// Cuts a source into pieces, applying trim markers and dropping comments.
pub(super) fn pieces(source: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let (mut at, mut trim) = (0, false);
    while let Some(open) = source[at..].find("{{").map(|offset| at + offset) {
        let inside = open + 2;
        let trims =
            source[inside..].starts_with('-') && source[inside + 1..].starts_with(char::is_whitespace);
        push_text(&mut pieces, &source[at..open], trim, trims);
        let start = if trims { inside + 1 } else { inside };
        let body = source[start..].trim_start();
        let end = if body.starts_with("/*") {
            comment_end(source, start)?
        } else {
            let (tokens, end) = Lexer { source, at: start, tokens: Vec::new() }.run();
            pieces.push(Piece::Action { tokens, end });
            end
        };
        let trimmed = source[end..].strip_prefix('-');
        trim = trimmed.is_some();
        at = (end + if trim { 3 } else { 2 }).min(source.len());
    }
    push_text(&mut pieces, &source[at..], trim, false);
    Ok(pieces)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str, trim_start: bool, trim_end: bool) {
    let text = if trim_start { text.trim_start() } else { text };
    let text = if trim_end { text.trim_end() } else { text };
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// Finds the closing braces, or the dash before them, behind a comment.
fn comment_end(source: &str, start: usize) -> Result<usize, TemplateError> {
    let unclosed = || error_at(source, start, "unclosed comment");
    let close = source[start..].find("*/").map(|offset| start + offset + 2).ok_or_else(unclosed)?;
    let rest = source[close..].trim_start();
    if rest.starts_with("}}") || rest.starts_with("-}}") {
        Ok(source.len() - rest.len())
    } else {
        Err(error_at(source, start, "comment ends before closing delimiter"))
    }
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    tokens: Vec<Token>,
}

impl<'a> Lexer<'a> {
    /// Reads words up to the closing braces, whose place it returns (that of the dash, with a trim marker).
    fn run(mut self) -> (Vec<Token>, usize) {
        let begin = self.at;
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start().len();
            let rest = rest.trim_start();
            if rest.starts_with("}}") || (blanks > 0 && rest.starts_with("-}}")) {
                return (self.tokens, self.at + blanks);
            }
            self.at += blanks;
            let (kind, length) = match self.word(rest, begin) {
                Ok(word) => word,
                Err(error) => {
                    self.tokens.push(Token { at: self.at, kind: Kind::Broken(error), spaced: true });
                    return (self.tokens, self.source.len());
                }
            };
            self.tokens.push(Token { at: self.at, kind, spaced: blanks > 0 });
            self.at += length;
        }
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn fail<T>(&self, message: &str) -> Result<T, TemplateError> {
        Err(error_at(self.source, self.at, message))
    }

    fn word(&self, rest: &str, begin: usize) -> Result<(Kind, usize), TemplateError> {
        let Some(first) = rest.chars().next() else {
            return Err(error_at(self.source, begin, "unclosed action"));
        };
        match first {
            '|' => Ok((Kind::Pipe, 1)),
            ',' => Ok((Kind::Comma, 1)),
            '(' => Ok((Kind::Open, 1)),
            ')' => Ok((Kind::Close, 1)),
            ':' if rest.starts_with(":=") => Ok((Kind::Declare, 2)),
            '=' => Ok((Kind::Assign, 1)),
            '"' => self.quoted(rest),
            '`' => match rest[1..].find('`') {
                Some(end) => Ok((Kind::Text(rest[1..=end].to_owned()), end + 2)),
                None => self.fail("unterminated raw quoted string"),
            },
            '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => {
                let name = identifier(&rest[1..]);
                let kind = if name.is_empty() { Kind::Dot } else { Kind::Field(name.to_owned()) };
                Ok((kind, 1 + name.len()))
            }
            '$' => {
                let name = &rest[..1 + identifier(&rest[1..]).len()];
                Ok((Kind::Variable(name.to_owned()), name.len()))
            }
            '0'..='9' | '.' | '+' | '-' => self.number(rest),
            _ if first.is_alphabetic() || first == '_' => {
                let name = identifier(rest);
                Ok((Kind::Word(name.to_owned()), name.len()))
            }
            _ => self.fail(&format!("unexpected {} in operand", crate::format::go_quote(&first.to_string()))),
        }
    }

    fn quoted(&self, rest: &str) -> Result<(Kind, usize), TemplateError> {
        let mut text = String::new();
        let mut characters = rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => return Ok((Kind::Text(text), at + 1)),
                '\n' => break,
                '\\' => match characters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, other @ ('"' | '\\' | '\''))) => text.push(other),
                    _ => return self.fail("invalid syntax"),
                },
                _ => text.push(character),
            }
        }
        self.fail("unterminated quoted string")
    }

    fn number(&self, rest: &str) -> Result<(Kind, usize), TemplateError> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
        let text = &rest[..rest.find(|c: char| !is_part(c)).unwrap_or(rest.len())];
        if let Ok(number) = crate::grammar::int64(text) {
            return Ok((Kind::Int(number.into()), text.len()));
        }
        match text.parse() {
            Ok(number) => Ok((Kind::Float(number), text.len())),
            Err(_) => self.fail(&format!("bad number syntax: {}", crate::format::go_quote(text))),
        }
    }
}

/// The letters, digits and underscores at the start of a text.
fn identifier(text: &str) -> &str {
    &text[..text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len())]
}
